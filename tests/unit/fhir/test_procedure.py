"""Procedures of STU3, R4 and R5 to Procedures that took place."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.facts import MissingData, Procedure, Reason
from cds_service.fhir.procedure import read_procedures
from cds_service.knowledge.terms import SNOMED

AS_OF = datetime(2026, 3, 3, 9, 0, tzinfo=UTC)
HAEMODIALYSIS, APPENDECTOMY = (SNOMED, "302497006"), (SNOMED, "80146002")


def procedure(*codings: tuple[str, str], **parts: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "resourceType": "Procedure",
        "id": "x",
        "status": "completed",
        "code": {"coding": [{"system": system, "code": code} for system, code in codings or [HAEMODIALYSIS]]},
        "subject": {"reference": "Patient/p"},
        "performedDateTime": "2026-02-01",
    }
    return {name: value for name, value in (made | parts).items() if value is not None}


def read(*resources: Any) -> tuple[tuple[Procedure, ...], tuple[MissingData, ...]]:
    return read_procedures(resources, AS_OF)


def only(**parts: Any) -> Procedure:
    (found,), missing = read(procedure(**parts))
    assert missing == ()
    return found


def days(found: Procedure) -> tuple[date, date] | None:
    return (found.when.first, found.when.last) if found.when else None


def test_a_procedure() -> None:
    found = only()
    assert (found.key, found.label, found.code) == ("haemodialysis", "haemodialysis", "302497006")
    assert (found.ongoing, found.reference) == (False, "Procedure/x")
    assert days(found) == (date(2026, 2, 1), date(2026, 2, 1))


def test_a_flag_that_denies_nothing() -> None:
    assert only(notDone=False).key == "haemodialysis"


def test_a_series_goes_on_while_it_is_in_progress() -> None:
    assert only(status="in-progress", performedDateTime=None, performedPeriod={"start": "2024-05"}).ongoing
    ended = {"start": "2024-05", "end": "2026-01"}
    assert not only(status="in-progress", performedDateTime=None, performedPeriod=ended).ongoing
    planned = {"start": "2024-05", "end": "2026-12"}
    assert only(status="in-progress", performedDateTime=None, performedPeriod=planned).ongoing


@pytest.mark.parametrize(
    "parts", [{"status": "not-done"}, {"status": "entered-in-error"}, {"status": "preparation"}, {"notDone": True}]
)
def test_what_did_not_take_place(parts: dict[str, Any]) -> None:
    assert read(procedure(**parts)) == ((), ())


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ({"status": "on-hold"}, Reason.STATUS),
        ({"status": "stopped"}, Reason.STATUS),
        ({"status": "unknown"}, Reason.STATUS),
        ({"status": "suspended"}, Reason.STATUS),
        ({"status": "aborted"}, Reason.STATUS),
        ({"status": None}, Reason.INVALID),
        ({"status": "bogus"}, Reason.INVALID),
        ({"status": ["completed"]}, Reason.INVALID),
        ({"notDone": "yes"}, Reason.INVALID),
        ({"subject": {"reference": 7}}, Reason.INVALID),
        ({"modifierExtension": [{"url": "x"}]}, Reason.MODIFIER),
        ({"performedDateTime": "2026-04-01"}, Reason.FUTURE),
        ({"performedDateTime": "2026-03-03T09:30:00Z"}, Reason.FUTURE),
        ({"performedDateTime": None, "performedPeriod": {"start": "2026-04"}}, Reason.FUTURE),
    ],
)
def test_why_a_procedure_is_not_read(parts: dict[str, Any], why: Reason) -> None:
    found, (missing,) = read(procedure(**parts))
    assert (found, missing.item, missing.reason, missing.reference) == ((), "procedures", why, "Procedure/x")
    assert read(procedure(APPENDECTOMY, **parts)) == ((), ())


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"performedDateTime": "2026-03-03T09:05:00Z"}, (date(2026, 3, 3), date(2026, 3, 3))),
        ({"performedPeriod": {"start": "2025-01", "end": "2025-03"}}, (date(2025, 1, 1), date(2025, 3, 31))),
        ({"performedPeriod": {"end": "2025-03-04"}}, (date(2025, 3, 4), date(2025, 3, 4))),
        ({"occurrenceDateTime": "2025"}, (date(2025, 1, 1), date(2025, 12, 31))),
        ({"occurrencePeriod": {"start": "2025-01-09"}}, (date(2025, 1, 9), date(2025, 1, 9))),
        ({"performedString": "last summer"}, None),
        ({"performedDateTime": "2026-02-30"}, None),
        ({}, None),
    ],
)
def test_when_it_took_place(parts: dict[str, Any], expected: tuple[date, date] | None) -> None:
    assert days(only(**{"performedDateTime": None} | parts)) == expected


def test_codes_of_one_procedure_and_of_two() -> None:
    (found,), _ = read(procedure(HAEMODIALYSIS, (SNOMED, "233575001"), APPENDECTOMY))
    assert found.code == "302497006 233575001"
    both, _ = read(procedure(HAEMODIALYSIS, (SNOMED, "70536003")))
    assert {one.key for one in both} == {"haemodialysis", "kidney-transplantation"}


def test_other_resources_and_bad_ones_lose_no_other() -> None:
    found, missing = read(
        procedure(status="bogus"), procedure(), {"resourceType": "Condition"} | procedure()["code"], {}
    )
    assert (len(found), [one.reason for one in missing]) == (1, [Reason.INVALID])
    assert read(procedure(resourceType="ServiceRequest")) == ((), ())


ELEMENTS = ("resourceType", "id", "status", "notDone", "code", "subject", "performedDateTime", "performedPeriod",
            "performedString", "occurrenceDateTime", "occurrencePeriod", "modifierExtension")  # fmt: skip
NAMES = st.sampled_from(["coding", "code", "system", "reference", "start", "end"])
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["completed", "2026-01-01"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(ELEMENTS), JUNK, max_size=4))
def test_whatever_a_chart_holds_is_read_or_missing_or_no_such_procedure(parts: dict[str, Any]) -> None:
    found, missing = read(procedure() | parts, procedure())
    assert len(found) + len(missing) in (1, 2)
    assert found[-1].key == "haemodialysis"


@pytest.mark.parametrize("name", ELEMENTS)
@pytest.mark.parametrize(
    "junk", [None, "", 0, 1.5, True, [], {}, [None], [[]], {"coding": 7}, {"coding": [7, None]}, "\ud800"]
)
def test_junk_in_any_element(name: str, junk: Any) -> None:
    read(procedure() | {name: junk}, procedure() | {name: [junk, {name: junk}]})
