"""Order companions over HTTP: which drafts count, what is asked of the chart, what is offered, what is refused."""

from typing import Any

import pytest
import responses

from cds_service.cards.order_card import compose_order
from cds_service.config import FhirServer, Settings, SiteProfile
from cds_service.decide import decide
from cds_service.facts import Facts
from cds_service.fhir.shape import Json
from cds_service.hooks.body import parse_call
from cds_service.knowledge.model import Finding, Rule
from tests.failure_matrix import row
from tests.functional.run import NOW, RULES, post
from tests.functional.test_protocol import refused
from tests.unit.fhir.make import bundle, condition, observation, patient, quantity

SELECT, SIGN = "b2m-order-select-companions", "b2m-order-sign-companions"
HOOKS = {SELECT: "order-select", SIGN: "order-sign"}
SERVER = "https://ehr.example/fhir"
KEYS = ("b2m", "kidney", "myeloma", "blood", "conditions", "medications", "procedures")
SERUM, URINE, CREATININE, PANEL = "1952-1", "1953-9", "2160-0", "24323-8"


def order(*codes: str, id: str | None = "o1", **parts: Any) -> Json:  # noqa: A002 - as FHIR has it
    coding = [{"system": "http://loinc.org", "code": code} for code in codes]
    draft = {"resourceType": "ServiceRequest", "id": id, "status": "draft", "intent": "order"}
    return draft | {"code": {"coding": coding}, "subject": {"reference": "Patient/p"}} | parts


def call(*drafts: Any, hook: str = "order-sign", selections: Any = None, **prefetch: Any) -> Json:
    """A call about draft orders; a chart that holds nothing but what ``prefetch`` says."""
    context: Json = {"userId": "Practitioner/u", "patientId": "p", "draftOrders": bundle(*drafts, type="collection")}
    context |= {} if selections is None else {"selections": selections}
    given = {"patient": patient(), **{key: bundle() for key in KEYS}, **prefetch}
    return {
        "hook": hook,
        "hookInstance": "259cf767-4b52-4e14-a741-04da147a430f",
        "context": context,
        "prefetch": {key: value for key, value in given.items() if value != "absent"},
    }


def cards(request: Json, **parts: Any) -> list[Json]:
    service = next(service for service, hook in HOOKS.items() if hook == request["hook"])
    answer = post(service, request, **parts)
    assert answer.status_code == 200, answer.text
    found: list[Json] = answer.get_json()["cards"]
    return found


def offered(request: Json, **parts: Any) -> list[str]:
    return [s["label"] for card in cards(request, **parts) for s in card.get("suggestions", ())]


CREATININE_OFFERED = ["Order creatinine (serum)"]


def test_a_serum_b2m_alone_is_offered_creatinine() -> None:
    (card,) = cards(call(order(SERUM)))
    assert card["indicator"] == "info"
    assert card["selectionBehavior"] == "any"
    assert card["source"]["topic"]["code"] == SERUM
    assert card["overrideReasons"]
    assert card["extension"]["org.b2m-cds.basis"]["orders"] == ["ServiceRequest/o1"]
    (action,) = card["suggestions"][0]["actions"]
    assert action["type"] == "create"
    assert action["resource"]["subject"] == {"reference": "Patient/p"}
    assert "whose level is read beside kidney function" in action["resource"]["note"][0]["text"]


# ------------------------------------------------------------------ refusals


@row("draft orders missing or no Bundle on order-select and order-sign; selections missing on order-select", "400")
@pytest.mark.parametrize(
    ("service", "changes", "path"),
    [
        (SIGN, {"draftOrders": None}, "context.draftOrders"),
        (SELECT, {"draftOrders": None}, "context.draftOrders"),
        (SIGN, {"draftOrders": {}}, "context.draftOrders"),
        (SIGN, {"draftOrders": order(SERUM)}, "context.draftOrders"),
        (SIGN, {"draftOrders": [order(SERUM)]}, "context.draftOrders"),
        (SELECT, {}, "context.selections"),
        (SELECT, {"selections": "ServiceRequest/o1"}, "context.selections"),
        (SELECT, {"selections": [7]}, "context.selections.0"),
    ],
)
def test_what_a_hook_on_orders_requires_is_named(service: str, changes: Json, path: str) -> None:
    request = call(order(SERUM), hook=HOOKS[service])
    request["context"] |= changes
    refused(post(service, request), 400, path)


@row("a hook on orders at the service of another hook", "400")
def test_each_hook_has_its_service() -> None:
    refused(post(SELECT, call(order(SERUM))), 400, "hook")
    refused(post("b2m-result-review", call(order(SERUM))), 400, "hook")


@row("too many entries of draft orders", "400")
def test_draft_orders_count_as_entries() -> None:
    many = call(*[order(SERUM)] * 11)
    refused(post(SIGN, many, settings=Settings(max_entries=10)), 400, "prefetch")


@row("another patient's prefetched Patient beside draft orders", "400")
def test_the_patient_is_checked_beside_orders_too() -> None:
    refused(post(SIGN, call(order(SERUM), patient=patient(id="q"))), 400, "prefetch.patient")


@row("draft orders beside a chart that was not given, or not to be had", "200, the card says so; never 412")
@pytest.mark.parametrize("missing", ["absent", {"resourceType": "OperationOutcome"}, "nonsense"])
def test_without_a_chart_the_advice_is_what_to_order(missing: Any) -> None:
    (card,) = cards(call(order(SERUM), patient=missing, **dict.fromkeys(KEYS, missing)))
    assert "Not all results that were asked for were given" in card["detail"]
    assert [s["label"] for s in card["suggestions"]] == CREATININE_OFFERED
    assert len(cards(call(order(SERUM)) | {"prefetch": None})) == 1


@row("the only rule on orders raises", "500; never an empty list")
def test_a_rule_on_orders_that_raises_is_no_silence() -> None:
    rules = tuple(failing(rule) if rule.asked_by == "orders" else rule for rule in RULES)
    refused(post(SIGN, call(order(SERUM)), rules=rules), 500)


def failing(rule: Rule, specimen: str = "") -> Rule:
    """The rule, failing on one specimen or on each."""
    copy, sound = rule.model_copy(), rule._evaluate

    def evaluate(facts: Facts, own: Rule) -> Finding | None:
        if specimen in ("", facts.specimen):
            raise RuntimeError
        return sound(facts, own)

    copy._evaluate = evaluate
    return copy


def test_a_rule_that_fails_on_one_specimen_is_said() -> None:
    rules = tuple(failing(rule, "urine") if rule.asked_by == "orders" else rule for rule in RULES)
    (card,) = cards(call(order(SERUM), order(URINE, id="o2")), rules=rules)
    assert "One check could not be run" in card["detail"]
    (alone,) = cards(call(order(SERUM), order(URINE, id="o2"), order(CREATININE, id="o3")), rules=rules)
    assert "one check could not be run" in alone["summary"]
    assert alone["source"]["topic"]["code"] == SERUM


# ------------------------------------------------------------------ which drafts count


@pytest.mark.parametrize(
    "draft",
    [
        order("2951-2"),
        order(SERUM, status="entered-in-error"),
        order(SERUM, status="revoked"),
        order(SERUM, doNotPerform=True),
        order(SERUM, modifierExtension=[{"url": "x"}]),
        order(SERUM, subject={"reference": "Patient/q"}),
        order(SERUM, subject=None),
        order(SERUM, URINE),
        order(SERUM, code={"coding": [{"system": "urn:race", "code": SERUM}]}),
        order(SERUM, code={"text": "beta-2 microglobulin"}),
        order(SERUM, code=7),
        order(SERUM) | {"resourceType": "MedicationRequest"},
        {"resourceType": 7},
        None,
        "x",
    ],
)
def test_what_is_no_order_of_a_b2m_says_nothing(draft: Any) -> None:
    assert cards(call(draft)) == []
    assert offered(call(draft, order(SERUM, id="o2"))) == CREATININE_OFFERED


def test_another_patients_drafts_are_counted() -> None:
    foreign = order(SERUM, subject={"reference": "Patient/q"})
    decision = decide(parse_call(call(foreign)), rules=RULES, as_of=NOW, settings=Settings())
    assert decision.chart.ignored == {"another-patient": 1}
    assert decision.facts is None
    beside = decide(parse_call(call(foreign, order(SERUM))), rules=RULES, as_of=NOW, settings=Settings())
    assert beside.chart.ignored == {"another-patient": 1}
    assert len(beside.cards) == 1


def test_another_patients_companion_is_none() -> None:
    foreign = order(CREATININE, id="o2", subject={"reference": "Patient/q"})
    assert offered(call(order(SERUM), foreign)) == CREATININE_OFFERED


@pytest.mark.parametrize(
    ("selections", "says"),
    [
        (["ServiceRequest/o1"], True),
        (["ServiceRequest/o2", "ServiceRequest/o1"], True),
        ([f"{SERVER}/ServiceRequest/o1"], True),
        (["ServiceRequest/o1/_history/3"], True),
        (["urn:uuid:1"], True),
        (["ServiceRequest/o2"], False),
        (["MedicationRequest/o1"], False),
        (["o1"], False),
        ([""], False),
        ([], False),
    ],
)
def test_on_order_select_only_what_is_selected_asks(selections: list[str], says: bool) -> None:
    request = call(order(SERUM), order(URINE, id="o2", status="revoked"), hook="order-select", selections=selections)
    request["context"]["draftOrders"]["entry"][0]["fullUrl"] = "urn:uuid:1"
    assert bool(cards(request)) is says


def test_what_is_not_selected_is_ordered_all_the_same() -> None:
    drafts = [order(SERUM), order(CREATININE, id="o2")]
    assert cards(call(*drafts, hook="order-select", selections=["ServiceRequest/o1"])) == []


def test_a_draft_without_an_id_counts_on_order_sign() -> None:
    assert offered(call(order(SERUM, id=None))) == CREATININE_OFFERED


@pytest.mark.parametrize("panel", ["58410-2", "57021-8"])
def test_a_blood_count_among_the_drafts_brings_haemoglobin_and_platelets(panel: str) -> None:
    lymphoma = condition(("http://snomed.info/sct", "190818004"))
    assert "haemoglobin" in cards(call(order(SERUM), conditions=bundle(lymphoma)))[0]["summary"]
    (card,) = cards(call(order(SERUM), order(panel, id="o2"), conditions=bundle(lymphoma)))
    assert "M-protein, albumin, LDH, creatinine" in card["summary"]
    assert "platelets" not in card["summary"]


@pytest.mark.parametrize("panel", [PANEL, "24321-2", "24362-6"])
def test_a_panel_brings_its_creatinine(panel: str) -> None:
    assert cards(call(order(SERUM), order(panel, id="o2"))) == []


def test_a_panel_without_it_does_not() -> None:
    assert offered(call(order(SERUM), order("24325-3", id="o2"))) == CREATININE_OFFERED


@pytest.mark.parametrize("panel", ["24356-8", "24357-6"])
def test_a_urinalysis_brings_its_ph(panel: str) -> None:
    drafts = [order(URINE), order(SERUM, id="o2"), order(panel, id="o3"), order(CREATININE, id="o4")]
    assert offered(call(*drafts)) == ["Order urine creatinine"]


def test_a_sites_own_codes_are_orders_too() -> None:
    site = SiteProfile(local_code=({"system": "urn:lab", "code": "B2MS", "means": SERUM},))
    own = order(SERUM, code={"coding": [{"system": "urn:lab", "code": "B2MS"}]})
    (card,) = cards(call(own), site=site)
    assert card["source"]["topic"]["code"] == SERUM
    assert cards(call(own)) == []


@pytest.mark.parametrize("planned", [{"occurrenceDateTime": "2026-04-20"}, {"occurrencePeriod": {"start": "2026-04"}}])
def test_a_planned_order_is_read_at_its_time(planned: Json) -> None:
    recent = observation(CREATININE, quantity(1, "mg/dL"), id="cr")
    assert cards(call(order(SERUM), kidney=bundle(recent))) == []
    assert offered(call(order(SERUM, **planned), kidney=bundle(recent))) == CREATININE_OFFERED


def test_the_results_nearest_to_the_order_are_read() -> None:
    days = [f"2026-{month:02}-{day:02}T08:00:00Z" for month in (1, 2) for day in (1, 5, 9, 13, 17, 21)]
    old = [observation(CREATININE, quantity(1, "mg/dL"), id=f"c{n}", effectiveDateTime=d) for n, d in enumerate(days)]
    recent = observation(CREATININE, quantity(1, "mg/dL"), id="recent", effectiveDateTime="2026-03-01T08:00:00Z")
    assert cards(call(order(SERUM), kidney=bundle(*old, recent))) == []
    assert offered(call(order(SERUM), kidney=bundle(*old))) == CREATININE_OFFERED


def test_several_specimens_are_one_card_and_each_test_is_offered_once() -> None:
    (card,) = cards(call(order(SERUM), order(URINE, id="o2"), order("1951-3", id="o3")))
    labels = [s["label"] for s in card["suggestions"]]
    assert labels == ["Order urine pH", "Order urine creatinine", *CREATININE_OFFERED]


def test_results_are_not_reviewed_while_ordering() -> None:
    raised = observation(value=quantity(9))
    (card,) = cards(call(order(SERUM), b2m=bundle(raised), conditions=bundle(condition())))
    assert "9 mg/L" not in card["detail"]
    request = call(order(SERUM), b2m=bundle(raised), kidney="absent")
    facts = decide(parse_call(request), rules=RULES, as_of=NOW, settings=Settings()).facts
    assert facts is not None
    assert facts.under_review == {}
    assert facts.unknown == {"kidney"}
    assert {rule["id"] for rule in card["extension"]["org.b2m-cds.basis"]["rules"]} == {"order-companions"}


def test_results_in_the_context_are_not_of_this_hook() -> None:
    request = call(order(SERUM))
    request["context"]["results"] = {"resourceType": "OperationOutcome"}
    assert len(cards(request)) == 1


# ------------------------------------------------------------------ what is asked of the chart


@responses.activate
def test_nothing_is_fetched_without_a_b2m_and_all_at_once_with_one() -> None:
    site = SiteProfile(fhir_server=(FhirServer(url=SERVER),))
    request = call(order("2951-2"), patient="absent", **dict.fromkeys(KEYS, "absent")) | {"fhirServer": SERVER}
    assert cards(request, site=site) == []
    assert len(responses.calls) == 0
    responses.get(f"{SERVER}/Patient/p", json=patient())
    for kind in ("Condition", "MedicationRequest", "Procedure", "Observation"):
        responses.get(f"{SERVER}/{kind}", json={**bundle(), "total": 0})
        responses.post(f"{SERVER}/{kind}/_search", json={**bundle(), "total": 0})
    request["context"]["draftOrders"] = bundle(order(SERUM))
    (card,) = cards(request, site=site)
    asked = {call.request.url.split("?")[0].removeprefix(f"{SERVER}/") for call in responses.calls if call.request.url}
    assert {"Patient/p", "Condition", "MedicationRequest", "Procedure"} <= asked
    assert "What limits it" not in card["detail"]
    assert "No clinician has reviewed" in card["detail"]
    assert "Not all results" not in card["detail"]


def test_the_same_is_not_said_again_at_the_signature() -> None:
    facts = decide(parse_call(call(order(SERUM))), rules=RULES, as_of=NOW, settings=Settings()).facts
    assert facts is not None
    rule = next(rule for rule in RULES if rule.asked_by == "orders")
    finding = rule.evaluate(facts.of("serum"))
    assert finding is not None
    said = compose_order(facts, [finding], RULES)
    assert len(said.cards) == len(said.sayings) == 1
    held = object()
    again = compose_order(facts, [finding], RULES, hold_back=lambda sayings: {sayings[0]: held})  # type: ignore[dict-item]
    assert again.cards == ()
    assert again.held == (held,)
    incomplete = compose_order(facts, [], RULES, ["serum"], hold_back=lambda sayings: {sayings[0]: held})  # type: ignore[dict-item]
    assert len(incomplete.cards) == 1
    assert compose_order(facts, [], RULES).cards == ()
