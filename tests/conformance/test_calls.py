"""What a call is answered with, and where its data come from: CDS Hooks 2.0, Calling a CDS Service."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import responses

from cds_service.config import FhirServer, SiteProfile
from cds_service.fhir.shape import Json
from tests.conformance.requirements import requirement
from tests.conformance.service import DISCOVERY, HOOKS, REVIEW, answers, client, judged_by_hl7, post
from tests.unit.fhir.make import bundle, call, observation, patient, quantity

BASE = "https://ehr.example/fhir"
TOKEN = {"access_token": "t", "token_type": "Bearer", "expires_in": 300, "scope": "s", "subject": "c"}
OUTCOME: Json = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "exception"}]}
SITE = SiteProfile(fhir_server=(FhirServer(url=BASE),))


def good() -> Json:
    return call(bundle(observation()))


def without(request: Json, *names: str) -> Json:
    return {name: value for name, value in request.items() if name not in names}


def with_server() -> Json:
    """A call that brings nothing but the address of its server, and the token for it."""
    return without(call(), "prefetch") | {"fhirServer": BASE, "fhirAuthorization": TOKEN}


def from_the_ehr(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
    """A FHIR server that wants the token that it gave, and holds a patient with one B2M. Long searches are posted."""
    headers = {"Content-Type": "application/fhir+json"}
    if request.headers.get("Authorization") != "Bearer t":
        return 401, headers, json.dumps(OUTCOME)
    asked = str(request.url).removeprefix(f"{BASE}/")
    found: Any = patient() if asked.startswith("Patient/") else bundle()
    if asked.startswith("Observation") and "1952-1" in asked:
        found = bundle(observation(value=quantity(4.2)))
    return 200, headers, json.dumps(found)


@pytest.fixture
def ehr() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        for method in ("GET", "POST"):
            mock.add_callback(method, re.compile(f"{BASE}/"), from_the_ehr)
        yield mock


@requirement("cds-hooks_2.0@1")
def test_everything_is_json() -> None:
    service = client()
    url = f"{DISCOVERY}/{REVIEW}"
    for answer in (service.get(DISCOVERY), post(good()), post(without(good(), "hook")), service.get("/nowhere")):
        assert answer.mimetype == "application/json"
        assert answer.get_json()
    assert service.post(url, data="<hook/>", content_type="application/xml").status_code == 415


def empties(value: Any, path: str = "$") -> list[str]:
    """Where null or emptiness stands in a document, but for the list of cards."""
    if value is None or value in ("", {}) or (value == [] and path != "$.cards"):
        return [path]
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for name, part in parts for found in empties(part, f"{path}.{name}")]


@requirement("cds-hooks_2.0@3")
def test_nothing_is_null_or_empty() -> None:
    assert empties(client().get(DISCOVERY).get_json()) == []
    assert [(name, empties(answer)) for name, answer in answers() if empties(answer)] == []


@requirement("cds-hooks_2.0@28")
def test_prefetched_data_are_enough() -> None:
    assert len(post(good()).get_json()["cards"]) == 1


@requirement("cds-hooks_2.0@34", "cds-hooks_2.0@60")
def test_data_come_from_the_clients_server_too(ehr: responses.RequestsMock) -> None:
    fetched = post(with_server(), site=SITE).get_json()["cards"]
    prefetched = post(call(b2m=bundle(observation(value=quantity(4.2))))).get_json()["cards"]
    assert [card["detail"] for card in fetched] == [card["detail"] for card in prefetched]
    assert len(fetched) == 1


@requirement("cds-hooks_2.0@61")
def test_every_question_to_the_server_bears_the_token(ehr: responses.RequestsMock) -> None:
    post(with_server(), site=SITE)
    assert len(ehr.calls) > 1
    assert {asked.request.headers["Authorization"] for asked in ehr.calls} == {"Bearer t"}


@requirement("cds-hooks_2.0@52")
def test_operation_outcomes_in_prefetch_are_noticed() -> None:
    assert post(call(b2m=OUTCOME)).status_code == 412
    (card,) = post(call(bundle(observation()), kidney=OUTCOME)).get_json()["cards"]
    assert "kidney results (could not be had)" in card["detail"]


@requirement("cds-hooks_2.0@54")
def test_data_neither_prefetched_nor_to_be_fetched_is_412() -> None:
    assert post(without(call(), "prefetch")).status_code == 412
    with responses.RequestsMock() as mock:
        mock.add("GET", re.compile(f"{BASE}/"), status=403)
        assert post(with_server(), site=SITE).status_code == 412


@requirement("cds-hooks_2.0@74")
def test_an_answer_is_200_with_cards_as_hl7_models_it() -> None:
    """Every fixture, as each service would be asked for it."""
    assert {name.rsplit(" ", 1)[1] for name, _ in answers()} == set(HOOKS)
    assert all(list(answer) == ["cards"] for _, answer in answers())
    wrong = [(name, judged_by_hl7("CDSHooksResponse", answer)) for name, answer in answers()]
    assert [(name, found) for name, found in wrong if found] == []


@requirement("cds-hooks_2.0@76")
def test_a_call_may_be_refused() -> None:
    assert [post(without(good(), "hook")).status_code, post(good(), "nothing").status_code] == [400, 404]


@requirement("cds-hooks_2.0@77")
def test_nothing_to_say_is_an_empty_list() -> None:
    answer = post(call())
    assert (answer.status_code, answer.get_json()) == (200, {"cards": []})


@requirement("3.0:operationoutcome")
@pytest.mark.parametrize("refused", [without(good(), "context"), good() | {"hook": "patient-view"}, call(b2m=OUTCOME)])
def test_errors_are_operation_outcomes(refused: Json) -> None:
    outcome = post(refused).get_json()
    assert outcome["resourceType"] == "OperationOutcome"
    assert outcome["issue"][0]["severity"] == "error"


@requirement("3.0:prefetch-null")
def test_null_means_that_there_is_none() -> None:
    assert post(call(b2m=None)).get_json() == {"cards": []}


@requirement("3.0:pagination")
def test_a_page_of_several_is_not_all() -> None:
    paged = bundle(link=[{"relation": "next", "url": f"{BASE}?page=2"}])
    (card,) = post(call(bundle(observation()), kidney=paged)).get_json()["cards"]
    assert "kidney results (given in part only)" in card["detail"]


@requirement("3.0:authorization-server")
def test_authorization_comes_with_a_server() -> None:
    assert post(good() | {"fhirAuthorization": TOKEN}).status_code == 400


@requirement("3.0:authorization-patient")
def test_authorization_may_name_the_patient() -> None:
    named = good() | {"fhirServer": BASE, "fhirAuthorization": TOKEN | {"scope": "patient/*.rs", "patient": "p"}}
    assert post(named).status_code == 200


@requirement("3.0:2.0-client")
def test_a_client_of_2_0_can_read_every_answer() -> None:
    """Beside version and hookVersion, which stand in discovery and may be ignored, nothing of 3.0 is sent."""
    sent = json.dumps([answer for _, answer in answers()])
    assert [name for name in ("actionSelectionBehavior", "autolaunchable", "hookVersion") if f'"{name}"' in sent] == []
