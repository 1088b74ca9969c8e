"""MedicationRequests, -Statements and -Administrations of STU3, R4 and R5 to Medications."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.facts import Evidence, Medication, MissingData, Reason
from cds_service.fhir.medication import read_medications
from cds_service.knowledge.terms import SNOMED
from cds_service.knowledge.terms.treatments import ATC, RXNORM

AS_OF = datetime(2026, 3, 3, 9, 0, tzinfo=UTC)
ADHERENCE = "http://hl7.org/fhir/CodeSystem/medication-statement-adherence"
BORTEZOMIB, UNKNOWN_DRUG = (RXNORM, "358258"), (RXNORM, "161")
KINDS = ("MedicationRequest", "MedicationStatement", "MedicationAdministration")


def concept(*codings: tuple[str, str]) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code} for system, code in codings]}


def resource(kind: str, *codings: tuple[str, str], **parts: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"resourceType": kind, "id": "m", "subject": {"reference": "Patient/p"}}
    made["medicationCodeableConcept"] = concept(*codings or [BORTEZOMIB])
    return {name: value for name, value in (made | parts).items() if value is not None}


def request(*codings: tuple[str, str], **parts: Any) -> dict[str, Any]:
    return resource(
        "MedicationRequest", *codings, **{"status": "active", "intent": "order", "authoredOn": "2026-02-01"} | parts
    )


def statement(*codings: tuple[str, str], **parts: Any) -> dict[str, Any]:
    return resource("MedicationStatement", *codings, **{"status": "active"} | parts)


def administration(*codings: tuple[str, str], **parts: Any) -> dict[str, Any]:
    parts = {"status": "completed", "effectiveDateTime": "2026-02-01T08:00:00Z"} | parts
    return resource("MedicationAdministration", *codings, **parts)


MADE = {"MedicationRequest": request, "MedicationStatement": statement, "MedicationAdministration": administration}


def read(
    *resources: Any, **by_reference: Any
) -> tuple[tuple[Medication, ...], tuple[MissingData, ...], tuple[str, ...]]:
    return read_medications(resources, by_reference, AS_OF)


def only(*resources: Any, known: dict[str, Any] | None = None) -> Medication:
    (found,), missing, unrecognised = read_medications(resources, known or {}, AS_OF)
    assert (missing, unrecognised) == ((), ())
    return found


def reason(made: dict[str, Any]) -> Reason:
    found, (missing,), unrecognised = read(made)
    assert (found, unrecognised, missing.item, missing.reference) == ((), (), "medications", reference(made))
    return missing.reason


def reference(made: dict[str, Any]) -> str:
    return f"{made['resourceType']}/m"


def days(found: Medication) -> tuple[date | None, date | None]:
    return found.start.first if found.start else None, found.end.last if found.end else None


# ------------------------------------------------------------------ what is read


def test_an_order() -> None:
    found = only(request())
    assert (found.key, found.label, found.code) == ("bortezomib", "bortezomib", "358258")
    assert (found.evidence, found.ongoing, found.systemic) == (Evidence.ORDERED, True, True)
    assert "anti-myeloma" in found.classes
    assert days(found) == (date(2026, 2, 1), None)
    assert found.reference == "MedicationRequest/m"


def test_a_statement_and_an_administration() -> None:
    assert only(statement()).evidence is Evidence.STATED
    given = only(administration())
    assert (given.evidence, given.ongoing) == (Evidence.ADMINISTERED, False)
    assert days(given) == (date(2026, 2, 1), date(2026, 2, 1))


@pytest.mark.parametrize(
    ("kind", "status", "ongoing", "evidence"),
    [
        ("MedicationRequest", "active", True, Evidence.ORDERED),
        ("MedicationRequest", "on-hold", False, Evidence.ORDERED),
        ("MedicationRequest", "completed", False, Evidence.ORDERED),
        ("MedicationRequest", "stopped", False, Evidence.ORDERED),
        ("MedicationRequest", "ended", False, Evidence.ORDERED),
        ("MedicationRequest", "draft", False, Evidence.PLANNED),
        ("MedicationStatement", "active", True, Evidence.STATED),
        ("MedicationStatement", "recorded", False, Evidence.STATED),
        ("MedicationStatement", "completed", False, Evidence.STATED),
        ("MedicationStatement", "stopped", False, Evidence.STATED),
        ("MedicationStatement", "on-hold", False, Evidence.STATED),
        ("MedicationStatement", "intended", False, Evidence.PLANNED),
        ("MedicationAdministration", "in-progress", True, Evidence.ADMINISTERED),
        ("MedicationAdministration", "on-hold", False, Evidence.ADMINISTERED),
        ("MedicationAdministration", "completed", False, Evidence.ADMINISTERED),
        ("MedicationAdministration", "stopped", False, Evidence.ADMINISTERED),
    ],
)
def test_statuses_that_count(kind: str, status: str, ongoing: bool, evidence: Evidence) -> None:
    found = only(MADE[kind](status=status))
    assert (found.ongoing, found.evidence) == (ongoing, evidence)


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        ("MedicationRequest", {"status": "cancelled"}),
        ("MedicationRequest", {"status": "entered-in-error"}),
        ("MedicationRequest", {"doNotPerform": True}),
        ("MedicationStatement", {"status": "not-taken"}),
        ("MedicationStatement", {"status": "entered-in-error"}),
        ("MedicationStatement", {"taken": "n"}),
        ("MedicationStatement", {"status": "completed", "taken": "n"}),
        ("MedicationStatement", {"wasNotTaken": True}),
        ("MedicationStatement", {"status": "recorded", "adherence": {"code": concept((ADHERENCE, "not-taking"))}}),
        ("MedicationAdministration", {"status": "not-done"}),
        ("MedicationAdministration", {"status": "entered-in-error"}),
        ("MedicationAdministration", {"notGiven": True}),
        ("MedicationAdministration", {"wasNotGiven": True}),
    ],
)
@pytest.mark.parametrize("coding", [BORTEZOMIB, UNKNOWN_DRUG])
def test_what_did_not_happen_is_no_medication(kind: str, parts: dict[str, Any], coding: tuple[str, str]) -> None:
    assert read(MADE[kind](coding, **parts)) == ((), (), ())


@pytest.mark.parametrize(
    ("kind", "parts", "why"),
    [
        ("MedicationRequest", {"status": "unknown"}, Reason.STATUS),
        ("MedicationStatement", {"status": "unknown"}, Reason.STATUS),
        ("MedicationStatement", {"status": "draft"}, Reason.STATUS),
        ("MedicationStatement", {"taken": "unk"}, Reason.STATUS),
        (
            "MedicationStatement",
            {"status": "recorded", "adherence": {"code": concept((ADHERENCE, "unknown"))}},
            Reason.STATUS,
        ),
        ("MedicationAdministration", {"status": "unknown"}, Reason.STATUS),
        ("MedicationRequest", {"status": None}, Reason.INVALID),
        ("MedicationRequest", {"status": "bogus"}, Reason.INVALID),
        ("MedicationRequest", {"status": "in-progress"}, Reason.INVALID),
        ("MedicationRequest", {"status": ["active"]}, Reason.INVALID),
        ("MedicationRequest", {"intent": None}, Reason.INVALID),
        ("MedicationRequest", {"intent": "bogus"}, Reason.INVALID),
        ("MedicationRequest", {"status": "bogus", "intent": "plan"}, Reason.INVALID),
        ("MedicationRequest", {"doNotPerform": "true"}, Reason.INVALID),
        ("MedicationRequest", {"subject": {"reference": 7}}, Reason.INVALID),
        ("MedicationStatement", {"taken": "perhaps"}, Reason.INVALID),
        ("MedicationStatement", {"adherence": {"code": concept((ADHERENCE, "bogus"))}}, Reason.INVALID),
        ("MedicationAdministration", {"effectiveDateTime": None}, Reason.INVALID),
        ("MedicationAdministration", {"effectiveDateTime": "lately"}, Reason.INVALID),
        ("MedicationAdministration", {"status": "active"}, Reason.INVALID),
        ("MedicationRequest", {"modifierExtension": [{"url": "x", "valueBoolean": True}]}, Reason.MODIFIER),
    ],
)
def test_why_a_drug_is_not_read(kind: str, parts: dict[str, Any], why: Reason) -> None:
    assert reason(MADE[kind](**parts)) is why


@pytest.mark.parametrize("parts", [{"status": "bogus"}, {"modifierExtension": [{"url": "x"}]}, {}])
def test_nothing_is_missed_of_a_drug_that_no_rule_names(parts: dict[str, Any]) -> None:
    assert read(request(UNKNOWN_DRUG, **parts)) == ((), (), ("",))


def test_entries_without_a_drug_that_we_recognise_are_named() -> None:
    texted = request() | {"medicationCodeableConcept": {"text": "bortezomib"}}
    lost = request() | {"medicationCodeableConcept": None, "medicationReference": {"reference": "Medication/x"}}
    other = [{"resourceType": "Medication", "code": concept(UNKNOWN_DRUG)}, {"resourceType": 7}, {}]
    found, missing, unrecognised = read(request(), request(UNKNOWN_DRUG), texted, lost, *other)
    assert (len(found), unrecognised) == (1, ("", "bortezomib"))
    assert [(m.item, m.reason) for m in missing] == [("medications", Reason.UNAVAILABLE)], "lost may be any drug"


@pytest.mark.parametrize(
    ("concept_of_it", "name"),
    [
        ({"text": "Velcade", "coding": [{"display": "bortezomib"}]}, "Velcade"),
        ({"text": "  ", "coding": [{"code": "x"}, {"display": "bortezomib"}]}, "bortezomib"),
        ({"coding": [{"code": "x"}]}, ""),
        ({"text": 7, "coding": [7, {"display": ["x"]}]}, ""),
        (None, ""),
    ],
)
def test_what_an_entry_is_called(concept_of_it: Any, name: str) -> None:
    assert read(request() | {"medicationCodeableConcept": concept_of_it})[2] == (name,)


def test_what_an_entry_is_called_by_its_medication() -> None:
    product = {"resourceType": "Medication", "code": {"text": "Velcade"}}
    _, _, unrecognised = read_medications([request(**R4_REFERENCE)], {"Medication/d": product}, AS_OF)
    assert unrecognised == ("Velcade",)


@pytest.mark.parametrize("refused", [{"doNotPerform": False}, {"notGiven": False}, {"taken": "y"}, {"taken": "na"}])
def test_a_flag_that_refuses_nothing(refused: dict[str, Any]) -> None:
    assert only(statement(**refused)).ongoing


# ------------------------------------------------------------------ intent, dates


@pytest.mark.parametrize("intent", ["order", "original-order", "reflex-order", "filler-order", "instance-order"])
def test_an_order_of_any_kind(intent: str) -> None:
    assert only(request(intent=intent)).evidence is Evidence.ORDERED


@pytest.mark.parametrize("intent", ["proposal", "plan", "option"])
def test_a_plan_is_no_order(intent: str) -> None:
    found = only(request(intent=intent))
    assert (found.evidence, found.ongoing) == (Evidence.PLANNED, False)


@pytest.mark.parametrize(
    "made",
    [
        request(authoredOn="2026-03-20"),
        statement(effectivePeriod={"start": "2026-04"}),
        administration(effectiveDateTime="2026-03-03T09:30:00Z"),
    ],
)
def test_what_lies_ahead_is_planned(made: dict[str, Any]) -> None:
    found = only(made)
    assert (found.evidence, found.ongoing) == (Evidence.PLANNED, False)


def test_clocks_may_differ_a_little() -> None:
    assert only(administration(effectiveDateTime="2026-03-03T09:05:00Z")).evidence is Evidence.ADMINISTERED


@pytest.mark.parametrize(
    ("made", "start", "end", "ongoing"),
    [
        (statement(effectiveDateTime="2026-01-10"), date(2026, 1, 10), None, True),
        (statement(effectivePeriod={"start": "2026-01-10"}), date(2026, 1, 10), None, True),
        (statement(effectivePeriod={"start": "2025", "end": "2026-01"}), date(2025, 1, 1), date(2026, 1, 31), False),
        (statement(effectivePeriod={"start": "2025-12", "end": "2026-06"}), date(2025, 12, 1), date(2026, 6, 30), True),
        (statement(effectivePeriod={"end": "2026-03-03"}), None, date(2026, 3, 3), True),
        (statement(effectivePeriod={"end": "2026-03-02"}), None, date(2026, 3, 2), False),
        (statement(dateAsserted="2026-02-10"), date(2026, 2, 10), None, True),
        (statement(dateAsserted="2026-02-10", effectiveDateTime="2025-12-01"), date(2025, 12, 1), None, True),
        (statement(dateAsserted="2026-02-10", effectivePeriod={"end": "2025"}), None, date(2025, 12, 31), False),
        (statement(status="completed", dateAsserted="2026-02-10"), None, date(2026, 2, 10), False),
        (statement(status="intended", dateAsserted="2026-02-10"), None, None, False),
        (statement(), None, None, True),
        (request(authoredOn=None), None, None, True),
        (request(authoredOn="2026-02-30"), None, None, True),
        (request(effectiveDosePeriod={"start": "2026", "end": "2026-02"}), date(2026, 1, 1), date(2026, 2, 28), False),
        (request(effectiveDosePeriod={"end": "2026-02-20"}), date(2026, 2, 1), date(2026, 2, 20), False),
        (administration(status="in-progress"), date(2026, 2, 1), None, True),
        (administration(effectiveDateTime=None, effectivePeriod={"start": "2026-01-01", "end": "2026-01-02"}),
         date(2026, 1, 1), date(2026, 1, 2), False),
        (administration(effectiveDateTime=None, effectivePeriod={"end": "2026-01-02"}), None, date(2026, 1, 2), False),
        (administration(effectiveDateTime=None, occurenceDateTime="2025"), date(2025, 1, 1), date(2025, 12, 31), False),
        (administration(effectiveDateTime=None, occurrencePeriod={"start": "2026"}), date(2026, 1, 1), None, False),
    ],
)  # fmt: skip
def test_from_when_until_when(made: dict[str, Any], start: date | None, end: date | None, ongoing: bool) -> None:
    found = only(made)
    assert days(found) == (start, end)
    assert found.ongoing is ongoing


@pytest.mark.parametrize(
    ("code", "ongoing"),
    [
        ("taking", True),
        ("taking-as-directed", True),
        ("taking-not-as-directed", True),
        ("on-hold", False),
        ("on-hold-as-directed", False),
        ("on-hold-not-as-directed", False),
        ("stopped", False),
        ("stopped-as-directed", False),
        ("stopped-not-as-directed", False),
    ],
)
def test_what_r5_says_of_adherence(code: str, ongoing: bool) -> None:
    assert only(statement(status="recorded", adherence={"code": concept((ADHERENCE, code))})).ongoing is ongoing


def test_without_adherence_an_open_period_goes_on() -> None:
    assert only(statement(status="recorded", effectivePeriod={"start": "2026-01"})).ongoing
    assert not only(statement(status="recorded", effectivePeriod={"start": "2025", "end": "2026-01"})).ongoing
    elsewhere = {"code": concept(("http://example.org", "not-taking"))}
    assert only(statement(adherence=elsewhere)).ongoing


# ------------------------------------------------------------------ where the drug stands


MEDICATION = {"resourceType": "Medication", "id": "d", "code": concept(BORTEZOMIB)}
R4_REFERENCE = {"medicationCodeableConcept": None, "medicationReference": {"reference": "Medication/d"}}


@pytest.mark.parametrize("kind", KINDS)
def test_the_shape_of_r5(kind: str) -> None:
    stated = MADE[kind](medicationCodeableConcept=None, medication={"concept": concept(BORTEZOMIB)})
    referred = MADE[kind](medicationCodeableConcept=None, medication={"reference": {"reference": "Medication/d"}})
    assert only(stated).key == "bortezomib"
    assert only(referred, known={"Medication/d": MEDICATION}).key == "bortezomib"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "printed", ["Medication/d", "Medication/d/_history/2", "urn:uuid:0", "http://ehr/Medication/d"]
)
def test_a_medication_by_reference(kind: str, printed: str) -> None:
    referred = MADE[kind](medicationCodeableConcept=None, medicationReference={"reference": printed})
    known = dict.fromkeys(("Medication/d", "urn:uuid:0"), MEDICATION)
    assert only(referred, known=known).key == "bortezomib"


def test_the_version_that_is_meant_comes_first() -> None:
    known = {"Medication/d/_history/2": MEDICATION, "Medication/d": MEDICATION | {"code": concept(UNKNOWN_DRUG)}}
    referred = request(medicationCodeableConcept=None, medicationReference={"reference": "Medication/d/_history/2"})
    assert only(referred, known=known).key == "bortezomib"


@pytest.mark.parametrize("identity", ["d", "#d"])
def test_a_contained_medication(identity: str) -> None:
    within = [{"id": "e", "code": concept(UNKNOWN_DRUG)}, MEDICATION | {"id": identity}]
    made = request(medicationCodeableConcept=None, medicationReference={"reference": "#d"}, contained=within)
    assert only(made).key == "bortezomib"
    assert [m.reason for m in read(made | {"contained": within[:1]})[1]] == [Reason.UNAVAILABLE]


def test_the_ingredients_of_a_medication() -> None:
    r4 = {"itemCodeableConcept": concept((SNOMED, "407097007"))}
    r5 = {"item": {"concept": concept((SNOMED, "372584003"))}}
    inactive = {"itemCodeableConcept": concept((SNOMED, "387297002")), "isActive": False}
    altered = {"itemCodeableConcept": concept((SNOMED, "387420009")), "modifierExtension": [{"url": "x"}]}
    mixture = {"resourceType": "Medication", "ingredient": [r4, r5, inactive, altered]}
    found, missing, unrecognised = read_medications([request(**R4_REFERENCE)], {"Medication/d": mixture}, AS_OF)
    assert {drug.key for drug in found} == {"bortezomib", "dexamethasone"}
    assert (missing, unrecognised) == ((), ())


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ({"modifierExtension": [{"url": "x"}]}, Reason.MODIFIER),
        ({"status": "entered-in-error"}, Reason.ENTERED_IN_ERROR),
    ],
)
def test_a_medication_that_cannot_be_relied_on(parts: dict[str, Any], why: Reason) -> None:
    found, (missing,), _ = read_medications([request(**R4_REFERENCE)], {"Medication/d": MEDICATION | parts}, AS_OF)
    assert (found, missing.reason) == ((), why)


def test_two_codes_of_one_drug_are_one_medication() -> None:
    found = only(request(BORTEZOMIB, (ATC, "L01XG01"), BORTEZOMIB))
    assert found.code == "358258 L01XG01"


def test_one_bad_resource_loses_no_other() -> None:
    found, missing, _ = read(request(), request(status="bogus"), statement(), request(intent=7))
    assert [drug.evidence for drug in found] == [Evidence.ORDERED, Evidence.STATED]
    assert [one.reason for one in missing] == [Reason.INVALID, Reason.INVALID]


# ------------------------------------------------------------------ systemic or local


IV, ORAL, EYE = (SNOMED, "47625008"), (SNOMED, "26643006"), (SNOMED, "54485002")
GENTAMICIN, VANCOMYCIN, DEXAMETHASONE = (SNOMED, "387321007"), (RXNORM, "11124"), (RXNORM, "3264")


def dosage(*routes: tuple[str, str], **parts: Any) -> dict[str, Any]:
    return {"route": concept(*routes)} | parts


@pytest.mark.parametrize(
    ("made", "systemic"),
    [
        (request(), True),
        (request(GENTAMICIN), None),
        (request((ATC, "J01GB03")), True),
        (request((ATC, "J01GB03"), GENTAMICIN), True),
        (request((RXNORM, "351291")), False),
        (request(GENTAMICIN, dosageInstruction=[dosage(IV)]), True),
        (request(GENTAMICIN, dosageInstruction=[dosage(EYE)]), False),
        (request(GENTAMICIN, dosageInstruction=[dosage((SNOMED, "1"))]), None),
        (request(GENTAMICIN, dosageInstruction=[dosage(("http://example.org", "47625008"))]), None),
        (request(GENTAMICIN, dosageInstruction=[dosage(EYE), dosage(IV)]), True),
        (request(GENTAMICIN, dosageInstruction=[dosage(EYE), dosage()]), None),
        (request(GENTAMICIN, dosageInstruction=[dosage(EYE, modifierExtension=[{"url": "x"}])]), None),
        (request(GENTAMICIN, dosageInstruction=[dosage(EYE, IV)]), None),
        (request(GENTAMICIN, dosageInstruction=[dosage(IV, (SNOMED, "1"))]), True),
        (request((ATC, "J01GB03"), dosageInstruction=[dosage(EYE)]), None),
        (request((ATC, "J01GB01"), dosageInstruction=[dosage((SNOMED, "447694001"))]), False),
        (request((ATC, "J01GB01"), dosageInstruction=[dosage(IV)]), True),
        (request(VANCOMYCIN, dosageInstruction=[dosage(ORAL)]), False),
        (request(VANCOMYCIN, dosageInstruction=[dosage(IV)]), True),
        (request(DEXAMETHASONE, dosageInstruction=[dosage(ORAL)]), True),
        (request(dosageInstruction=[dosage(EYE)]), False),
        (request(dosageInstruction="by mouth"), True),
        (statement(DEXAMETHASONE, dosage=[dosage(ORAL)]), True),
        (administration(DEXAMETHASONE, dosage=dosage(IV)), True),
        (administration(DEXAMETHASONE), None),
    ],
)
def test_systemic_where_code_or_route_says_so(made: dict[str, Any], systemic: bool | None) -> None:
    assert only(made).systemic is systemic


# ------------------------------------------------------------------ anything at all


NAMES = st.sampled_from(["coding", "code", "system", "reference", "concept", "start", "end", "route", "id", "item"])
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["#d", "Medication/d", "active"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
ELEMENTS = ("resourceType", "id", "status", "intent", "doNotPerform", "notGiven", "taken", "adherence", "authoredOn",
            "medicationCodeableConcept", "medicationReference", "medication", "contained", "subject", "dosage",
            "dosageInstruction", "effectiveDateTime", "effectivePeriod", "effectiveDosePeriod", "occurenceDateTime",
            "dateAsserted", "modifierExtension")  # fmt: skip


@settings(deadline=None)
@given(
    st.sampled_from(KINDS),
    st.dictionaries(st.sampled_from(ELEMENTS), JUNK, max_size=5),
    st.dictionaries(st.sampled_from(["code", "status", "ingredient", "modifierExtension"]), JUNK, max_size=3),
)
def test_whatever_a_chart_holds_is_read_or_missing_or_not_recognised(
    kind: str, parts: dict[str, Any], product: dict[str, Any]
) -> None:
    made = MADE[kind](medicationReference={"reference": "Medication/d"}) | parts
    found, missing, unrecognised = read_medications([made, request()], {"Medication/d": product}, AS_OF)
    assert len(found) + len(missing) + len(unrecognised) in (1, 2)
    assert found[-1].key == "bortezomib"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ELEMENTS)
@pytest.mark.parametrize(
    "junk", [None, "", 0, 1.5, True, [], {}, [None], [[]], {"coding": 7}, {"coding": [7, None]}, "\ud800"]
)
def test_junk_in_any_element(kind: str, name: str, junk: Any) -> None:
    read(MADE[kind](**{name: junk}), MADE[kind]() | {name: [junk, {name: junk}]})
