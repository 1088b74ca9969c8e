"""Feedback over HTTP: what is taken, kept once, joined to its card, or refused."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from cds_service.app import create_app
from cds_service.config import Settings
from cds_service.fhir.shape import Json
from cds_service.hooks import operation_outcome, routes
from cds_service.record import tables
from cds_service.record.engine import open_engine
from cds_service.replay.calls import dump_json
from cds_service.rules_in_force import InForce
from tests.failure_matrix import row
from tests.functional.run import NOW, RULES
from tests.functional.test_protocol import refused
from tests.unit.fhir.make import bundle, call, observation

REVIEW = "/cds-services/b2m-result-review"
FEEDBACK = f"{REVIEW}/feedback"
AT = "2026-03-03T09:00:00Z"


@pytest.fixture
def settings(sqlite_url: str) -> Settings:
    return Settings(database_url=sqlite_url)


def service(settings: Settings) -> FlaskClient:
    return create_app(settings, rules=RULES, clock=lambda: NOW).test_client()


def card_of(client: FlaskClient) -> Json:
    answer = client.post(REVIEW, data=dump_json(call(bundle(observation()))), content_type="application/json")
    card: Json = answer.get_json()["cards"][0]
    return card


def entry(card: str, **parts: Any) -> Json:
    return {"card": card, "outcome": "overridden", "outcomeTimestamp": AT} | parts


def send(client: FlaskClient, *entries: Any, path: str = FEEDBACK) -> Any:
    return client.post(path, json={"feedback": list(entries)})


def kept(settings: Settings) -> list[dict[str, Any]]:
    engine = open_engine(settings.database_url)
    with engine.connect() as connection:
        order = tables.feedback.c.outcome_at, tables.feedback.c.outcome
        found = [dict(row) for row in connection.execute(select(tables.feedback).order_by(*order)).mappings()]
    engine.dispose()
    return found


@row(
    "feedback: accepted, overridden, with a coded reason or none, several at once",
    "200, `{}`, kept before it is answered",
)
def test_feedback_is_kept_and_joined_to_its_card(settings: Settings) -> None:
    client = service(settings)
    card = card_of(client)
    reason = {"reason": {"code": "cds-not-applicable", "system": "http://example.org/reasons", "display": "x"}}
    taken = str(uuid4())
    answer = send(
        client,
        entry(card["uuid"], overrideReason=reason | {"userComment": "a comment"}),
        entry(card["uuid"].upper(), outcome="accepted", acceptedSuggestions=[{"id": taken}, {"id": "no uuid"}]),
    )
    assert (answer.status_code, answer.get_json()) == (200, {})
    accepted, overridden = kept(settings)
    assert accepted["accepted_suggestions"] == [taken]
    assert (overridden["reason_system"], overridden["reason_code"]) == (
        "http://example.org/reasons",
        "cds-not-applicable",
    )
    assert overridden["comment"] is None
    assert overridden["received_at"] == NOW
    engine = open_engine(settings.database_url)
    with engine.connect() as connection:
        joined = select(
            tables.feedback.c.outcome, tables.card.c.indicator, tables.card_rule.c.rule, tables.card_rule.c.version
        )
        about = joined.join_from(tables.feedback, tables.card, tables.feedback.c.card == tables.card.c.uuid)
        found = connection.execute(about.join(tables.card_rule, tables.card_rule.c.card == tables.card.c.uuid)).all()
    engine.dispose()
    versions = {rule.id: rule.version for rule in RULES}
    assert {(name, version) for _, _, name, version in found} >= {("serum-level", versions["serum-level"])}
    assert {indicator for _, indicator, _, _ in found} == {card["indicator"]}


@row("the same feedback again; another outcome later", "200, kept once; kept beside the first")
def test_feedback_is_kept_once_however_often_it_comes(settings: Settings) -> None:
    client = service(settings)
    card = card_of(client)["uuid"]
    same = [entry(card), entry(card, outcomeTimestamp="2026-03-03T10:00:00.000+01:00")]
    later = entry(card, outcome="accepted", acceptedSuggestions=[{"id": "s"}], outcomeTimestamp="2026-03-04T09:00:00Z")
    for given in ([same[0]], same, [same[0], later]):
        assert send(client, *given).status_code == 200
    assert [(found["outcome"], found["outcome_at"]) for found in kept(settings)] == [
        ("overridden", datetime(2026, 3, 3, 9, tzinfo=UTC)),
        ("accepted", datetime(2026, 3, 4, 9, tzinfo=UTC)),
    ]


@row("feedback on a card that is not known", "200, kept as it is named")
def test_feedback_on_an_unknown_card_is_kept(settings: Settings) -> None:
    card = str(uuid4())
    assert send(service(settings), entry(card)).status_code == 200
    assert [found["card"] for found in kept(settings)] == [card]


def test_a_comment_is_kept_where_the_site_wants_it(settings: Settings) -> None:
    wanted = settings.model_copy(update={"keep_comments": True})
    client = service(wanted)
    comments = ["plain \u2713", "a\0b \ud800", "x" * 5000, ""]
    for comment in comments:
        assert send(client, entry(str(uuid4()), overrideReason={"userComment": comment})).status_code == 200
    assert {found["comment"] for found in kept(wanted)} == {"plain \u2713", "ab ?", "x" * 4000, None}


@pytest.mark.parametrize(
    "reason",
    [
        {"code": "Mr. Smith, born 1950", "system": "http://example.org"},
        {"code": "x" * 65, "system": "Mr. Smith"},
        {"code": "\n", "system": "http://example.org/Mr Smith"},
    ],
)
def test_a_reason_that_is_no_code_is_not_kept(settings: Settings, reason: Json) -> None:
    assert send(service(settings), entry(str(uuid4()), overrideReason={"reason": reason})).status_code == 200
    (found,) = kept(settings)
    assert "Smith" not in str(found)
    assert found["reason_code"] is None


CARD = "0c7ab3a8-8e39-4f0f-9a5b-0a5c3f6f0001"


@row(
    "feedback that is none: no list, an empty one or over 1,000; card no UUID; another outcome; accepted without "
    "suggestions; no timestamp with its zone",
    "400 naming the path",
)
@pytest.mark.parametrize(
    ("body", "path"),
    [
        ([], None),
        ({}, "feedback"),
        ({"feedback": {}}, "feedback"),
        ({"feedback": []}, "feedback"),
        ({"feedback": [entry(CARD)] * 1001}, "feedback"),
        ({"feedback": [1]}, "feedback.0"),
        ({"feedback": [{"outcome": "overridden", "outcomeTimestamp": AT}]}, "feedback.0.card"),
        ({"feedback": [entry("Mr. Smith")]}, "feedback.0.card"),
        ({"feedback": [entry(CARD), entry(CARD, outcome="ignored")]}, "feedback.1.outcome"),
        ({"feedback": [entry(CARD, outcome="accepted")]}, "feedback.0"),
        ({"feedback": [entry(CARD, outcome="accepted", acceptedSuggestions=[])]}, "feedback.0"),
        (
            {"feedback": [entry(CARD, outcome="accepted", acceptedSuggestions=["x"])]},
            "feedback.0.acceptedSuggestions.0",
        ),
        ({"feedback": [entry(CARD, overrideReason="x")]}, "feedback.0.overrideReason"),
        ({"feedback": [entry(CARD, overrideReason={"reason": {}})]}, "feedback.0.overrideReason.reason.code"),
        ({"feedback": [entry(CARD, outcomeTimestamp=None)]}, "feedback.0.outcomeTimestamp"),
        ({"feedback": [entry(CARD, outcomeTimestamp=1772528400)]}, "feedback.0.outcomeTimestamp"),
        ({"feedback": [entry(CARD, outcomeTimestamp="2026-03-03")]}, "feedback.0.outcomeTimestamp"),
        ({"feedback": [entry(CARD, outcomeTimestamp="2026-03-03T09:00:00")]}, "feedback.0.outcomeTimestamp"),
        ({"feedback": [entry(CARD, outcomeTimestamp="2026-13-03T09:00:00Z")]}, "feedback.0.outcomeTimestamp"),
        ({"feedback": [entry(CARD, outcomeTimestamp="0001-01-01T00:00:00+14:00")]}, "feedback.0.outcomeTimestamp"),
    ],
)
def test_what_is_no_feedback_is_400(body: Any, path: str | None) -> None:
    client = service(Settings())
    outcome = refused(client.post(FEEDBACK, json=body), 400, path)
    assert "Smith" not in str(outcome)
    assert "1772528400" not in str(outcome)


@row("feedback to a service that is not offered; by another method or content type", "404; 405; 415")
def test_feedback_goes_where_the_services_are() -> None:
    client = service(Settings())
    refused(send(client, entry(CARD), path="/cds-services/other/feedback"), 404)
    refused(client.get(FEEDBACK), 405)
    refused(client.post(FEEDBACK, data="{}", content_type="text/plain"), 415)


def test_extensions_of_feedback_are_tolerated() -> None:
    client = service(Settings())
    odd = entry(CARD, extension={"x": 1}, overrideReason={"reason": None, "userComment": None, "extension": {}})
    assert client.post(FEEDBACK, json={"feedback": [odd], "extension": {}, "more": 1}).status_code == 200


def test_without_a_store_feedback_is_not_taken() -> None:
    app = Flask("test")
    app.register_blueprint(routes.blueprint(routes.Wiring(Settings(), lambda: InForce(RULES), lambda: NOW)))
    operation_outcome.register(app)
    refused(send(app.test_client(), entry(CARD)), 503)
    assert card_of(app.test_client())["uuid"]
