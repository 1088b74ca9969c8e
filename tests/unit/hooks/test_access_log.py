import logging

import pytest
from flask.testing import FlaskClient

from cds_service.app import create_app
from cds_service.config import Settings, SiteProfile
from cds_service.record.logs import request_id
from cds_service.replay.calls import fixtures_folder, read_fixtures
from tests.functional.run import NOW, RULES

CASE = next(case for case in read_fixtures(fixtures_folder()) if case.name == "iss-stage-3-kidney")
CALL = f"/cds-services/{CASE.service}"


@pytest.fixture
def client() -> FlaskClient:
    return create_app(Settings(), rules=RULES, clock=lambda: NOW, site=SiteProfile()).test_client()


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, logger="cds_service.hooks.access_log")
    return caplog


def fields(lines: pytest.LogCaptureFixture) -> dict[str, object]:
    """Those of the only line, without the time that it took."""
    (line,) = lines.records
    found: dict[str, object] = dict(line.__dict__["fields"])
    assert isinstance(found.pop("ms"), float)
    return {name: value for name, value in found.items() if value is not None}


def test_a_call_is_one_line(client: FlaskClient, lines: pytest.LogCaptureFixture) -> None:
    client.post(CALL, json=CASE.request)
    assert fields(lines) == {
        "method": "POST",
        "route": "/cds-services/<service_id>",
        "status": 200,
        "service": "b2m-result-review",
        "cards": 1,
    }


def test_an_address_that_is_not_there_is_not_told(client: FlaskClient, lines: pytest.LogCaptureFixture) -> None:
    client.open("/Patient/1?name=Zyxwvut", method="ZYXWVUT")
    assert fields(lines) == {"status": 404}


def test_a_service_that_is_not_offered_is_not_told(client: FlaskClient, lines: pytest.LogCaptureFixture) -> None:
    client.post("/cds-services/Zyxwvut", json={})
    assert fields(lines) == {"method": "POST", "route": "/cds-services/<service_id>", "status": 404}
    metrics = client.get("/metrics").text
    assert 'b2m_cds_calls_total{service="",status="404"} 1.0' in metrics
    assert "Zyxwvut" not in metrics


def test_what_machines_ask_is_no_news(client: FlaskClient, lines: pytest.LogCaptureFixture) -> None:
    for path in ("/livez", "/readyz", "/metrics", "/version"):
        assert client.get(path).status_code == 200
    assert lines.records == []


@pytest.mark.parametrize("given", ["0123456789abcdefABCDEF0123456789", "6e8bc430-9c3a-11d9-9669-0800200C9A66"])
def test_a_request_bears_the_id_that_it_came_with(client: FlaskClient, given: str) -> None:
    assert client.get("/livez", headers={"X-Request-Id": given}).headers["X-Request-Id"] == given
    assert request_id.get() == ""


@pytest.mark.parametrize("given", ["", "a b", "é", "a" * 65, "a/b", "a\tb", "MRN-4711-Doe", "4711123"])
def test_an_id_that_is_no_plain_token_is_replaced(client: FlaskClient, given: str) -> None:
    answered = client.get("/nowhere", headers={"X-Request-Id": given}).headers["X-Request-Id"]
    assert answered != given
    assert len(answered) == 32
