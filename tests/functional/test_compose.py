"""deploy/compose: true to the Compose specification, and to the service, proxy and database that it joins."""

import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose

from cds_service import __version__
from cds_service.cli import gunicorn_conf
from cds_service.config import Settings, load_settings
from tests.functional.server import free_port
from tests.functional.test_behind_nginx import AROUND, NGINX, nginx, write_certificate

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "compose"
TEXT = (FOLDER / "compose.yaml").read_text("utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("cds-service", "migrate", "purge")


def specified(text: str) -> list[str]:
    """The services of a file, read by the Compose specification; anchors are YAML's, so they are resolved before.

    Raises:
        ValueError: it is no Compose file.
    """
    return list(PyCompose.from_json(json.dumps(yaml.safe_load(text))).service_names())


def test_it_is_a_compose_file() -> None:
    assert set(specified(TEXT)) == set(SERVICES)


@pytest.mark.parametrize(
    ("right", "wrong"), [("read_only:", "readonly:"), ("1g", "1q"), ("service_healthy", "healthy"), ("file:", "fil:")]
)
def test_a_misspelt_one_would_be_seen(right: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=r"line 1 column|extension key|unknown"):
        specified(TEXT.replace(right, wrong))


@pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)
def test_containers_may_do_nothing_but_run(service: dict[str, Any]) -> None:
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert re.fullmatch(r"[a-z0-9-]+:\d[\w.-]*", service["image"]), "with a tag, and not the latest"


def test_only_the_proxy_has_capabilities_and_is_reached_from_outside() -> None:
    assert [name for name, service in SERVICES.items() if "cap_add" in service] == ["nginx"]
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["nginx"]
    assert [name for name, service in SERVICES.items() if "user" not in service] == ["nginx"]
    store = [name for name, service in SERVICES.items() if service["networks"] == ["store"]]
    assert store == ["migrate", "purge", "postgres"]
    assert COMPOSE["networks"]["store"]["internal"] is True


def test_what_is_named_is_there() -> None:
    for service in SERVICES.values():
        assert set(service.get("secrets", [])) <= COMPOSE["secrets"].keys()
        assert set(service["networks"]) <= COMPOSE["networks"].keys()
        for other, condition in service.get("depends_on", {}).items():
            assert condition.keys() <= {"condition", "restart"}
            healthy = condition["condition"] == "service_healthy"
            assert not healthy or "healthcheck" in SERVICES[other] or SERVICES[other]["image"].startswith("b2m-cds")
    used = {secret for service in SERVICES.values() for secret in service.get("secrets", [])}
    assert used == COMPOSE["secrets"].keys()
    assert "\nHEALTHCHECK " in (ROOT / "Dockerfile").read_text("utf-8")


def test_the_service_starts_when_the_store_has_been_migrated() -> None:
    assert SERVICES["cds-service"]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
    assert SERVICES["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert [SERVICES[name].get("command") for name in OURS] == [None, ["store", "migrate"], ["store", "purge"]]


def test_its_images_are_those_of_this_version() -> None:
    assert {SERVICES[name]["image"] for name in OURS} == {f"b2m-cds-service:{__version__}"}
    assert SERVICES["cds-service"]["build"] == "../.."
    (user,) = re.findall(r"^USER (\d+)$", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    assert {SERVICES[name]["user"] for name in OURS} == {f"{user}:{user}"}


def test_the_settings_can_be_used_and_hold_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {name.upper() for name in Settings.model_fields}
    for name in OURS:
        assert SERVICES[name]["environment"].keys() - known == {"PGPASSFILE"}
    given = SERVICES["cds-service"]["environment"] | {"PUBLIC_BASE_URL": "https://cds.example.org"}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert settings.behind_proxy
    assert settings.database_url.count(":") == 2, "scheme and port, no password"
    assert str(settings.pseudonym_keys) == "/run/secrets/pseudonym-keys"
    assert not re.search(r"^\s+\S*(PASSWORD|TOKEN|SECRET)\S*: (?!/run/secrets)", TEXT, re.MULTILINE)


def test_the_secrets_are_not_committed() -> None:
    ignored = (FOLDER / ".gitignore").read_text("utf-8").split()
    assert {source["file"].split("/")[0] + "/" for source in COMPOSE["secrets"].values()} <= set(ignored)
    assert {"secrets/", "nginx/", "etc/", ".env"} == set(ignored)


def test_it_has_the_time_to_end_well() -> None:
    assert int(SERVICES["cds-service"]["stop_grace_period"].removesuffix("s")) > gunicorn_conf.graceful_timeout


@pytest.mark.skipif(NGINX is None, reason="nginx is not installed: apt-get install nginx")
def test_the_proxy_is_the_shipped_one_after_the_line_of_the_page(tmp_path: Path) -> None:
    """Run as docs/deploy.md has it; then the names that only an engine knows are changed, and nginx reads it."""
    page = (ROOT / "docs" / "deploy.md").read_text("utf-8").replace("\\\n", "")
    (line,) = re.findall(r"^ +(sed .*) > nginx/cds-service\.conf$", page, re.MULTILINE)
    made = subprocess.run(shlex.split(line), cwd=FOLDER, capture_output=True, text=True, timeout=20)  # noqa: S603
    assert made.returncode == 0, made.stderr
    text = made.stdout
    assert text.count("server cds-service:8000;") == 1, "the service's name and port"
    mounted = {f"/run/secrets/{name}" for name in SERVICES["nginx"]["secrets"]}
    assert set(re.findall(r"/run/secrets/[\w.]+", text)) == mounted
    assert "cds.example.org" not in text
    assert "/var/log" not in text
    write_certificate(tmp_path)
    here = {
        "server cds-service:8000;": "server 127.0.0.1:8000;",
        "listen 443 ssl;": f"listen 127.0.0.1:{free_port()} ssl;",
        "/run/secrets/certificate.pem": f"{tmp_path}/cert.pem",
        "/run/secrets/key.pem": f"{tmp_path}/key.pem",
    }
    for name, changed in here.items():
        assert text.count(name) == 1, name
        text = text.replace(name, changed)
    (tmp_path / "cds-service.conf").write_text(text)
    (tmp_path / "nginx.conf").write_text(AROUND.format(folder=tmp_path, user=""))
    command = nginx(tmp_path, tmp_path / "nginx.conf", "-t")
    checked = subprocess.run(command, capture_output=True, text=True, timeout=20)  # noqa: S603
    assert checked.returncode == 0, checked.stderr
