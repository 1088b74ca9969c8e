"""CORS: allowed origins, preflights without a token, errors too."""

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from cds_service.app import create_app
from cds_service.config import Settings, SiteProfile, load_settings
from cds_service.errors import ConfigurationError
from cds_service.replay.calls import dump_json
from tests.failure_matrix import row
from tests.functional.run import NOW, RULES
from tests.functional.test_protocol import good
from tests.functional.tokens import BASE, Ehr

OURS, FOREIGN = "https://ehr.example.org", "https://ehr.example.org.evil.example"
CALL = "/cds-services/b2m-result-review"
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization, content-type"}


def client(*, settings: Settings | None = None, site: SiteProfile | None = None) -> FlaskClient:
    settings = settings or Settings(allowed_origins=(OURS, "http://localhost:3000"), public_base_url=BASE)
    return create_app(settings, rules=RULES, clock=lambda: NOW, site=site or SiteProfile()).test_client()


@pytest.fixture
def with_tokens(tmp_path: Path) -> FlaskClient:
    return client(site=SiteProfile(client=(Ehr(tmp_path).client(),)))


@pytest.mark.parametrize(
    ("path", "method"),
    [("/cds-services", "GET"), (CALL, "POST"), (f"{CALL}/feedback", "POST"), ("/cds-services/x", "POST")],
)
def test_a_preflight_needs_no_token(with_tokens: FlaskClient, path: str, method: str) -> None:
    answer = with_tokens.options(path, headers=PREFLIGHT | {"Origin": OURS})
    assert (answer.status_code, answer.data) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == OURS
    assert method in answer.headers["Access-Control-Allow-Methods"].split(", ")
    assert answer.headers["Access-Control-Allow-Headers"] == "authorization, content-type"
    assert int(answer.headers["Access-Control-Max-Age"]) > 0
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert "Origin" in answer.vary


@row("a browser's origin that is not in ALLOWED_ORIGINS", "answered without the headers that let a page read it")
@pytest.mark.parametrize(
    "origin", [FOREIGN, "null", OURS.upper(), f"{OURS}/", f"{OURS}:443", "http://ehr.example.org", ""]
)
def test_a_foreign_origin_gets_nothing(origin: str) -> None:
    asked = client()
    answers = (
        asked.options(CALL, headers=PREFLIGHT | {"Origin": origin}),
        asked.get("/cds-services", headers={"Origin": origin}),
        asked.post(CALL, json={}, headers={"Origin": origin}),
    )
    assert [answer.status_code for answer in answers] == [204, 200, 400]
    for answer in answers:
        assert [name for name, _ in answer.headers if name.startswith("Access-Control")] == []
        assert "Origin" in answer.vary


def test_no_origin_is_allowed_by_default() -> None:
    answer = client(settings=Settings()).options(CALL, headers=PREFLIGHT | {"Origin": OURS})
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_a_call_and_discovery_may_be_read() -> None:
    asked = client()
    for origin in (OURS, "http://localhost:3000"):
        found = asked.get("/cds-services", headers={"Origin": origin})
        called = asked.post(CALL, data=dump_json(good()), content_type="application/json", headers={"Origin": origin})
        assert [answer.status_code for answer in (found, called)] == [200, 200]
        for answer in (found, called):
            assert answer.headers["Access-Control-Allow-Origin"] == origin


@row("a refusal or an error, to a page of an allowed origin", "readable: Access-Control-Allow-Origin on it too")
def test_so_may_errors(with_tokens: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError

    ours, asked = {"Origin": OURS}, client()
    far = {"REMOTE_ADDR": "10.0.0.5"}
    found = [
        (with_tokens.post(CALL, headers=ours), 401),
        (asked.get("/cds-services", headers=ours, environ_base=far), 403),
        (asked.post("/cds-services/none", json={}, headers=ours), 404),
        (asked.get(CALL, headers=ours), 405),
        (asked.post(CALL, data="x", headers=ours), 415),
    ]
    monkeypatch.setattr("cds_service.hooks.routes.decide", broken)
    found.append((asked.post(CALL, data=dump_json(good()), content_type="application/json", headers=ours), 500))
    for answer, status in found:
        assert answer.status_code == status
        assert answer.headers["Access-Control-Allow-Origin"] == OURS


def test_other_addresses_have_no_cors() -> None:
    asked = client()
    assert asked.options("/cds-services/a/b/c", headers=PREFLIGHT | {"Origin": OURS}).status_code == 404
    for path in ("/knowledge", "/", "/cds-servicesx"):
        for answer in (asked.get(path, headers={"Origin": OURS}), asked.options(path, headers={"Origin": OURS})):
            assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize(
    "origin",
    [
        "*",
        "null",
        "https://*.example.org",
        "https://EHR.example",
        "https://a.example/",
        "https://a.example:443",
        "http://a.example",
    ],
)
def test_what_is_no_origin_is_refused_by_name(origin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_ORIGINS", f"{OURS}, {origin}")
    with pytest.raises(ConfigurationError, match=r"ALLOWED_ORIGINS=.*expected such as https://ehr\.example\.org"):
        load_settings()
