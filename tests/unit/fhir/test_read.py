"""Observations, Conditions and the Patient to facts, and which result is under review."""

from decimal import Decimal
from typing import Any

import pytest

from cds_service.errors import DataUnavailable, MalformedCall
from cds_service.facts import Facts, MissingData, Reason, Result
from cds_service.fhir.gather import prefetch_templates
from cds_service.knowledge import terms
from cds_service.knowledge.terms.coded import coded_terms, codes_of
from tests.unit.fhir.make import bundle, call, chart, condition, facts, observation, patient, quantity

SERUM_CODES = [c.code for c in terms.analytes()["b2m-serum"].loinc]


def only(found: Facts) -> Result | MissingData:
    (reviewed,) = found.under_review.values()
    return reviewed


def reason_of(**parts: Any) -> Reason:
    reviewed = only(facts(bundle(observation(**parts))))
    assert isinstance(reviewed, MissingData)
    return reviewed.reason


def test_a_sound_result() -> None:
    ranged = observation(referenceRange=[{"low": quantity(Decimal("0.8")), "high": quantity(Decimal("2.34"))}])
    reviewed = only(facts(bundle(ranged)))
    assert isinstance(reviewed, Result)
    assert (reviewed.value, reviewed.unit, reviewed.printed) == (Decimal("4.2"), "mg/L", "4.2 mg/L")
    assert reviewed.reference == "Observation/b2m"
    assert reviewed.reference_range is not None
    assert reviewed.reference_range.high == Decimal("2.34")
    assert reviewed.reference_range.printed == "0.8 mg/L to 2.34 mg/L"


@pytest.mark.parametrize("code", [c.code for c in terms.analytes()["b2m-serum"].loinc if c.property == "MCnc"])
def test_every_mass_code_of_serum(code: str) -> None:
    assert isinstance(only(facts(bundle(observation(code)))), Result)


@pytest.mark.parametrize("code", [c.code for c in terms.analytes()["b2m-serum"].loinc if c.property == "SCnc"])
def test_every_molar_code_of_serum(code: str) -> None:
    reviewed = only(facts(bundle(observation(code, quantity(Decimal(350), "nmol/L")))))
    assert isinstance(reviewed, Result)
    assert reviewed.printed_unit.molar


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ({"status": "registered"}, Reason.STATUS),
        ({"status": "cancelled"}, Reason.STATUS),
        ({"status": "unknown"}, Reason.STATUS),
        ({"status": "bogus"}, Reason.STATUS),
        ({"status": None}, Reason.STATUS),
        ({"status": "entered-in-error"}, Reason.ENTERED_IN_ERROR),
        ({"modifierExtension": [{"url": "x", "valueBoolean": True}]}, Reason.MODIFIER),
        ({"loinc": "83076-0"}, Reason.NOT_CONVERTIBLE),
        ({"loinc": "43818-4"}, Reason.NOT_CONVERTIBLE),
        ({"effectiveDateTime": None}, Reason.NO_DATE),
        ({"effectiveDateTime": "2026-03"}, Reason.NO_DATE),
        ({"effectiveDateTime": "2026-03-05T00:00:00Z"}, Reason.FUTURE),
        ({"valueQuantity": None}, Reason.NO_VALUE),
        ({"valueQuantity": None, "dataAbsentReason": {"text": "clotted"}}, Reason.NO_VALUE),
        ({"valueQuantity": None, "dataAbsentReason": {"coding": [{"code": "error"}]}}, Reason.NO_VALUE),
        ({"valueQuantity": None, "valueString": "<0.2"}, Reason.NO_UNIT),
        ({"valueQuantity": None, "valueString": "see comment"}, Reason.UNREADABLE_VALUE),
        ({"valueQuantity": None, "valueInteger": 4}, Reason.NO_UNIT),
        ({"value": quantity("four")}, Reason.UNREADABLE_VALUE),
        ({"value": quantity() | {"unit": ["mg/L"]}}, Reason.INVALID),
        ({"value": quantity("3,500")}, Reason.UNREADABLE_VALUE),
        ({"value": quantity(Decimal("1E+30"))}, Reason.UNREADABLE_VALUE),
        ({"value": quantity(comparator="~")}, Reason.UNREADABLE_VALUE),
        ({"value": quantity(unit=None)}, Reason.NO_UNIT),
        ({"value": quantity(unit="drops")}, Reason.UNKNOWN_UNIT),
        ({"value": quantity() | {"unit": "mg/dL"}}, Reason.UNIT_CONFLICT),
        ({"value": quantity(unit="nmol/L")}, Reason.WRONG_DIMENSION),
        ({"loinc": "76484-5"}, Reason.WRONG_DIMENSION),
        ({"value": quantity(Decimal(3500))}, Reason.IMPLAUSIBLE),
        ({"value": quantity(Decimal(-4))}, Reason.IMPLAUSIBLE),
        ({"status": ["final"]}, Reason.STATUS),
        ({"dataAbsentReason": {"text": "haemolysed"}}, Reason.NO_VALUE),
        ({"value": quantity(Decimal(-5), comparator="<")}, Reason.IMPLAUSIBLE),
        ({"value": quantity(0, comparator="<")}, Reason.IMPLAUSIBLE),
        ({"value": quantity(Decimal(-5), comparator=">")}, Reason.IMPLAUSIBLE),
        ({"code": {"coding": [{"system": terms.LOINC, "code": "2160-0"}, {"system": terms.LOINC, "code": "1952-1"}]}},
         Reason.CODE_CONFLICT),
    ],
)  # fmt: skip
def test_why_a_result_is_not_read(parts: dict[str, Any], reason: Reason) -> None:
    parts = dict(parts)
    loinc, value = parts.pop("loinc", "1952-1"), parts.pop("value", None)
    reviewed = only(facts(bundle(observation(loinc, value, **parts))))
    assert isinstance(reviewed, MissingData)
    assert reviewed.reason is reason
    assert reviewed.specimen == "serum"


def test_what_the_laboratory_said_of_a_missing_value_is_kept() -> None:
    absent = observation(valueQuantity=None, dataAbsentReason={"text": "clotted"})
    assert [m.printed for m in facts(bundle(absent)).missing] == ["clotted"]
    assert [m.printed for m in facts(bundle(observation(valueQuantity=None))).missing] == ["no reason given"]


@pytest.mark.parametrize("value", [4, "4.2", Decimal("4.20")])
def test_a_number_may_be_an_integer_or_a_string(value: Any) -> None:
    assert isinstance(only(facts(bundle(observation(value=quantity(value))))), Result)


@pytest.mark.parametrize("status", ["final", "amended", "corrected", "appended", "preliminary"])
def test_statuses_that_count(status: str) -> None:
    reviewed = only(facts(bundle(observation(status=status))))
    assert isinstance(reviewed, Result)
    assert reviewed.provisional is (status == "preliminary")


def test_elements_of_other_fhir_versions_do_no_harm() -> None:
    odd = observation(
        context={"reference": "Encounter/1"},
        interpretation={"coding": [{"code": "H"}]},
        text={"status": "generated"},
        category=[None],
        unheardOf={"deep": [1]},
        referenceRange=[{"normalValue": {"text": "x"}, "high": quantity(Decimal(2))}],
    )
    reviewed = only(facts(bundle(odd)))
    assert isinstance(reviewed, Result)
    assert reviewed.reference_range is not None


@pytest.mark.parametrize(
    ("ranges", "high", "printed"),
    [
        ([{"high": quantity(Decimal("2.34"))}], Decimal("2.34"), "up to 2.34 mg/L"),
        ([{"low": quantity(Decimal("0.8"))}], None, "from 0.8 mg/L"),
        ([{"high": quantity(Decimal(234), "ug/dL")}], Decimal("2.34"), "up to 234 ug/dL"),
        ([{"high": {"value": Decimal("2.34")}}], None, "up to 2.34"),
        ([{"high": quantity(Decimal(200), "nmol/L")}], None, "up to 200 nmol/L"),
        ([{"text": "0.8-2.34"}], None, "0.8-2.34"),
        ([{"high": quantity(Decimal(2))}, {"high": quantity(Decimal(3))}], None, "up to 2 mg/L; up to 3 mg/L"),
        ([{"high": quantity(Decimal(2))}, {"type": {"coding": [{"code": "therapeutic"}]}, "high": quantity()}],
         Decimal(2), "up to 2 mg/L"),
        ([{"high": quantity(0)}], None, "up to 0 mg/L"),
        ([{"low": quantity(3), "high": quantity(2)}], None, "3 mg/L to 2 mg/L"),
        ([{"high": quantity(2), "age": {"high": {"value": 1}}}], None, "up to 2 mg/L"),
        ([{"high": quantity(2), "age": {"low": {"value": 18, "unit": "years"}}}], Decimal(2), "up to 2 mg/L"),
        ([{"high": quantity(2), "age": {"high": {"value": 17, "code": "a"}}}], None, "up to 2 mg/L"),
        (
            [
                {"high": quantity(2), "age": {"high": {"value": 59, "code": "a"}}},
                {"high": quantity(3), "age": {"low": {"value": 60, "code": "a"}}},
            ],
            Decimal(3),
            "up to 3 mg/L",
        ),
        ([{"high": quantity(2), "appliesTo": [{"text": "children"}]}], None, "up to 2 mg/L"),
        ([{"low": {"value": "much"}}], None, "from much"),
        ([{}], None, None),
        ([], None, None),
    ],
)  # fmt: skip
def test_reference_range(ranges: Any, high: Decimal | None, printed: str | None) -> None:
    reviewed = only(facts(bundle(observation(referenceRange=ranges))))
    assert isinstance(reviewed, Result)
    found = reviewed.reference_range
    assert (found.high if found else None) == high
    assert (found.printed if found else None) == printed


def test_albumin_in_moles_is_not_converted() -> None:
    moles = observation("54347-0", quantity(Decimal(526), "umol/L"), id="alb")
    assert [m.reason for m in facts(bundle(observation()), myeloma=bundle(moles)).missing] == [Reason.NOT_CONVERTIBLE]


def test_a_range_for_an_age_needs_an_age() -> None:
    given = [{"high": quantity(2), "age": {"low": {"value": 18, "code": "a"}}}]
    reviewed = only(facts(bundle(observation(referenceRange=given)), patient=None))
    assert isinstance(reviewed, Result)
    assert reviewed.reference_range is not None
    assert reviewed.reference_range.high is None


def test_a_range_in_moles_holds_for_a_result_in_moles() -> None:
    given = [{"high": quantity(Decimal(200), "nmol/L")}]
    reviewed = only(facts(bundle(observation("76484-5", quantity(Decimal(201), "nmol/L"), referenceRange=given))))
    assert isinstance(reviewed, Result)
    assert reviewed.reference_range is not None
    assert reviewed.reference_range.high is not None
    assert reviewed.central.is_above(reviewed.reference_range.high) is True
    assert reviewed.interval.is_above(reviewed.reference_range.high) is None


def test_a_code_counts_only_with_its_system() -> None:
    race = observation(code={"coding": [{"system": "urn:oid:2.16.840.1.113883.6.238", "code": "1952-1"}]})
    assert facts(bundle(observation()), b2m=bundle(race | {"id": "x"})).results[0].loinc == "1952-1"
    assert not chart(b2m=bundle(race)).has_b2m


def test_loinc_may_stand_anywhere_in_the_codings() -> None:
    local = {"system": "urn:local", "code": "B2M"}
    both = observation(code={"coding": [local, {"system": terms.LOINC, "code": "1952-1"}]})
    assert isinstance(only(facts(bundle(both))), Result)


# ------------------------------------------------------------------ under review


def older(value: str = "3.1", **parts: Any) -> dict[str, Any]:
    return observation(
        value=quantity(Decimal(value)), id="older", effectiveDateTime="2026-01-02T08:00:00+01:00", **parts
    )


def test_results_are_read_first() -> None:
    found = facts(bundle(older()), b2m=bundle(observation(), older()))
    reviewed = only(found)
    assert isinstance(reviewed, Result)
    assert reviewed.reference == "Observation/older"
    assert len(found.results) == 2


def test_without_results_the_newest_counts() -> None:
    reviewed = only(facts(b2m=bundle(older(), observation())))
    assert isinstance(reviewed, Result)
    assert reviewed.reference == "Observation/b2m"


def test_specimens_of_one_day_are_reviewed_together_and_older_ones_are_not() -> None:
    urine = observation("1953-9", quantity(Decimal(100), "ug/L"), id="u")
    csf = observation("1951-3", id="c", effectiveDateTime="2025-01-01")
    found = facts(b2m=bundle(observation(), urine, csf))
    assert set(found.under_review) == {"serum", "urine"}


def test_an_old_result_is_not_reviewed_when_a_chart_is_opened() -> None:
    assert facts(b2m=bundle(older()), newest_within_days=30).under_review == {}
    assert facts(b2m=bundle(older()), newest_within_days=60).under_review != {}
    undated = observation(effectiveDateTime=None)
    assert facts(b2m=bundle(undated), newest_within_days=60).under_review == {}
    assert facts(b2m=bundle(undated)).under_review != {}


def test_an_entered_in_error_result_is_said_only_where_it_is_under_review() -> None:
    wrong = observation(status="entered-in-error")
    found = facts(b2m=bundle(wrong, older()))
    reviewed = only(found)
    assert isinstance(reviewed, Result)
    assert reviewed.reference == "Observation/older"
    assert [m.reason for m in found.missing] == [Reason.ENTERED_IN_ERROR]
    assert facts(b2m=bundle(wrong)).under_review == {}
    assert isinstance(only(facts(bundle(wrong), b2m=bundle(wrong, older()))), MissingData)


def test_of_the_results_under_review_a_readable_one_is_interpreted() -> None:
    later = observation(id="later", effectiveDateTime="2026-03-02T20:00:00Z")
    for unread in ({"status": "registered"}, {"status": "entered-in-error"}, {"valueQuantity": quantity(unit=None)}):
        assert isinstance(only(facts(bundle(observation(), later | unread))), Result)


def test_of_one_time_a_final_result_goes_before_a_provisional_one() -> None:
    provisional = observation(id="x", status="preliminary", value=quantity(Decimal("4.21")))
    for results in (bundle(observation(), provisional), bundle(provisional, observation())):
        reviewed = only(facts(results))
        assert isinstance(reviewed, Result)
        assert not reviewed.provisional


@pytest.mark.parametrize("when", ["2062-01-01", "2026", None])
def test_a_result_without_a_usable_date_does_not_hide_another(when: str | None) -> None:
    odd = observation(id="odd", effectiveDateTime=when)
    reviewed = only(facts(b2m=bundle(odd, observation()), newest_within_days=30))
    assert isinstance(reviewed, Result)


def test_cancelled_results_do_not_hide_valid_ones() -> None:
    when = "2026-03-02T09:00:00Z"
    cancelled = [observation(id=f"x{n}", status="cancelled", effectiveDateTime=when) for n in range(20)]
    assert isinstance(only(facts(b2m=bundle(*cancelled, observation()))), Result)
    creatinine = observation("2160-0", quantity(1, "mg/dL"), id="cr")
    void = [r | {"code": creatinine["code"]} for r in cancelled]
    assert facts(bundle(observation()), kidney=bundle(*void, creatinine)).series("creatinine")


def test_the_order_is_in_time_and_not_by_local_day() -> None:
    later = observation(id="later", effectiveDateTime="2026-03-01T23:59:00Z")
    earlier = observation(id="earlier", value=quantity(2), effectiveDateTime="2026-03-02T00:30:00+01:00")
    reviewed = only(facts(b2m=bundle(earlier, later)))
    assert isinstance(reviewed, Result)
    assert reviewed.reference == "Observation/later"


def test_results_that_are_not_all_there_do_not_mean_none() -> None:
    paged = bundle(observation("2160-0", id="cr"), link=[{"relation": "next", "url": "x"}])
    reviewed = only(facts(paged, b2m=bundle(observation())))
    assert isinstance(reviewed, Result)
    with pytest.raises(DataUnavailable):
        chart(paged, b2m="absent")


def test_an_unreadable_newest_result_is_not_passed_over_for_an_older_one() -> None:
    reviewed = only(facts(b2m=bundle(observation(value=quantity(unit=None)), older())))
    assert isinstance(reviewed, MissingData)


def test_a_report_refers_to_the_results_under_review() -> None:
    report = {
        "resourceType": "DiagnosticReport",
        "id": "r",
        "subject": {"reference": "Patient/p"},
        "result": [{"reference": "https://ehr.example/fhir/Observation/older/_history/2"}],
    }
    reviewed = only(facts(bundle(report), b2m=bundle(observation(), older())))
    assert isinstance(reviewed, Result)
    assert reviewed.reference == "Observation/older"


def test_a_report_may_refer_by_url_and_stand_alone() -> None:
    report = {"resourceType": "DiagnosticReport", "result": [{"reference": "urn:uuid:7"}]}
    given = {"resourceType": "Bundle", "entry": [{"fullUrl": "urn:uuid:7", "resource": older()}]}
    reviewed = only(facts(report, b2m=given))
    assert isinstance(reviewed, Result)
    assert reviewed.reference == "Observation/older"


def test_a_report_entered_in_error_is_not_followed() -> None:
    result = [{"reference": "Observation/b2m"}]
    report = {"resourceType": "DiagnosticReport", "status": "entered-in-error", "result": result}
    assert not chart(bundle(report), b2m=bundle(observation())).has_b2m


def test_contained_results_without_ids_do_not_collide() -> None:
    serum, urine = observation(value=quantity(2), id=None), observation("1953-9", quantity(9), id=None)
    report = {"resourceType": "DiagnosticReport", "subject": {"reference": "Patient/p"}, "contained": [serum, urine]}
    assert set(facts(bundle(report)).under_review) == {"serum", "urine"}
    assert set(facts(report).under_review) == {"serum", "urine"}


def test_a_report_about_something_else_is_no_b2m() -> None:
    report = {"resourceType": "DiagnosticReport", "result": [{"reference": "Observation/cr"}]}
    assert not chart(bundle(report), b2m=bundle()).has_b2m
    with pytest.raises(DataUnavailable):
        chart(bundle(report), b2m="absent")


# ------------------------------------------------------------------ duplicates and versions


def test_one_result_in_two_units_is_one() -> None:
    molar = observation("76484-5", quantity(Decimal(356), "nmol/L"), id="m")
    found = facts(bundle(molar, observation()))
    assert [r.reference for r in found.results] == ["Observation/b2m"]
    assert isinstance(only(found), Result)


def test_conflicting_duplicates_are_said_and_not_chosen() -> None:
    found = facts(bundle(observation(), observation(value=quantity(Decimal(5)), id="x")))
    reviewed = only(found)
    assert isinstance(reviewed, MissingData)
    assert reviewed.reason is Reason.CONFLICT
    assert reviewed.printed == "4.2 mg/L and 5 mg/L"
    assert found.results == ()


def test_a_value_and_a_comparator_of_one_time_conflict() -> None:
    found = facts(bundle(observation(), observation(value=quantity(comparator=">"), id="x")))
    assert isinstance(only(found), MissingData)


def test_methods_of_albumin_may_differ() -> None:
    green = observation("61151-7", quantity(Decimal(36), "g/L"), id="g")
    purple = observation("61152-5", quantity(Decimal(30), "g/L"), id="p")
    assert len(facts(bundle(observation()), myeloma=bundle(green, purple)).series("albumin")) == 2


@pytest.mark.parametrize(
    ("in_results", "in_prefetch", "value"),
    [
        ({}, {}, "4.2"),
        ({"meta": {"versionId": "1"}}, {"meta": {"versionId": "2"}}, "5.0"),
        ({"meta": {"versionId": "2"}}, {"meta": {"versionId": "1"}}, "4.2"),
    ],
)
def test_two_versions_of_one_observation(in_results: Any, in_prefetch: Any, value: str) -> None:
    other = observation(value=quantity(Decimal("5.0")), **in_prefetch)
    reviewed = only(facts(bundle(observation(**in_results)), b2m=bundle(other)))
    assert isinstance(reviewed, Result)
    assert reviewed.value == Decimal(value)


@pytest.mark.parametrize("order", [1, -1])
def test_two_versions_in_the_prefetch_that_cannot_be_told_apart_conflict(order: int) -> None:
    versions = [observation(value=quantity(2)), observation(value=quantity(6))][::order]
    found = facts(b2m=bundle(versions[0]), kidney=bundle(versions[1]))
    assert isinstance(only(found), MissingData)
    assert isinstance(only(facts(bundle(*versions))), MissingData)


def test_companions_are_chosen_near_the_result_under_review() -> None:
    daily = [
        observation("2160-0", quantity(Decimal(1), "mg/dL"), id=f"cr-{day}", effectiveDateTime=f"2026-02-{day:02}")
        for day in range(1, 29)
    ]
    found = facts(bundle(older()), kidney=bundle(*daily))
    assert found.series("creatinine")[-1].reference == "Observation/cr-1"
    assert len(found.series("creatinine")) == 8


def test_companions_without_a_date_are_missing_data() -> None:
    undated = observation("2160-0", quantity(Decimal(1), "mg/dL"), id="cr", effectiveDateTime=None)
    assert [m.reason for m in facts(bundle(observation()), kidney=bundle(undated)).missing] == [Reason.NO_DATE]


# ------------------------------------------------------------------ whose data


@pytest.mark.parametrize(
    "reference",
    ["Patient/p", "https://ehr.example/fhir/Patient/p", "Patient/p/_history/2", "urn:uuid:0c7"],
)
def test_every_form_of_reference_to_the_patient(reference: str) -> None:
    own = observation(subject={"reference": reference})
    given = {"resourceType": "Bundle", "entry": [{"fullUrl": "urn:uuid:0c7", "resource": patient()}]}
    assert isinstance(only(facts(bundle(own), patient=given)), Result)


@pytest.mark.parametrize("subject", [{"reference": "Patient/q"}, {"reference": "urn:uuid:9"}, None, "Patient/p", {}])
def test_what_is_not_the_patients_is_all_there_is(subject: Any) -> None:
    with pytest.raises(DataUnavailable) as refusal:
        chart(bundle(observation(subject=subject)))
    assert refusal.value.keys == ("b2m",)


def test_another_patients_data_is_ignored_and_counted() -> None:
    foreign = observation("2160-0", quantity(Decimal(9), "mg/dL"), id="cr", subject={"reference": "Patient/q"})
    found = facts(bundle(observation()), kidney=bundle(foreign), conditions=bundle(condition(subject=None)))
    assert found.series("creatinine") == ()
    assert found.ignored == {"another-patient": 1, "no-subject": 1}


def test_another_patient_in_the_prefetch_is_refused() -> None:
    with pytest.raises(MalformedCall):
        chart(bundle(observation()), patient=patient(id="q"))


# ------------------------------------------------------------------ what was given


def test_no_b2m_is_nothing_to_say() -> None:
    assert not chart(b2m=None).has_b2m
    assert not chart(b2m=bundle()).has_b2m
    assert not chart(bundle(observation("2160-0"))).has_b2m


@pytest.mark.parametrize(
    ("prefetch", "keys"),
    [
        ({"b2m": "absent"}, ("b2m",)),
        ({"b2m": {"resourceType": "OperationOutcome"}}, ("b2m",)),
        ({"b2m": bundle(link=[{"relation": "next", "url": "x"}])}, ("b2m",)),
        ({"patient": "absent", "b2m": bundle(observation())}, ("patient",)),
        ({"patient": observation(), "b2m": bundle(observation())}, ("patient",)),
        ({"b2m": bundle(condition())}, ("b2m",)),
        ({"b2m": {"resourceType": "Bundle", "entry": {"resource": observation()}}}, ("b2m",)),
        ({"b2m": bundle(None)}, ("b2m",)),
        ({"patient": "absent", "b2m": "absent"}, ("patient", "b2m")),
    ],
)
def test_what_every_answer_needs(prefetch: Any, keys: tuple[str, ...]) -> None:
    with pytest.raises(DataUnavailable) as refusal:
        chart(**prefetch)
    assert refusal.value.keys == keys


def test_a_patient_known_to_be_nothing_is_an_unknown_person() -> None:
    found = facts(bundle(observation()), patient=None)
    assert (found.patient.sex, found.patient.birth) == (None, None)


def test_companions_that_were_not_given_are_unknown_and_not_none() -> None:
    found = facts(bundle(observation()), kidney="absent", conditions=bundle(observation(id="x")))
    assert found.unknown == {"kidney", "conditions"}
    assert {(m.item, m.reason) for m in found.missing} == {
        ("kidney", Reason.NOT_GIVEN),
        ("conditions", Reason.UNAVAILABLE),
    }


def test_observations_may_stand_under_any_key() -> None:
    creatinine = observation("2160-0", quantity(Decimal(1), "mg/dL"), id="cr")
    assert facts(bundle(observation()), mine=bundle(creatinine)).series("creatinine")


def test_results_have_to_be_fhir() -> None:
    with pytest.raises(MalformedCall):
        chart({"resourceType": "OperationOutcome"})


def test_too_many_entries_are_refused() -> None:
    with pytest.raises(MalformedCall, match="10001 Bundle entries"):
        chart(b2m=bundle(*[observation()] * 10001))


# ------------------------------------------------------------------ patient and problems


@pytest.mark.parametrize(
    ("parts", "sex", "born"),
    [
        ({}, "female", True),
        ({"gender": "M"}, None, True),
        ({"gender": "other"}, None, True),
        ({"gender": ["female"]}, None, True),
        ({"birthDate": "1958-06-14T00:00:00"}, "female", True),
        ({"birthDate": "1958"}, "female", True),
        ({"birthDate": "long ago"}, "female", False),
        ({"birthDate": 1958}, "female", False),
        ({"modifierExtension": [{"url": "x"}]}, None, False),
    ],
)
def test_patient(parts: Any, sex: str | None, born: bool) -> None:
    found = facts(bundle(observation()), patient=patient(**parts)).patient
    assert (found.sex, found.birth is not None) == (sex, born)


def test_problems_with_their_statuses() -> None:
    given = condition(
        (terms.SNOMED, "109989006"),
        (terms.ICD10CM, "C90.00"),
        clinicalStatus={"coding": [{"code": "active"}]},
        verificationStatus={"coding": [{"code": "confirmed"}]},
        onsetDateTime="2026-02",
    )
    (problem,) = facts(bundle(observation()), conditions=bundle(given)).problems
    assert (problem.key, problem.code) == ("myeloma", "109989006 C90.00")
    assert (problem.clinical_status, problem.verification_status) == ("active", "confirmed")
    assert problem.onset is not None
    assert problem.onset.printed == "2026-02"
    assert not problem.abated


def test_a_condition_of_two_meanings_is_two_problems() -> None:
    given = condition((terms.SNOMED, "413587002"), (terms.ICD10CM, "C90.00"))
    found = facts(bundle(observation()), conditions=bundle(given))
    assert {p.key for p in found.problems} == {"smouldering-myeloma", "myeloma"}


def test_stu3_statuses_are_plain_codes() -> None:
    given = condition((terms.ICD10CM, "C90.00"), clinicalStatus="active", verificationStatus="provisional")
    (problem,) = facts(bundle(observation()), conditions=bundle(given)).problems
    assert (problem.clinical_status, problem.verification_status) == ("active", "provisional")


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ({"modifierExtension": [{}]}, Reason.MODIFIER),
        ({"clinicalStatus": {"coding": [{"code": 7}]}}, Reason.INVALID),
        ({"clinicalStatus": "bogus"}, Reason.INVALID),
        ({"clinicalStatus": 5}, Reason.INVALID),
        ({"verificationStatus": {"text": "Refuted"}}, Reason.INVALID),
        ({"verificationStatus": {"coding": [{"code": "confirmed"}, {"code": "refuted"}]}}, Reason.INVALID),
        ({"verificationStatus": {"coding": [{"system": "urn:local", "code": "R"}]}}, Reason.INVALID),
        (
            {"code": {"coding": [{"system": terms.ICD10CM, "code": "C90.00"}, {"system": 7, "code": "x"}]}},
            Reason.INVALID,
        ),
    ],
)
def test_a_condition_that_cannot_be_read_is_missing_data(parts: Any, reason: Reason) -> None:
    found = facts(bundle(observation()), conditions=bundle(condition((terms.ICD10CM, "C90.00"), **parts)))
    assert found.problems == ()
    assert [m.reason for m in found.missing] == [reason]
    assert found.unknown == {"conditions"}


def test_the_status_of_hl7s_own_system_counts() -> None:
    local = {"system": "urn:local", "code": "R"}
    own = {"system": "http://terminology.hl7.org/CodeSystem/condition-ver-status", "code": "Refuted"}
    given = condition((terms.ICD10CM, "C90.00"), verificationStatus={"coding": [local, own]})
    (problem,) = facts(bundle(observation()), conditions=bundle(given)).problems
    assert problem.verification_status == "refuted"


def test_a_diagnosis_without_a_subject_makes_the_list_unknown() -> None:
    given = condition((terms.ICD10CM, "C90.00"), subject=None)
    found = facts(bundle(observation()), conditions=bundle(given, condition(("urn:x", "y"))))
    assert found.unknown == {"conditions"}
    assert [m.reason for m in found.missing] == [Reason.NO_SUBJECT]


def test_conditions_without_a_meaning_for_us_are_no_problems_and_are_named() -> None:
    found = facts(bundle(observation()), conditions=bundle(condition(("urn:local", "x"))))
    assert found.problems == ()
    assert found.missing == ()
    assert found.unrecognised_problems == ("",)


@pytest.mark.parametrize(
    ("parts", "called"),
    [
        ({"code": {"text": "Gout", "coding": [{"display": "Other gout"}]}}, ("Gout",)),
        ({"code": {"coding": [{"code": "x"}, {"display": "Other gout"}]}}, ("Other gout",)),
        ({"code": None}, ("",)),
        ({"clinicalStatus": "bogus"}, ("",)),
        ({"clinicalStatus": "recurrence"}, ("",)),
        ({"clinicalStatus": "resolved"}, ()),
        ({"clinicalStatus": "inactive"}, ()),
        ({"clinicalStatus": "remission"}, ()),
        ({"verificationStatus": "provisional"}, ("",)),
        ({"verificationStatus": "refuted"}, ()),
        ({"verificationStatus": "entered-in-error"}, ()),
        ({"abatementDateTime": "2020-01-01"}, ()),
        ({"code": {"coding": [{"system": terms.ICD10CM, "code": "C90.00"}], "text": "MM"}}, ()),
    ],
)
def test_active_conditions_without_a_meaning_for_us_are_named(parts: Any, called: tuple[str, ...]) -> None:
    found = facts(bundle(observation()), conditions=bundle(condition(("urn:local", "x"), **parts)))
    assert found.unrecognised_problems == called


# ------------------------------------------------------------------ templates


def test_templates_ask_for_every_code_once_and_stay_short() -> None:
    templates = prefetch_templates()
    assert {"patient", "conditions"} | {analyte.group for analyte in terms.analytes().values()} <= set(templates)
    asked = [part for t in templates.values() if "code=" in t for part in t.split("code=")[1].split("&")[0].split(",")]
    coded = {f"{system}|{code}" for term in coded_terms() for system, code in codes_of(term)}
    assert sorted(asked) == sorted({f"{terms.LOINC}|{code}" for code in terms.analyte_of_loinc()} | coded)
    assert all(len(template) < 2000 for template in templates.values())


def test_call_is_a_valid_request() -> None:
    assert call()["prefetch"]["patient"]["id"] == "p"
