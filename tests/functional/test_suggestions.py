"""What a card offers to do: orders of missing tests, a stage to file; each resource valid R4 by two validators."""

import json
from collections import Counter
from typing import Any

import fhirkit
import pytest
from fhir.resources.R4B import get_fhir_model_class

from cds_service.cards.override_reasons import HL7, REASONS, asks_for_it_again
from cds_service.config import Settings
from cds_service.fhir.shape import Json
from cds_service.knowledge.proposals import stage_to_file
from cds_service.replay.calls import fixtures_folder, read_fixtures
from tests.functional.run import post
from tests.unit.fhir.make import bundle, call, observation

CASES = {case.name: case for case in read_fixtures(fixtures_folder()) if case.expected["status"] == 200}
MCODE = "http://hl7.org/fhir/us/mcode/StructureDefinition/mcode-myeloma-"


def cards(name: str, settings: Settings | None = None, **context: Any) -> list[Json]:
    """The cards of a fixture, its context changed as told."""
    case = CASES[name]
    request = case.request | {"context": case.request["context"] | context}
    found: list[Json] = post(case.service, request, as_of=case.as_of, settings=settings).get_json()["cards"]  # type: ignore[arg-type]
    return found


def resources(card: Json) -> list[Json]:
    return [action["resource"] for s in card.get("suggestions", ()) for action in s["actions"]]


def faults(resource: Json) -> list[str]:
    """What two validators hold against a resource."""
    get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    return [str(issue) for issue in fhirkit.validate(resource) if issue.severity == "error"]


@pytest.mark.parametrize("name", CASES)
def test_everything_offered_is_valid(name: str) -> None:
    for card in cards(name, Settings(propose_stage=True)):
        offered = card.get("suggestions", [])
        assert [fault for resource in resources(card) for fault in faults(resource)] == []
        assert card.get("selectionBehavior") == ("any" if offered else None)
        assert Counter(s["uuid"] for s in offered).most_common(1)[:1] in (
            [],
            [(offered[0]["uuid"], 1)] if offered else [],
        )
        assert len({s["label"] for s in offered}) == len(offered) <= 7
        assert all(len(s["actions"]) == 1 and s["actions"][0]["type"] == "create" for s in offered)


def test_an_order_names_the_test_the_patient_and_the_result_that_asks_for_it() -> None:
    (card,) = cards("iss-stage-3-kidney", encounterId="enc-1")
    order = resources(card)[0]
    assert {name: order[name] for name in ("resourceType", "status", "intent")} == {
        "resourceType": "ServiceRequest",
        "status": "draft",
        "intent": "proposal",
    }
    assert order["code"]["coding"][0]["system"] == "http://loinc.org"
    assert order["subject"] == {"reference": "Patient/pat-1"}
    assert order["encounter"] == {"reference": "Encounter/enc-1"}
    assert order["requester"] == {"reference": "Practitioner/prac-1"}
    assert order["reasonReference"] == [{"reference": "Observation/b2m-1"}]


@pytest.mark.parametrize(("user", "asks"), [("PractitionerRole/a", True), ("Patient/pat-1", False), ("x", False)])
def test_only_a_practitioner_is_named_as_the_requester(user: str, asks: bool) -> None:
    (card,) = cards("iss-stage-3-kidney", userId=user)
    assert all(("requester" in order) is asks for order in resources(card))


def labels(card: Json) -> list[str]:
    return [s["label"] for s in card.get("suggestions", ())]


def test_what_is_at_hand_is_not_ordered() -> None:
    (card,) = cards("iss-stage-3-kidney")
    assert not {"Order creatinine (serum)", "Order albumin (serum)"} & set(labels(card))


def test_what_was_not_sent_is_not_ordered() -> None:
    (card,) = cards("companions-not-given")
    assert labels(card) == []


def test_a_urine_that_is_gone_is_not_asked_for_its_ph_but_a_fresh_void_is() -> None:
    (card,) = cards("urine-ph-unknown")
    assert labels(card) == ["Order urine B2M", "Order urine pH"]
    (raised,) = cards("urine-raised")
    assert "Order urine pH" not in labels(raised)


# ----------------------------------------------------------------- the stage


def stages(card: Json) -> list[Json]:
    return [resource for resource in resources(card) if resource["resourceType"] == "Observation"]


def certain() -> Json:
    """A call in which nothing speaks against stage I, and nothing against R-ISS I."""
    request: Json = json.loads((fixtures_folder() / "riss-1" / "request.json").read_text())
    return request


def test_a_stage_is_filed_only_where_the_site_wants_it() -> None:
    assert [stages(card) for card in cards("riss-1")] == [[]]


def test_a_certain_stage_is_an_observation_by_mcode() -> None:
    (card,) = cards("riss-1", Settings(propose_stage=True))
    iss, revised = stages(card)
    for found, profile, code, value, method in (
        (iss, "iss-stage", "C139007", "C70658", "1149162008"),
        (revised, "riss-stage", "C141392", "C141394", "1149163003"),
    ):
        assert found["meta"]["profile"] == [MCODE + profile]
        assert found["status"] == "preliminary"
        assert found["code"]["coding"][0]["code"] == code
        assert found["valueCodeableConcept"]["coding"][0]["code"] == value
        assert found["method"]["coding"][0]["code"] == method
        assert len(found["derivedFrom"]) >= 2
        assert "preliminary until a clinician confirms it" in found["note"][0]["text"]


UNCERTAIN = [
    "iss-stage-3-kidney",
    "iss-1-or-2-albumin-stale",
    "iss-relapse",
    "iss-smouldering",
    "iss-comparator",
    "quality-no-medication-list",
    "iss-jump-either-way",
    "riss-recorded-differs",
    "dialysis-unclear",
]


@pytest.mark.parametrize("name", UNCERTAIN)
def test_a_stage_with_any_doubt_is_not_filed(name: str) -> None:
    assert [stage for card in cards(name, Settings(propose_stage=True)) for stage in stages(card)] == []


def test_every_note_but_those_that_take_nothing_from_it_is_a_doubt() -> None:
    assert stage_to_file("iss-stage", "II", ("albumin_not_needed",), ())
    assert stage_to_file("iss-stage", "II", ("albumin_not_needed", "near_stage_3"), ()) == ()


# ----------------------------------------------------------------- reasons to set a card aside


def test_every_card_has_reasons_to_set_it_aside() -> None:
    (card,) = post("b2m-result-review", call(bundle(observation()))).get_json()["cards"]
    assert [set(reason) for reason in card["overrideReasons"]] == [{"system", "code", "display"}] * len(REASONS)
    assert sum(reason["system"] == HL7 for reason in card["overrideReasons"]) >= 4


def test_some_reasons_ask_for_the_card_again_soon() -> None:
    assert asks_for_it_again(HL7, "wrong-time-workflow")
    assert not asks_for_it_again(HL7, "cds-not-applicable")
    assert not asks_for_it_again("http://elsewhere.example", "wrong-time-workflow")
