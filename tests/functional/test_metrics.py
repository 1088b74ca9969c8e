"""What a call leaves in /metrics, through the whole application."""

from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from cds_service.app import create_app
from cds_service.config import FhirServer, Settings, SiteProfile
from cds_service.knowledge.model import Rule
from cds_service.replay.calls import fixtures_folder, read_fixtures
from tests.functional.run import NOW, RULES
from tests.functional.scripted_server import Scripted, scripted_server
from tests.functional.tokens import BASE, Ehr

CASE = next(case for case in read_fixtures(fixtures_folder()) if case.name == "iss-stage-3-kidney")
CALL = f"/cds-services/{CASE.service}"


def service(site: SiteProfile | None = None, rules: tuple[Rule, ...] = RULES, **settings: object) -> FlaskClient:
    chosen = Settings.model_validate(settings)
    return create_app(chosen, rules=rules, clock=lambda: CASE.as_of or NOW, site=site or SiteProfile()).test_client()


def counted(client: FlaskClient) -> dict[str, float]:
    """Each sample that is not zero."""
    lines = [line.rsplit(" ", 1) for line in client.get("/metrics").text.splitlines() if not line.startswith("#")]
    return {name.removeprefix("b2m_cds_"): float(value) for name, value in lines if float(value)}


def test_feedback() -> None:
    client = service()
    (card,) = client.post(CALL, json=CASE.request).json["cards"]  # type: ignore[index]
    told = {"card": card["uuid"], "outcome": "overridden", "outcomeTimestamp": "2026-03-03T09:00:00Z"}
    assert client.post(f"{CALL}/feedback", json={"feedback": [told]}).status_code == 200
    assert counted(client)['feedback_total{outcome="overridden",service="b2m-result-review"}'] == 1


def test_what_the_store_loses(tmp_path: Path) -> None:
    client = service(database_url=f"sqlite:///{tmp_path}/no/folder/x.sqlite")
    assert client.post(CALL, json=CASE.request).status_code == 200
    assert counted(client)['store_lost_total{kind="decision"}'] == 1


def test_what_was_fetched() -> None:
    def refuse(handler: BaseHTTPRequestHandler, told: Scripted) -> None:
        handler.send_response(403)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    with scripted_server(refuse) as there:
        client = service(SiteProfile(fhir_server=(FhirServer(url=there.base),)))
        request = {name: value for name, value in CASE.request.items() if name != "prefetch"}
        assert client.post(CALL, json=request | {"fhirServer": there.base}).status_code == 412
    found = counted(client)
    assert found['fetches_total{key="patient",outcome="refused"}'] == 1
    assert found['prefetch_missing_total{key="patient"}'] == 1
    assert found['calls_total{service="b2m-result-review",status="412"}'] == 1
    assert found["fetch_seconds_count"] >= 1


@pytest.mark.parametrize("failing", [("iss-stage",), tuple(rule.id for rule in RULES)])
def test_rules_that_could_not_be_run(monkeypatch: pytest.MonkeyPatch, failing: tuple[str, ...]) -> None:
    """Some of them, or all, where nothing is decided."""
    evaluate = Rule.evaluate

    def fail(rule: Rule, facts: object) -> object:
        if rule.id in failing:
            raise KeyError("Zyxwvut")
        return evaluate(rule, facts)  # type: ignore[arg-type]

    monkeypatch.setattr(Rule, "evaluate", fail)
    client = service()
    client.post(CALL, json=CASE.request)
    assert counted(client)['rule_failures_total{error="KeyError",rule="iss-stage"}'] == 1


def test_who_was_not_let_in(tmp_path: Path) -> None:
    client = service(SiteProfile(client=(Ehr(tmp_path).client(),)), public_base_url=BASE)
    assert client.post(CALL, json=CASE.request).status_code == 401
    found = counted(client)
    assert found['unauthenticated_total{reason="no bearer token"}'] == 1
    assert found['calls_total{service="",status="401"}'] == 1
    assert found['stage_seconds_count{stage="authenticate"}'] == 1


def test_a_client_without_keys(tmp_path: Path) -> None:
    """Asked for at the start, by readiness; and until they are had, that is told."""
    registered = Ehr(tmp_path).client().model_copy(update={"jwks_file": tmp_path / "nothing.json"})
    found = counted(service(SiteProfile(client=(registered,)), public_base_url=BASE))
    assert found['key_set_failures_total{client="ehr"}'] == 1
    assert 'ready{check="keys"}' not in found, "only what is not 0 is listed"
    assert found['ready{check="store"}'] == 1
