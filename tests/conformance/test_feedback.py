"""What became of a card: CDS Hooks 2.0, Feedback. The samples are judged by HL7's model before they are sent."""

from typing import Any
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from cds_service.fhir.shape import Json
from cds_service.replay.calls import dump_json
from tests.conformance.requirements import requirement
from tests.conformance.service import CHART, DISCOVERY, HOOKS, REVIEW, client, judged_by_hl7
from tests.unit.fhir.make import bundle, call, observation

AT = "2026-03-03T09:05:00Z"
REASON = {"code": "patient-refused", "system": "http://example.org/reasons"}
OVERRIDDEN: Json = {"outcome": "overridden", "outcomeTimestamp": AT}
ACCEPTED: Json = {"outcome": "accepted", "acceptedSuggestions": [{"id": str(uuid4())}], "outcomeTimestamp": AT}


@pytest.fixture(scope="module")
def service() -> FlaskClient:
    return client()


def shown_card(service: FlaskClient, id_: str = REVIEW) -> str:
    """The uuid of a card that was just shown."""
    body = dump_json(call(b2m=bundle(observation()), hook=HOOKS[id_]))
    answer = service.post(f"{DISCOVERY}/{id_}", data=body, content_type="application/json")
    uuid: str = answer.get_json()["cards"][0]["uuid"]
    return uuid


def send(service: FlaskClient, document: Any, id_: str = REVIEW) -> TestResponse:
    return service.post(f"{DISCOVERY}/{id_}/feedback", json=document)


@requirement("cds-hooks_2.0@148")
@pytest.mark.parametrize("id_", [REVIEW, CHART])
@pytest.mark.parametrize(
    "entry",
    [
        OVERRIDDEN,
        OVERRIDDEN | {"overrideReason": {"reason": REASON}},
        OVERRIDDEN | {"overrideReason": {"reason": REASON | {"display": "Refused"}, "userComment": "no"}},
        OVERRIDDEN | {"overrideReason": {"userComment": "Überprüfung"}},
        OVERRIDDEN | {"outcomeTimestamp": "2026-03-03T10:05:00.123+01:00"},
        ACCEPTED,
    ],
)
def test_feedback_is_taken(service: FlaskClient, id_: str, entry: Json) -> None:
    sample = {"feedback": [{"card": shown_card(service, id_), **entry}]}
    assert judged_by_hl7("CDSHooksFeedback", sample) == []
    assert send(service, sample, id_).status_code == 200
    assert send(service, sample, id_).status_code == 200


@requirement("cds-hooks_2.0@82")
def test_feedback_names_the_card_by_its_uuid(service: FlaskClient) -> None:
    shown, unknown = shown_card(service), str(uuid4())
    several = {"feedback": [{"card": shown, **OVERRIDDEN}, {"card": unknown, **ACCEPTED}]}
    assert send(service, several).status_code == 200
    assert send(service, {"feedback": [OVERRIDDEN]}).status_code == 400


@requirement("3.0:feedback-outcome")
@pytest.mark.parametrize("outcome", ["ignored", "", None, 1])
def test_another_outcome_is_refused(service: FlaskClient, outcome: Any) -> None:
    sample = {"feedback": [{"card": str(uuid4()), **OVERRIDDEN, "outcome": outcome}]}
    assert send(service, sample).status_code == 400
    assert judged_by_hl7("CDSHooksFeedback", sample) != []


@requirement("3.0:feedback-accepted")
@pytest.mark.parametrize("suggestions", [{}, {"acceptedSuggestions": []}])
def test_accepted_without_suggestions_is_refused(service: FlaskClient, suggestions: Json) -> None:
    entry = {"card": str(uuid4()), "outcome": "accepted", "outcomeTimestamp": AT, **suggestions}
    assert judged_by_hl7("CDSHooksFeedback", {"feedback": [entry]}) != []
    assert send(service, {"feedback": [entry]}).status_code == 400


@requirement("3.0:feedback-reason")
def test_a_reason_that_says_nothing_is_taken_for_none(service: FlaskClient) -> None:
    """The client is wrong there; what the user did with the card is not to be lost for it."""
    sample = {"feedback": [{"card": str(uuid4()), **OVERRIDDEN, "overrideReason": {}}]}
    assert judged_by_hl7("CDSHooksFeedback", sample) != []
    assert send(service, sample).status_code == 200
