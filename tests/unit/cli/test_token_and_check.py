"""``token`` and ``check``."""

import json
from pathlib import Path

import jwt
import pytest
from click.testing import CliRunner, Result

from cds_service.cli.main import cli

SITE = """
[[fhir_server]]
url = "https://fhir.example.org/r4"
batch = true

[[client]]
name = "ehr"
iss = "https://ehr.example.org"
jwks_file = "{folder}/jwks.json"
fhir_servers = ["https://fhir.example.org/r4"]
{more}
"""


def run(*arguments: object, **environment: object) -> Result:
    variables = {"DATABASE_URL": "sqlite:////nowhere/there.sqlite"}
    variables |= {name: str(value) for name, value in environment.items()}
    return CliRunner().invoke(cli, [str(a) for a in arguments], env=variables)


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    made = run("token", "keys", tmp_path)
    assert made.exit_code == 0, made.output
    return tmp_path


def profile(keys: Path, more: str = "") -> Path:
    file = keys / "site.toml"
    file.write_text(SITE.format(folder=keys, more=more))
    return file


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "ES512", "RS256", "RS384", "RS512"])
def test_a_token_is_good_with_its_public_key(tmp_path: Path, algorithm: str) -> None:
    assert run("token", "keys", tmp_path, "--algorithm", algorithm, "--kid", "k").exit_code == 0
    signing = ("--key", tmp_path / "private.pem", "--algorithm", algorithm, "--kid", "k", "--tenant", "t", "--jku", "j")
    minted = run("token", "mint", *signing, "--iss", "i", CDS_URL="https://cds.example.org/x").output.strip()
    (key,) = json.loads((tmp_path / "jwks.json").read_text())["keys"]
    claims = jwt.decode(minted, jwt.PyJWK(key), algorithms=[algorithm], audience="https://cds.example.org/x")
    assert (claims["iss"], claims["tenant"], claims["exp"] - claims["iat"]) == ("i", "t", 300)
    assert jwt.get_unverified_header(minted)["jku"] == "j"


def test_a_private_key_is_kept_to_its_owner_and_not_overwritten(keys: Path) -> None:
    assert (keys / "private.pem").stat().st_mode & 0o777 == 0o600
    again = run("token", "keys", keys)
    assert again.exit_code == 1
    assert "is not overwritten" in again.output


def test_a_key_that_cannot_sign_is_named(tmp_path: Path, keys: Path) -> None:
    file = tmp_path / "no.pem"
    file.write_text("nothing")
    for key, algorithm in ((file, "ES384"), (keys / "private.pem", "RS384"), (tmp_path / "gone.pem", "ES384")):
        refused = run("token", "mint", "--key", key, "--iss", "i", "--aud", "a", "--algorithm", algorithm)
        assert refused.exit_code == 1
        assert f"--key {key}:" in refused.output


def test_check_shows_what_holds(keys: Path) -> None:
    shown = run(
        "check",
        SITE_PROFILE=profile(keys),
        PUBLIC_BASE_URL="https://cds.example.org/",
        OPERATOR_TOKEN="very-secret-token-of-operators",
        TRUSTED_PROXIES="10.0.0.1",
        DATABASE_URL="postgresql+psycopg://cds:hidden@db/cds",
        BIND_HOST="0.0.0.0",  # noqa: S104 - as in a container
        KEEP_COMMENTS="1",
        ALLOWED_ORIGINS="https://a.example, https://b.example",
    )
    assert shown.exit_code == 0, shown.output
    for text in (
        "PUBLIC_BASE_URL = https://cds.example.org\n",
        "OPERATOR_TOKEN = ***\n",
        "DATABASE_URL = postgresql+psycopg://cds:***@db/cds\n",
        "ALLOWED_ORIGINS = https://a.example, https://b.example\n",
        "MAX_ENTRIES = 10000  (default)",
        "Access: registered clients",
        "1 public key(s) from jwks_file",
        "! BEHIND_PROXY is not set",
        "or by OPERATOR_TOKEN, or by X-Operator from 10.0.0.1",
        "FHIR server https://fhir.example.org/r4, takes batches, for ehr",
        "! Comments that users type are stored (KEEP_COMMENTS)",
        "! PSEUDONYM_KEYS is not set",
    ):
        assert text in shown.output
    assert "secret" not in shown.output
    assert "hidden" not in shown.output


def test_check_says_who_is_let_in() -> None:
    assert "Access: loopback only: no client is registered" in run("check").output
    opened = run("check", OPEN_ACCESS="1", BIND_HOST="0.0.0.0", BEHIND_PROXY="1")  # noqa: S104
    assert opened.exit_code == 0
    assert "! Access: open access: ANYBODY" in opened.output
    assert "BEHIND_PROXY is not set" not in opened.output


def test_behind_a_proxy_this_machine_is_nobody() -> None:
    refused = run("check", BEHIND_PROXY="1")
    assert (refused.exit_code, "✗ BEHIND_PROXY is set and no client is registered" in refused.output) == (1, True)
    assert "Operator pages: nobody\n" in refused.output


def test_a_memory_of_each_worker_is_not_served(keys: Path) -> None:
    site = {"SITE_PROFILE": profile(keys), "PUBLIC_BASE_URL": "https://a"}
    for environment in ({"WORKERS": 2}, {"WORKERS": 1, **site}):
        for command in ("check", "serve"):
            refused = run(command, DATABASE_URL="sqlite://", **environment)
            assert refused.exit_code == 1
            assert "DATABASE_URL=sqlite:// is a memory of each worker's own" in refused.output
    assert run("check", DATABASE_URL="sqlite://", WORKERS=1).exit_code == 0


def test_check_notes_a_key_file_that_others_may_read(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("k1:" + "ab" * 32)
    for mode, is_noted in ((0o640, True), (0o600, False)):
        file.chmod(mode)
        shown = run("check", PSEUDONYM_KEYS=file)
        assert (f"! PSEUDONYM_KEYS={file} can be read" in shown.output, shown.exit_code) == (is_noted, 0)


@pytest.mark.parametrize(
    ("more", "environment", "said"),
    [
        ("", {}, "✗ PUBLIC_BASE_URL is not set"),
        ("", {"PUBLIC_BASE_URL": "https://a", "OPEN_ACCESS": "1"}, "unset OPEN_ACCESS"),
        (
            'services = ["none"]',
            {"PUBLIC_BASE_URL": "https://a"},
            "✗ client ehr: services 'none'; expected some of b2m-",
        ),
    ],
)
def test_check_fails_and_names_the_setting(keys: Path, more: str, environment: dict[str, str], said: str) -> None:
    refused = run("check", SITE_PROFILE=profile(keys, more), **environment)
    assert refused.exit_code == 1
    assert said in refused.output
    assert "must be mended before it is served" in refused.output


def test_check_misses_keys_unless_it_is_told_not_to_ask(keys: Path) -> None:
    site = profile(keys)
    (keys / "jwks.json").unlink()
    asked = run("check", SITE_PROFILE=site, PUBLIC_BASE_URL="https://a")
    assert asked.exit_code == 1
    assert "gave no public key; expected a JWK Set" in asked.output
    assert run("check", "--offline", SITE_PROFILE=site, PUBLIC_BASE_URL="https://a").exit_code == 0


def test_others_are_not_served_without_clients() -> None:
    for command in (("check",), ("serve",)):
        refused = run(*command, BIND_HOST="0.0.0.0")  # noqa: S104
        assert refused.exit_code == 1
        assert "BIND_HOST=0.0.0.0: no client is registered" in refused.output


def test_check_names_knowledge_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        from cds_service.errors import KnowledgeError

        raise KnowledgeError("rules/x/rule.toml: no title")

    monkeypatch.setattr("cds_service.knowledge.model.load", broken)
    refused = run("check")
    assert refused.exit_code == 1
    assert "✗ rules/x/rule.toml: no title" in refused.output


def test_check_names_the_rules_that_are_not_shown(tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    entry = '[[rule]]\nid = "{}"\nmode = "{}"\nreason = "on trial"\n'
    site.write_text(entry.format("trend", "silent") + entry.format("cll-ipi", "off"))
    some = run("check", "--offline", SITE_PROFILE=str(site)).output
    assert "! Rules that are silent by SITE_PROFILE: trend" in some
    assert "! Rules that are off by SITE_PROFILE: cll-ipi" in some
    for mode in ("silent", "off"):
        site.write_text(entry.format("*", mode))
        assert "! NO RULE IS SHOWN" in run("check", "--offline", SITE_PROFILE=str(site)).output
    assert "SITE_PROFILE: " not in run("check", "--offline").output


def test_check_counts_sign_offs_and_names_those_that_do_not_count(keys: Path) -> None:
    entry = (
        '[[review]]\nid = "trend"\nversion = "{}"\nhash = "sha256:'
        + "0" * 64
        + '"\nby = "A"\nrole = "B"\non = 2026-03-01'
    )
    for version in ("0.1.0", "99.0.0"):  # one signed before this version, and one after it, as after a rollback
        checked = run("check", "--offline", SITE_PROFILE=profile(keys, entry.format(version)))
        assert "0 rules signed off by this site as they stand" in checked.output
        assert "! Outdated sign-offs, which do not count: trend" in checked.output
        assert "✗ SITE_PROFILE" not in checked.output
    refused = run("check", "--offline", SITE_PROFILE=profile(keys, entry.format("1.0.0").replace("trend", "no-rule")))
    assert refused.exit_code == 1
    assert "✗ SITE_PROFILE: review of 'no-rule'; expected one of" in refused.output
    early = run("check", "--offline", SITE_PROFILE=profile(keys, entry.format("0.1.0").replace("2026", "9026")))
    assert early.exit_code == 1
    assert "✗ SITE_PROFILE: review of trend on 9026-03-01 is dated in the future; expected 2" in early.output
