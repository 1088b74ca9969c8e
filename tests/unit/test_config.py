"""Settings from the environment."""

import re
from pathlib import Path

import pytest

from cds_service.config import Client, Settings, SiteProfile, load_settings, load_site
from cds_service.errors import ConfigurationError


def test_defaults_are_safe() -> None:
    settings = Settings()
    assert settings.bind_host == "127.0.0.1"
    assert settings.lab_result_hook == "lab-result-review"
    assert settings.chart_review_max_age_days == 30


def test_the_environment_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHART_REVIEW_MAX_AGE_DAYS", "90")
    monkeypatch.setenv("WORKERS", "")
    assert load_settings().chart_review_max_age_days == 90
    assert load_settings().workers == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CHART_REVIEW_MAX_AGE_DAYS", "0"),
        ("MAX_BODY_BYTES", "ten"),
        ("MAX_ENTRIES", "-1"),
        ("BIND_PORT", "70000"),
        ("WORKERS", "0"),
        ("LAB_RESULT_HOOK", "Not a hook"),
    ],
)
def test_what_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=f"{name}='{value}'"):
        load_settings()


# ------------------------------------------------------------------ the site's profile


def site_of(tmp_path: Path, toml: str) -> SiteProfile:
    file = tmp_path / "site.toml"
    file.write_text(toml)
    return load_site(file)


def test_no_profile_is_an_empty_one() -> None:
    assert load_site(None) == SiteProfile()


def test_a_profile_is_read(tmp_path: Path) -> None:
    site = site_of(
        tmp_path,
        """
        [[fhir_server]]
        url = "HTTPS://Ehr.example:443/fhir/"
        batch = true
        [[fhir_server]]
        url = "http://[::1]:8080/fhir"
        [[local_code]]
        system = "urn:oid:1.2.3"
        code = "B2MS"
        means = "1952-1"
        """,
    )
    assert [server.url for server in site.fhir_server] == ["https://ehr.example/fhir", "http://[::1]:8080/fhir"]
    assert site.fhir_server[0].batch
    assert site.local_codes == {("urn:oid:1.2.3", "B2MS"): "1952-1"}
    found = site.server_of("https://ehr.example/fhir/")
    assert found == site.fhir_server[0]
    assert site.server_of(None) is None
    assert site.server_of("https://[") is None


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("fhir_server = 3", "fhir_server = 3"),
        ("[[fhir_server]]\nurl = 3", "fhir_server.0.url = 3"),
        ('[[fhir_server]]\nurl = "ehr.example/fhir"', "expected https://host/path"),
        ('[[fhir_server]]\nurl = "https://ehr.example:x/fhir"', "expected a URL"),
        ('[[fhir_server]]\nurl = "https://user@ehr.example/fhir"', "without query, fragment or user name"),
        ('[[fhir_server]]\nurl = "http://ehr.example/fhir"', "expected https://"),
        ('[[fhir_server]]\nurl = "http://10.0.0.1/fhir"', "expected https://"),
        ('[[local_code]]\nsystem = "a b"\ncode = "x"\nmeans = "1952-1"', "local_code.0.system = 'a b'"),
        ('[[local_code]]\nsystem = "urn:a"\ncode = "x,y"\nmeans = "1952-1"', "local_code.0.code = 'x,y'"),
        ('surprise = "x"', "surprise = 'x'"),
        ('[[fhir_server]]\nurl = "https://a/b"\n' + '[[fhir_server]]\nurl = "https://A/b/"\nbatch = true', "twice"),
        ('[[local_code]]\nsystem = "a"\ncode = "x"\nmeans = "1952-1"\n' * 2, "local_code a|x stands there twice"),
        ('[[fhir_server]]\nurl = "https://bob:secret@ehr/fhir"', "https://***@ehr"),
        ("not toml", "cannot be read as TOML"),
    ],
)
def test_a_profile_that_cannot_be_used_is_named(tmp_path: Path, toml: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=r"SITE_PROFILE=.*site\.toml") as raised:
        site_of(tmp_path, toml)
    assert said in str(raised.value)
    assert "secret" not in str(raised.value)


def test_a_profile_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere\.toml cannot be read"):
        load_site(tmp_path / "nowhere.toml")


@pytest.mark.parametrize(
    ("client", "said"),
    [
        ('name = "a"\niss = "i"', "client a has neither jku nor jwks_file"),
        ('name = "a"\niss = "i"\njku = "http://ehr.example.org/jwks"', "expected https://"),
        ('name = "a"\niss = "i"\njku = "ftp"', "expected https://host/path"),
        ('name = "A B"\niss = "i"\njku = "https://e"', "client.0.name"),
        ('name = "a"\niss = "i"\njku = "https://e"\nalgorithms = ["HS256"]', "client.0.algorithms.0"),
        ('name = "a"\niss = "i"\njku = "https://e"\nalgorithms = []', "client.0.algorithms"),
        (
            'name = "a"\niss = "i"\njku = "https://e"\nfhir_servers = ["https://fhir.example.org"]',
            "client a names fhir_servers https://fhir.example.org; expected one of [[fhir_server]]",
        ),
        (
            'name = "a"\niss = "i"\njku = "https://e"\n[[client]]\nname = "a"\niss = "j"\njku = "https://e"',
            "client a stands",
        ),
        (
            'name = "a"\niss = "i"\njku = "https://e"\n[[client]]\nname = "b"\niss = "i"\njku = "https://e"',
            "with iss i stands",
        ),
    ],
)
def test_a_client_that_cannot_be_registered_is_named(tmp_path: Path, client: str, said: str) -> None:
    file = tmp_path / "site.toml"
    file.write_text(f"[[client]]\n{client}\n")
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        load_site(file)


def test_a_client_may_have_its_servers_asked_however_they_are_spelt() -> None:
    client = Client(name="a", iss="i", jku="https://e/jwks?x=1", fhir_servers=("https://fhir.example.org/r4/",))
    assert client.jku == "https://e/jwks?x=1"
    assert [client.may_name(url) for url in ("HTTPS://fhir.example.org:443/r4", "https://fhir.example.org", None)] == [
        True,
        False,
        False,
    ]


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_ORIGINS", "https://a.example , https://b.example,")
    monkeypatch.setenv("TRUSTED_PROXIES", "10.0.0.1,::1")
    settings = load_settings()
    assert settings.allowed_origins == ("https://a.example", "https://b.example")
    assert settings.trusted_proxies == ("10.0.0.1", "::1")
    monkeypatch.setenv("TRUSTED_PROXIES", "proxy")
    with pytest.raises(ConfigurationError, match="TRUSTED_PROXIES"):
        load_settings()


def test_a_secret_is_not_shown_when_it_cannot_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPERATOR_TOKEN", "hush")
    monkeypatch.setenv("PUBLIC_BASE_URL", "ftp://user:hidden@x")
    with pytest.raises(ConfigurationError, match="OPERATOR_TOKEN=") as refused:
        load_settings()
    assert "hush" not in str(refused.value)
    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize("value", ['"2.5"', "true"])
def test_a_threshold_of_the_site_is_a_number(tmp_path: Path, value: str) -> None:
    file = tmp_path / "site.toml"
    file.write_text(f'[[threshold]]\nname = "default_spot_above"\nvalue = {value}\nreason = "r"\n')
    with pytest.raises(ConfigurationError, match="expected a number"):
        load_site(file)
