"""The service as the conformance tests meet it: in process, at a fixed time; and HL7's judgement of what it says."""

import importlib
import json
import tempfile
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from cds_service.app import create_app
from cds_service.config import Settings, SiteProfile
from cds_service.fhir.shape import Json
from cds_service.replay.calls import dump_json, fixtures_folder, read_fixtures
from tests.functional.run import NOW, RULES

VENDOR = Path(__file__).parent / "vendor"
DISCOVERY = "/cds-services"
REVIEW, CHART = "b2m-result-review", "b2m-chart-review"
SELECT, SIGN = "b2m-order-select-companions", "b2m-order-sign-companions"
HOOKS = {REVIEW: "lab-result-review", CHART: "patient-view", SELECT: "order-select", SIGN: "order-sign"}
ORDER_HOOKS = ("order-select", "order-sign")


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """Where the store of these tests lies; gone with the process."""
    return tempfile.TemporaryDirectory()


def settings(**values: Any) -> Settings:
    """The defaults, with a store of the tests' own."""
    return Settings(database_url=f"sqlite:///{_folder().name}/store.sqlite", **values)


def client(given: Settings | None = None, site: SiteProfile | None = None, *, as_of: datetime = NOW) -> FlaskClient:
    """A client of the service at the time ``as_of``."""
    return create_app(given or settings(), rules=RULES, clock=lambda: as_of, site=site).test_client()


def discovered(**values: Any) -> list[Json]:
    """The services that discovery tells of."""
    found: list[Json] = client(settings(**values)).get(DISCOVERY).get_json()["services"]
    return found


def post(request: Any, service: str = REVIEW, **parts: Any) -> TestResponse:
    """The answer to a call; ``parts`` are those of ``client``."""
    return client(**parts).post(f"{DISCOVERY}/{service}", data=dump_json(request), content_type="application/json")


def as_called_by(request: Json, service: str) -> Json:
    """A call as another service would be called in its place; those on orders with a B2M being ordered."""
    hook, context = HOOKS[service], dict(request["context"])
    if hook in ORDER_HOOKS:
        context.pop("results", None)
        ordered = {
            "resourceType": "ServiceRequest",
            "id": "ordered",
            "status": "draft",
            "intent": "order",
            "code": {"coding": [{"system": "http://loinc.org", "code": "1952-1"}]},
            "subject": {"reference": f"Patient/{context['patientId']}"},
        }
        context["draftOrders"] = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": ordered}]}
        context |= {"selections": ["ServiceRequest/ordered"]} if hook == "order-select" else {}
    return {**request, "hook": hook, "context": context}


@cache
def answers() -> tuple[tuple[str, Json], ...]:
    """What every service answers to every fixture, by name, where it is an answer with cards."""
    found = []
    for case in read_fixtures(fixtures_folder()):
        at = client(as_of=case.as_of or datetime(2026, 3, 3, 9, 0, tzinfo=UTC))
        for id_ in HOOKS:
            body = dump_json(as_called_by(case.request, id_))
            answer = at.post(f"{DISCOVERY}/{id_}", data=body, content_type="application/json")
            if answer.status_code == 200:
                found.append((f"{case.name} {id_}", json.loads(answer.text)))
    return tuple(found)


@cache
def cards() -> tuple[Json, ...]:
    """Every card of ``answers``."""
    return tuple(card for _, answer in answers() for card in answer["cards"])


def judged_by_hl7(model: str, document: Any) -> list[str]:
    """What HL7's logical model of CDS Hooks finds wrong with a document; its warnings are left out.

    ``hookVersion`` stands in the text of the 3.0.0-ballot and not in its model.
    """
    judge = importlib.import_module("tests.conformance.vendor.logical_check")
    found = judge.check(model, document)
    return [f"{at}: {says}" for severity, at, says in found if severity == "error" and not at.endswith(".hookVersion")]
