"""The shapes in which real systems send a result: R4, R4B, R5 and STU3, reports, panels, components, any reference."""

from decimal import Decimal
from typing import Any

import pytest

from cds_service.config import LocalCode, SiteProfile
from cds_service.errors import ConfigurationError, DataUnavailable
from cds_service.facts import Facts, MissingData, Reason, Result
from cds_service.fhir.gather import gather
from cds_service.fhir.local_codes import LocalCodes
from cds_service.fhir.read import read
from cds_service.fhir.searches import joined, searches
from cds_service.models import HookRequest
from tests.unit.fhir.make import AS_OF, bundle, call, chart, facts, observation, quantity

URN = "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"
LOINC = "http://loinc.org"


def component(loinc: str, value: Any = None, **parts: Any) -> dict[str, Any]:
    coded = {"code": {"coding": [{"system": LOINC, "code": loinc}]}}
    return coded | {"valueQuantity": quantity() if value is None else value} | parts


def panel(*members: str, **parts: Any) -> dict[str, Any]:
    named = {"hasMember": [{"reference": m} for m in members]} if members else {}
    given = observation("99999-9", id="panel") | named | parts
    return {name: value for name, value in given.items() if name != "valueQuantity"}


def report(*results: str, **parts: Any) -> dict[str, Any]:
    named = [{"reference": reference} for reference in results]
    subject = {"reference": "Patient/p"}
    return {
        "resourceType": "DiagnosticReport",
        "id": "rep",
        "status": "final",
        "subject": subject,
        "result": named,
    } | parts


def reviewed(*args: Any, **kwargs: Any) -> Result | MissingData:
    (found,) = facts(*args, **kwargs).under_review.values()
    return found


def value_of(found: object) -> Decimal:
    assert isinstance(found, Result), found
    return found.value


# ------------------------------------------------------------------ bundles


@pytest.mark.parametrize("kind", ["collection", "searchset", "batch", "transaction", "document", "message", "history"])
def test_a_bundle_of_any_kind_is_opened(kind: str) -> None:
    request = {"request": {"method": "PUT", "url": "Observation/b2m"}}
    entries = [{"resource": {"resourceType": "Composition", "id": "c"}}, {"resource": observation(), **request}]
    assert value_of(reviewed({"resourceType": "Bundle", "type": kind, "entry": entries})) == Decimal("4.2")


def test_a_batch_response_that_lost_an_entry_is_incomplete() -> None:
    lost = {"response": {"status": "404 Not Found"}}
    answer = {"resourceType": "Bundle", "type": "batch-response", "entry": [{"resource": observation()}, lost]}
    assert [m.reason for m in facts(bundle(observation()), kidney=answer).missing if m.item == "kidney"] == [
        Reason.INCOMPLETE
    ]


# ------------------------------------------------------------------ versions of FHIR


@pytest.mark.parametrize(
    "parts",
    [
        {"meta": {"profile": ["http://hl7.org/fhir/us/core/StructureDefinition/us-core-observation-lab"]}},
        {"instantiatesReference": {"reference": "ObservationDefinition/x"}, "triggeredBy": [{"type": "reflex"}]},  # R5
        {"context": {"reference": "Encounter/e"}, "related": [{"type": "derived-from", "target": {}}], "comment": "x"},
    ],
)
def test_r4_r5_and_stu3_observations_are_read(parts: dict[str, Any]) -> None:
    assert value_of(reviewed(bundle(observation(**parts)))) == Decimal("4.2")


# ------------------------------------------------------------------ references


@pytest.mark.parametrize(
    "reference",
    ["Observation/b2m", "https://ehr.example/fhir/Observation/b2m", "Observation/b2m/_history/3", URN],
)
def test_a_report_names_its_results_by_any_reference(reference: str) -> None:
    held = {"resourceType": "Bundle", "type": "collection", "entry": [{"fullUrl": URN, "resource": observation()}]}
    found = facts(bundle(report(reference)), b2m=held)
    assert value_of(found.under_review["serum"]) == Decimal("4.2")


def test_a_report_contains_its_results() -> None:
    inner = {k: v for k, v in observation(id="o1").items() if k != "subject"}
    found = reviewed(bundle(report("#o1", contained=[inner])))
    assert isinstance(found, Result)
    assert found.reference == "DiagnosticReport/rep#o1"


@pytest.mark.parametrize("status", ["entered-in-error", "cancelled"])
def test_a_report_that_does_not_stand_names_nothing(status: str) -> None:
    assert chart(bundle(report("Observation/b2m", status=status)), b2m=bundle(observation())).has_b2m is False


def test_a_report_all_of_whose_results_are_at_hand_and_not_b2m_asks_for_nothing() -> None:
    creatinine = observation("2160-0", quantity(1, "mg/dL"), id="cr")
    for given in (
        bundle(report("Observation/cr"), creatinine),
        bundle(report("#c", contained=[creatinine | {"id": "c"}])),
    ):
        assert chart(given, b2m="absent", patient="absent").under_review == frozenset()


# ------------------------------------------------------------------ panels and components


def test_a_panel_names_its_members() -> None:
    given = bundle(panel("Observation/b2m"))
    assert value_of(reviewed(given, b2m=bundle(observation()))) == Decimal("4.2")


def test_an_stu3_panel_names_its_members() -> None:
    related = [{"type": "has-member", "target": {"reference": "Observation/b2m"}}, {"type": "sequel-to", "target": {}}]
    assert value_of(reviewed(bundle(panel(related=related)), b2m=bundle(observation()))) == Decimal("4.2")


def test_panels_of_panels_that_name_one_another_come_to_an_end() -> None:
    outer, inner = panel("Observation/inner", id="outer"), panel("Observation/outer", "Observation/b2m", id="inner")
    assert value_of(reviewed(bundle(outer), b2m=bundle(inner, observation()))) == Decimal("4.2")


def test_a_component_is_a_result_of_its_own() -> None:
    whole = panel(component=[component("8480-6"), component("1952-1", quantity("6.1")), component("99999-9")])
    found = reviewed(bundle(whole))
    assert value_of(found) == Decimal("6.1")
    assert isinstance(found, Result)
    assert found.reference == "Observation/panel"
    assert found.when.printed == whole["effectiveDateTime"]


def test_a_component_of_a_report_s_panel_is_under_review() -> None:
    whole = panel(component=[component("1952-1", quantity("6.1"))])
    assert value_of(reviewed(bundle(report("Observation/panel")), b2m=bundle(whole))) == Decimal("6.1")


def test_a_component_without_an_id_of_the_whole_is_still_read() -> None:
    whole = panel(id=None, component=[component("1952-1"), component("1953-9", quantity("0.1"))])
    assert set(facts(bundle(whole)).under_review) == {"serum", "urine"}


@pytest.mark.parametrize(
    ("of_whole", "of_part", "reason"),
    [
        ({"status": "entered-in-error"}, {}, Reason.ENTERED_IN_ERROR),
        ({"status": "registered"}, {"status": "final"}, Reason.STATUS),
        ({"modifierExtension": [{"url": "x"}]}, {}, Reason.MODIFIER),
        ({}, {"modifierExtension": [{"url": "x"}]}, Reason.MODIFIER),
        ({"effectiveDateTime": None, "issued": None}, {"effectiveDateTime": "2026-03-02"}, Reason.NO_DATE),
        ({}, {"dataAbsentReason": {"text": "lost"}, "valueQuantity": None}, Reason.NO_VALUE),
    ],
)
def test_a_component_has_the_status_and_the_time_of_the_whole(
    of_whole: dict[str, Any], of_part: dict[str, Any], reason: Reason
) -> None:
    found = reviewed(bundle(panel(component=[component("1952-1", **of_part)], **of_whole)))
    assert isinstance(found, MissingData)
    assert found.reason is reason


# ------------------------------------------------------------------ whose it is


@pytest.mark.parametrize("focus", ["Patient/p", "https://ehr.example/fhir/Patient/p", "Condition/tumour", "#specimen"])
def test_a_result_with_the_patient_in_focus_is_the_patients(focus: str) -> None:
    assert value_of(reviewed(bundle(observation(focus=[{"reference": focus}])))) == Decimal("4.2")


@pytest.mark.parametrize("focus", ["Patient/child", "Device/x", "RelatedPerson/donor"])
def test_a_result_with_another_in_focus_is_not(focus: str) -> None:
    found = chart(bundle(observation()), b2m=bundle(observation(id="o", focus=[{"reference": focus}])))
    assert found.ignored == {"another-patient": 1}


def test_what_was_entered_in_error_wins_where_no_version_is_newer() -> None:
    wrong = observation(status="entered-in-error")
    for first, second in ((observation(), wrong), (wrong, observation())):
        found = facts(b2m=bundle(first, second))
        assert found.results == ()
        assert found.under_review == {}


# ------------------------------------------------------------------ a site's own codes

SITE = SiteProfile(
    local_code=(
        LocalCode(system="urn:lab", code="B2MS", means="1952-1"),
        LocalCode(system="urn:lab", code="CREA", means="14682-9"),
    )
)


def with_codes(results: Any, **prefetch: Any) -> Facts:
    request = HookRequest.model_validate(call(results, **prefetch))
    return read(gather(request, max_entries=100, codes=LocalCodes(SITE.local_codes)), as_of=AS_OF)


def local(code: str, value: Any = None, system: str = "urn:lab", **parts: Any) -> dict[str, Any]:
    return observation(value=value, **parts) | {"code": {"coding": [{"system": system, "code": code}]}}


def test_a_sites_own_code_is_read_as_what_it_means() -> None:
    found = with_codes(bundle(local("B2MS")), kidney=bundle(local("CREA", quantity(90, "umol/L"), id="cr")))
    assert {r.analyte: r.value for r in found.results} == {"b2m-serum": Decimal("4.2"), "creatinine": 90}


def test_a_sites_own_code_in_a_component() -> None:
    inside = component("x") | {"code": {"coding": [{"system": "urn:lab", "code": "B2MS"}]}}
    assert value_of(with_codes(bundle(panel(component=[component("8480-6"), inside]))).under_review["serum"])


def test_what_carries_no_code_of_the_sites_is_left_as_it_is() -> None:
    codes = LocalCodes(SITE.local_codes)
    for resource in (observation(), panel(component=[component("8480-6")])):
        assert codes.translated(resource) is resource


def test_a_code_of_another_system_is_not_the_sites_own() -> None:
    assert with_codes(bundle(local("B2MS", system="urn:other")), b2m=None).under_review == {}


def test_a_sites_own_code_that_contradicts_loinc_is_said() -> None:
    both = observation("1953-9")
    both["code"]["coding"].append({"system": "urn:lab", "code": "B2MS"})
    (found,) = with_codes(bundle(both)).under_review.values()
    assert isinstance(found, MissingData)
    assert found.reason is Reason.CODE_CONFLICT


def test_a_sites_own_codes_are_asked_for() -> None:
    asked = searches(LocalCodes(SITE.local_codes))
    assert "urn:lab|B2MS" in asked["b2m"].template()
    assert "urn:lab|CREA" in asked["kidney"].template()


def test_a_code_that_means_nothing_we_know_stops_the_service() -> None:
    with pytest.raises(ConfigurationError, match=r"urn:lab\|X means '9999-9': expected a LOINC code"):
        LocalCodes({("urn:lab", "X"): "9999-9"})


# ------------------------------------------------------------------ a name without a code


def named(text: str, **parts: Any) -> dict[str, Any]:
    return observation(**parts) | {"code": {"text": text}}


@pytest.mark.parametrize(
    "text", ["Beta-2 microglobulin", "ß2-Mikroglobulin", "Bêta-2-microglobuline", "Beta-2 microglobulina", "B2M"]
)
def test_a_name_without_a_code_is_said_and_not_read(text: str) -> None:
    found = reviewed(bundle(named(text)))
    assert isinstance(found, MissingData)
    assert (found.item, found.reason, found.printed) == ("b2m-uncoded", Reason.UNCODED, "4.2 mg/L")


@pytest.mark.parametrize(
    "code",
    [
        {"coding": [{"system": LOINC, "code": "48094-6", "display": "Beta-2 microglobulin serum"}]},
        {"coding": [{"system": "urn:lab", "code": "77", "display": "B2-Mikroglobulin"}]},
        {"coding": [{"code": "1952-1", "display": "Beta-2-Microglobulin"}]},
    ],
)
def test_a_code_that_we_do_not_know_is_no_code(code: Any) -> None:
    found = reviewed(bundle(observation() | {"code": code}))
    assert isinstance(found, MissingData)
    assert found.reason is Reason.UNCODED


def test_a_race_is_no_laboratory_result() -> None:
    race = {"coding": [{"system": "urn:oid:2.16.840.1.113883.6.238", "code": "1952-1", "display": "Scammon Bay"}]}
    assert facts(b2m=bundle(observation() | {"code": race})).under_review == {}


@pytest.mark.parametrize("loinc", ["48166-3", "59218-8", "49081-3", "10467-9"])
def test_another_fluid_is_ignored_by_its_code(loinc: str) -> None:
    other = observation(loinc)
    other["code"]["text"] = "Beta-2 microglobulin, pleural fluid"
    assert facts(b2m=bundle(other)).under_review == {}


def test_a_coded_result_beside_the_named_one_is_what_the_card_is_about() -> None:
    found = facts(b2m=bundle(observation(), named("B2M", id="n")))
    assert list(found.under_review) == ["serum"]
    assert [m.item for m in found.missing] == ["b2m-uncoded"]


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ({"status": "entered-in-error"}, Reason.ENTERED_IN_ERROR),
        ({"effectiveDateTime": None}, Reason.NO_DATE),
        ({"effectiveDateTime": "2027-01-01"}, Reason.FUTURE),
    ],
)
def test_a_name_without_a_code_is_judged_like_any_result(parts: dict[str, Any], reason: Reason) -> None:
    found = reviewed(bundle(named("B2M", **parts)))
    assert isinstance(found, MissingData)
    assert found.reason is reason


def test_a_companions_code_with_the_name_of_b2m_is_a_contradiction() -> None:
    wrong = observation("1751-7", quantity("3.1", "g/dL"), id="alb")
    wrong["code"]["text"] = "Beta-2-Microglobulin"
    found = facts(bundle(observation()), myeloma=bundle(wrong))
    assert [(m.item, m.reason) for m in found.missing] == [("albumin", Reason.CODE_CONFLICT)]


# ------------------------------------------------------------------ specimens

SNOMED = "http://snomed.info/sct"


def specimen(code: str, system: str = SNOMED, **parts: Any) -> dict[str, Any]:
    return {"resourceType": "Specimen", "id": "s", "type": {"coding": [{"system": system, "code": code}]}} | parts


URINE, SERUM = "122575003", "119364003"


@pytest.mark.parametrize(
    "reference", ["Specimen/s", "https://ehr.example/fhir/Specimen/s/_history/1", "#s", "urn:uuid:spec"]
)
@pytest.mark.parametrize(("code", "conflicts"), [(URINE, True), (SERUM, False)])
def test_a_specimen_that_contradicts_the_code(reference: str, code: str, *, conflicts: bool) -> None:
    held = specimen(code)
    inside = {"contained": [held]} if reference == "#s" else {}
    result = observation(specimen={"reference": reference}) | inside
    beside = [] if inside else [{"resource": held, "fullUrl": "urn:uuid:spec"}]
    found = reviewed({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": result}, *beside]})
    if conflicts:
        assert isinstance(found, MissingData)
        assert (found.reason, found.printed) == (Reason.SPECIMEN_CONFLICT, URINE)
    else:
        assert isinstance(found, Result)


@pytest.mark.parametrize("word", ["Urine", "urin", "Orina", " URINE "])
def test_a_specimen_in_words_that_contradicts_the_code(word: str) -> None:
    found = reviewed(bundle(observation(specimen={"display": word})))
    assert isinstance(found, MissingData)
    assert found.reason is Reason.SPECIMEN_CONFLICT


@pytest.mark.parametrize("word", ["Serum", "Plasma", "something else", "Blood"])
def test_a_specimen_in_words_that_does_not(word: str) -> None:
    assert isinstance(reviewed(bundle(observation(specimen={"display": word}))), Result)


def test_a_contained_result_refers_to_a_specimen_of_its_report() -> None:
    inner = observation(id="o1", specimen={"reference": "#s"})
    found = reviewed(bundle(report("#o1", contained=[inner, specimen(URINE)])))
    assert isinstance(found, MissingData)
    assert found.reason is Reason.SPECIMEN_CONFLICT


# ------------------------------------------------------------------ time


@pytest.mark.parametrize(
    ("timing", "printed"),
    [
        ({"event": ["2026-03-01"]}, "2026-03-01"),
        ({"event": ["2026-03-02", "2026-03-01"]}, "2026-03-01 to 2026-03-02"),
        ({"repeat": {"boundsPeriod": {"start": "2026-03-01", "end": "2026-03-02"}}}, "2026-03-01 to 2026-03-02"),
    ],
)
def test_a_timing_is_when_it_was_taken(timing: Any, printed: str) -> None:
    found = reviewed(bundle(observation(effectiveDateTime=None, effectiveTiming=timing)))
    assert isinstance(found, Result)
    assert found.when.printed == printed


@pytest.mark.parametrize("timing", [{"event": ["x"]}, {"event": "2026"}, {"event": ["2026-03-01", "x"]}, [], "x", {}])
def test_a_timing_that_cannot_be_read_is_no_date(timing: Any) -> None:
    found = reviewed(bundle(observation(effectiveDateTime=None, effectiveTiming=timing)))
    assert isinstance(found, MissingData)
    assert found.reason is Reason.NO_DATE


# ------------------------------------------------------------------ reference ranges in a text


def range_of(printed: str, value: str = "4.2", **parts: Any) -> Result:
    given = [{"text": printed} | parts]
    found = reviewed(bundle(observation(value=quantity(Decimal(value)), referenceRange=given)))
    assert isinstance(found, Result)
    return found


@pytest.mark.parametrize(
    ("printed", "low", "high"),
    [
        ("0.8 - 2.4 mg/L", "0.8", "2.4"),
        ("0,8 bis 2,4 mg/l", "0.8", "2.4"),
        ("1.21–2.70 mcg/mL", "1.21", "2.70"),
        ("0.08 - 0.24 mg/dL", "0.80", "2.40"),
        ("<= 2.4 mg/L", None, "2.4"),
        ("up to 2.4 mg/L", None, "2.4"),
        ("< 2.4 mg/L", None, "2.4"),
    ],
)
def test_a_range_in_a_plain_text_is_read(printed: str, low: str | None, high: str) -> None:
    found = range_of(printed).reference_range
    assert found
    assert (found.low, found.high) == (low and Decimal(low), Decimal(high))
    assert found.printed == printed


@pytest.mark.parametrize(
    "printed",
    ["0.8 - 2.4", "< 2.4", "see report", "1,000 - 2,000 mg/L", "adults 0.8 - 2.4 mg/L", "0.8 - 2.4 mg/cup", "> 2 mg/L"],
)
def test_any_other_text_is_shown_and_not_used(printed: str) -> None:
    found = range_of(printed).reference_range
    assert found
    assert (found.low, found.high, found.printed) == (None, None, printed)


def test_the_limit_of_an_open_range_lies_outside() -> None:
    for printed, value, exceeded in (
        ("< 2.4 mg/L", "2.4", True),
        ("< 2.4 mg/L", "2.39", False),
        ("<= 2.4 mg/L", "2.4", False),
        ("<= 2.4 mg/L", "2.41", True),
    ):
        found = range_of(printed, value)
        assert found.reference_range
        assert found.reference_range.is_exceeded_by(found.central) is exceeded


def test_an_open_range_and_a_result_below_a_limit() -> None:
    given = [{"text": "< 2.4 mg/L"}]
    found = reviewed(bundle(observation(value=quantity(3, comparator="<"), referenceRange=given)))
    assert isinstance(found, Result)
    assert found.reference_range
    assert found.reference_range.is_exceeded_by(found.central) is None


# ------------------------------------------------------------------ drugs, procedures, coded results


def test_drugs_procedures_and_coded_results_are_read() -> None:
    order = {
        "resourceType": "MedicationRequest",
        "id": "m",
        "status": "active",
        "intent": "order",
        "subject": {"reference": "Patient/p"},
        "medicationReference": {"reference": "Medication/bor"},
        "authoredOn": "2026-02-20",
    }
    bortezomib = {"coding": [{"system": "http://www.whocc.no/atc", "code": "L01XG01"}]}
    dialysis = {
        "resourceType": "Procedure",
        "id": "d",
        "status": "completed",
        "subject": {"reference": "Patient/p"},
        "code": {"coding": [{"system": SNOMED, "code": "302497006"}]},
        "performedDateTime": "2026-03-01",
    }
    present = {"coding": [{"system": LOINC, "code": "LA9633-4"}]}
    fish = [observation("81746-0", id=f"f{n}", valueQuantity=None, valueCodeableConcept=present) for n in range(10)]
    unread = observation("72726-3", id="t", valueQuantity=None, status="cancelled", valueCodeableConcept=present)
    found = facts(
        bundle(observation()),
        medications=bundle(order, {"resourceType": "Medication", "id": "bor", "code": bortezomib}, order | {"id": "x"}),
        procedures=bundle(dialysis),
        other=bundle(*fish, unread),
    )
    assert {m.key for m in found.medications} == {"bortezomib"}
    assert [p.key for p in found.procedures] == ["haemodialysis"]
    assert {(c.item, c.presence) for c in found.coded} == {("del-17p", "present")}
    assert [(m.item, m.reason) for m in found.missing] == [("t-4-14", Reason.STATUS)]
    assert sorted(found.fates.values()) == ["not-chosen"] * 2 + ["read"] * 9 + ["status"]


def test_a_list_of_drugs_that_was_not_given_is_unknown() -> None:
    assert "medications" in facts(bundle(observation()), medications="absent").unknown
    assert "medications" not in facts(bundle(observation())).unknown


def test_a_sites_own_code_for_what_has_no_loinc_code() -> None:
    codes = LocalCodes({("urn:lab", "IGHV"): "ighv-unmutated"})
    present = {"coding": [{"system": LOINC, "code": "LA9633-4"}]}
    result = local("IGHV", valueCodeableConcept=present) | {"valueQuantity": None, "id": "i"}
    request = HookRequest.model_validate(call(bundle(observation()), other=bundle(result)))
    found = read(gather(request, max_entries=100, codes=codes), as_of=AS_OF)
    assert [(c.item, c.presence) for c in found.coded] == [("ighv-unmutated", "present")]


def test_a_range_without_an_upper_limit_is_never_exceeded() -> None:
    found = reviewed(bundle(observation(referenceRange=[{"low": quantity(Decimal("0.8"))}])))
    assert isinstance(found, Result)
    assert found.reference_range
    assert found.reference_range.is_exceeded_by(found.central) is None


def test_who_measured_it_and_how_is_kept() -> None:
    laboratory = {"performer": [{"reference": "Organization/lab"}, {"display": "x"}]}
    for parts, expected in (
        (laboratory | {"method": {"text": "nephelometry"}}, ("Organization/lab", "nephelometry")),
        ({"performer": [{"identifier": {"value": "42"}}], "device": {"display": "BN II"}}, ("42", "BN II")),
        ({"performer": [{"display": "Lab"}], "method": {"coding": [{"system": "s", "code": "c"}]}}, ("Lab", "s|c")),
        ({"performer": "x", "method": 7, "device": []}, ("", "")),
    ):
        found = reviewed(bundle(observation(**parts)))
        assert isinstance(found, Result)
        assert (found.laboratory, found.method) == expected


def test_searches_for_lists_alone_are_not_joined() -> None:
    asked = {key: search for key, search in searches().items() if key in ("conditions", "kidney")}
    assert [keys for keys, _ in joined(asked)] == [("kidney",), ("conditions",)]


# ------------------------------------------------------------------ versions of what has parts


def stamped(day: int, resource: dict[str, Any]) -> dict[str, Any]:
    return resource | {"meta": {"lastUpdated": f"2026-03-{day:02}T08:00:00Z"}}


WITH_B2M = stamped(1, panel(component=[component("1751-7", quantity(40, "g/L")), component("1952-1", quantity("9.9"))]))


@pytest.mark.parametrize(
    "newer",
    [
        panel(status="entered-in-error"),
        panel(status="corrected", component=[component("1751-7", quantity(40, "g/L"))]),
    ],
)
def test_a_component_of_an_older_version_is_not_brought_back(newer: dict[str, Any]) -> None:
    found = chart(bundle(WITH_B2M), b2m=bundle(stamped(2, newer)))
    assert not found.has_b2m
    assert [reason for _, reason in found.discarded].count("older-version") == 3
    assert facts(b2m=bundle(WITH_B2M, stamped(2, newer))).under_review == {}


def test_what_an_older_version_of_a_report_contained_is_not_brought_back() -> None:
    held = report("#o1", contained=[observation(id="o1", value=quantity("9.9"))])
    corrected = stamped(2, report("#o1", contained=[observation(id="o1", value=quantity("4.1"))]))
    withdrawn = stamped(2, report(status="entered-in-error"))
    assert value_of(reviewed(bundle(stamped(1, held)), b2m=bundle(corrected))) == Decimal("4.1")
    assert facts(b2m=bundle(stamped(1, held), withdrawn)).under_review == {}


@pytest.mark.parametrize(
    ("status", "reason"), [("entered-in-error", Reason.ENTERED_IN_ERROR), ("cancelled", Reason.STATUS)]
)
def test_what_a_report_contains_stands_no_better_than_it(status: str, reason: Reason) -> None:
    found = reviewed(bundle(report("#o1", status=status, contained=[observation(id="o1")])))
    assert isinstance(found, MissingData)
    assert found.reason is reason


def test_what_a_preliminary_report_contains_is_provisional() -> None:
    found = reviewed(bundle(report("#o1", status="preliminary", contained=[observation(id="o1")])))
    assert isinstance(found, Result)
    assert found.provisional


def test_a_contained_result_has_the_specimen_of_its_report() -> None:
    held = report("#o1", contained=[observation(id="o1")], specimen=[{"display": "Urine"}])
    found = reviewed(bundle(held))
    assert isinstance(found, MissingData)
    assert found.reason is Reason.SPECIMEN_CONFLICT


# ------------------------------------------------------------------ bundles that say less than they seem


@pytest.mark.parametrize("said", [{"total": 3}, {"link": [{"relation": "next", "url": "x"}]}])
def test_a_bundle_without_entries_that_says_there_are_some_is_incomplete(said: dict[str, Any]) -> None:
    empty = {"resourceType": "Bundle", "type": "searchset"} | said
    assert "kidney" in facts(bundle(observation()), kidney=empty).unknown


@pytest.mark.parametrize(("severity", "known"), [("warning", True), ("information", True), ("error", False)])
def test_a_remark_on_a_search_that_found_nothing(severity: str, *, known: bool) -> None:
    outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": severity, "code": "processing"}]}
    answer = bundle(outcome, total=0)
    assert ("kidney" not in facts(bundle(observation()), kidney=answer).unknown) is known


def test_bundles_in_bundles_are_opened_to_a_depth() -> None:
    deep: Any = bundle(observation("2160-0", quantity(1, "mg/dL"), id="cr"))
    for depth in range(12):
        found = facts(bundle(observation()), kidney=deep)
        assert any(r.analyte == "creatinine" for r in found.results) is (depth <= 5)
        assert ("kidney" in found.unknown) is (depth > 5)
        deep = bundle(deep)


# ------------------------------------------------------------------ whose server, whose unit, which specimen


@pytest.mark.parametrize(
    ("reference", "own"),
    [
        ("Patient/p", True),
        ("https://ehr.example/fhir/Patient/p", True),
        ("https://EHR.example/fhir/Patient/p/_history/2", True),
        ("https://gateway.example/fhir/Patient/p", True),
        ("https://other.example/fhir/Patient/p", False),
        ("Patient/q", False),
    ],
)
def test_a_patient_of_the_same_id_on_another_server_is_another(reference: str, *, own: bool) -> None:
    held = {"resourceType": "Bundle", "type": "collection", "entry": [
        {"fullUrl": "https://gateway.example/fhir/Patient/p", "resource": {"resourceType": "Patient", "id": "p"}},
        {"resource": observation(subject={"reference": reference})},
    ]}  # fmt: skip
    request = HookRequest.model_validate(call(held, b2m=bundle()) | {"fhirServer": "https://ehr.example/fhir/"})
    try:
        found = gather(request, max_entries=100)
    except DataUnavailable:
        assert not own
    else:
        assert found.has_b2m is own


@pytest.mark.parametrize("name", ["Beta-2-Microglobulin, Urine", "Beta-2-Mikroglobulin (Urin)", "B2M orina"])
def test_a_name_that_says_another_specimen_contradicts_the_code(name: str) -> None:
    wrong = observation()
    wrong["code"]["text"] = name
    found = reviewed(bundle(wrong))
    assert isinstance(found, MissingData)
    assert (found.reason, found.printed[:3]) == (Reason.SPECIMEN_CONFLICT, "4.2") or found.printed == name


@pytest.mark.parametrize("name", ["Beta-2-Microglobulin in Serum or Plasma", "B2M (serum; urine see below)", "B2M"])
def test_a_name_that_says_the_specimen_too_does_not(name: str) -> None:
    right = observation()
    right["code"]["text"] = name
    assert isinstance(reviewed(bundle(right)), Result)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"valueQuantity": quantity(system="urn:foo", code="mg/dL")}, Reason.UNIT_CONFLICT),
        ({"valueQuantity": {"value": 4, "unit": "mg/L", "system": "urn:foo", "code": "77"}}, None),
        ({"valueQuantity": {"value": 4, "system": "urn:foo", "code": "mg/L"}}, Reason.UNKNOWN_UNIT),
    ],
)
def test_a_unit_of_a_foreign_system(value: dict[str, Any], reason: Reason | None) -> None:
    found = reviewed(bundle(observation(**value)))
    assert (found.reason if isinstance(found, MissingData) else None) is reason


def test_a_ratio_whose_parts_name_two_units() -> None:
    parts = {"numerator": {"value": 300, "unit": "ug", "code": "mg"}, "denominator": {"value": 1, "unit": "g"}}
    found = reviewed(bundle(observation("13485-8", valueQuantity=None, valueRatio=parts)))
    assert isinstance(found, MissingData)
    assert found.reason is Reason.UNIT_CONFLICT


def test_a_date_that_cannot_be_read_is_not_replaced_by_that_of_the_report() -> None:
    found = reviewed(bundle(observation(effectiveDateTime="02.03.2019", issued="2026-03-02T08:00:00Z")))
    assert isinstance(found, MissingData)
    assert found.reason is Reason.NO_DATE


@pytest.mark.parametrize(
    ("kind", "high", "printed"),
    [
        ({"system": "urn:lab", "code": "N"}, None, True),
        ({"system": "http://terminology.hl7.org/CodeSystem/referencerange-meaning", "code": "normal"}, "2.2", True),
        (
            {"system": "http://terminology.hl7.org/CodeSystem/referencerange-meaning", "code": "therapeutic"},
            None,
            False,
        ),
    ],
)
def test_what_kind_of_range_it_is(kind: dict[str, str], high: str | None, *, printed: bool) -> None:
    given = [{"high": quantity(Decimal("2.2")), "type": {"coding": [kind]}}]
    found = reviewed(bundle(observation(referenceRange=given)))
    assert isinstance(found, Result)
    assert bool(found.reference_range) is printed
    assert (found.reference_range.high if found.reference_range else None) == (high and Decimal(high))


def test_the_heading_of_a_panel_is_no_result() -> None:
    heading = {name: value for name, value in named("Myeloma panel: B2M, albumin").items() if name != "valueQuantity"}
    member = {"hasMember": [{"reference": "Observation/b2m"}]}
    assert facts(b2m=bundle(heading | member | {"id": "h"}, observation())).missing == ()


def test_the_codes_of_a_site_are_encoded_in_its_templates() -> None:
    codes = LocalCodes({("urn:lab", "B2M+S&_id=1"): "1952-1"})
    assert searches(codes)["b2m"].template().count("&") == 3
    assert "urn:lab|B2M%2BS%26_id%3D1" in searches(codes)["b2m"].template()


def test_too_many_codes_of_a_site_stop_the_service() -> None:
    with pytest.raises(ConfigurationError, match="prefetch template 'b2m' has"):
        searches(LocalCodes({("urn:a-rather-long-system-name", f"code-{n}"): "1952-1" for n in range(60)}))
