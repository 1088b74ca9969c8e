"""FHIR dates: no more precise than printed, no zone invented."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from cds_service.facts import Moment
from cds_service.fhir.dates import is_over, observed_at, onset_of, read_moment, read_period

AS_OF = datetime(2026, 3, 3, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("printed", "first", "last", "zoned"),
    [
        ("2026", (2026, 1, 1), (2026, 12, 31), False),
        ("2026-02", (2026, 2, 1), (2026, 2, 28), False),
        ("2024-02", (2024, 2, 1), (2024, 2, 29), False),
        ("2026-03-02", (2026, 3, 2), (2026, 3, 2), False),
        ("2026-03-02T08:10:00Z", (2026, 3, 2), (2026, 3, 2), True),
        ("2026-03-02T23:30:00.123+14:00", (2026, 3, 2), (2026, 3, 2), True),
        ("2026-03-02T08:10+01:00", (2026, 3, 2), (2026, 3, 2), True),
        ("2026-03-02T08:10:00", (2026, 3, 2), (2026, 3, 2), False),
        ("2026-03-02 08:10", (2026, 3, 2), (2026, 3, 2), False),
        ("2026-03-02T23:59:60Z", (2026, 3, 2), (2026, 3, 2), False),
        ("2026-03-02T25:00:00Z", (2026, 3, 2), (2026, 3, 2), False),
        ("2026-03-02T08:10:00+99:99", (2026, 3, 2), (2026, 3, 2), False),
    ],
)
def test_read_moment(printed: str, first: tuple[int, int, int], last: tuple[int, int, int], zoned: bool) -> None:
    moment = read_moment(printed)
    assert moment is not None
    assert (moment.first, moment.last) == (date(*first), date(*last))
    assert (moment.instant is not None) is zoned
    assert moment.printed == printed


NO_DATES = [
    "today",
    "2026-13",
    "2026-02-30",
    "0001-01-01",
    "9999-12-31",
    "20260302",
    "2026-03-02<b>",
    "2026-03-02Tnoon",
    "2026T08:10Z",
    "٢٠٢٦-٠٣-٠٢",
]


@pytest.mark.parametrize("printed", ["", *NO_DATES])
def test_what_is_no_date(printed: str) -> None:
    assert read_moment(printed) is None


@pytest.mark.parametrize(
    ("period", "first", "last"),
    [
        ({"start": "2026-03-01", "end": "2026-03-02"}, date(2026, 3, 1), date(2026, 3, 2)),
        ({"start": "2026-03-02", "end": "2026-03-02"}, date(2026, 3, 2), date(2026, 3, 2)),
        ({"start": "2026-03-02"}, date(2026, 3, 2), date(2026, 3, 2)),
        ({"end": "2026-03-02"}, date(2026, 3, 2), date(2026, 3, 2)),
    ],
)
def test_read_period(period: Any, first: date, last: date) -> None:
    moment = read_period(period)
    assert moment is not None
    assert (moment.first, moment.last) == (first, last)


def test_a_period_of_nothing_is_none() -> None:
    assert read_period({}) is None
    assert read_period("2026") is None


def test_when_a_sample_was_taken_in_the_order_of_the_elements() -> None:
    whole = {
        "effectiveDateTime": "2026-01-01",
        "effectivePeriod": {"start": "2026-01-02"},
        "effectiveInstant": "2026-01-03T00:00:00Z",
        "effectiveTiming": {"event": ["2026-01-04"]},
        "issued": "2026-01-05T00:00:00Z",
    }
    seen = []
    for name in list(whole):
        moment = observed_at(whole)
        assert moment
        seen.append((moment.first.day, moment.issued))
        del whole[name]
    assert seen == [(1, False), (2, False), (3, False), (4, False), (5, True)]
    assert observed_at(whole) is None
    assert observed_at({"effectiveTiming": {"event": [None]}}) is None


def test_onset() -> None:
    assert onset_of({"onsetDateTime": "2026-01"}) == read_moment("2026-01")
    assert onset_of({"onsetPeriod": {"start": "2026-01"}}) == read_moment("2026-01")
    assert onset_of({"onsetString": "long ago"}) is None


@pytest.mark.parametrize(
    ("condition", "over"),
    [
        ({}, False),
        ({"abatementBoolean": False}, False),
        ({"abatementBoolean": True}, True),
        ({"abatementDateTime": "2020"}, True),
        ({"abatementString": "last year"}, True),
        ({"abatementDateTime": None}, False),
        ({"abatementDateTime": ""}, False),
        ({"abatementDateTime": "2030-01-01"}, False),
    ],
)
def test_is_over(condition: Any, over: bool) -> None:
    assert is_over(condition, AS_OF) is over


def moment(printed: str) -> Moment:
    found = read_moment(printed)
    assert found
    return found


@pytest.mark.parametrize(
    ("first", "second", "days"),
    [
        ("2026-03-02T08:10:00Z", "2026-03-02T20:00:00Z", 0),
        ("2026-03-02T23:00:00Z", "2026-03-03T01:00:00Z", 1),
        ("2026-03-02", "2026-03-16", 14),
        ("2026-03-16", "2026-03-02", 14),
        ("2026-03", "2026-03-02", 29),
        ("2026-03-02T00:30:00+01:00", "2026-03-01T23:30:00Z", 0),
    ],
)
def test_days_between(first: str, second: str, days: int) -> None:
    assert moment(first).days_until(moment(second)) == days


@pytest.mark.parametrize(
    ("printed", "days"),
    [
        ("2026-03-03T00:10:00Z", 0),
        ("2026-03-02T19:00:00-05:00", 0),
        ("2026-03-02T23:00:00Z", 1),
        ("2026-03-02", 1),
        ("2026-03-04", 0),
        ("2026-01", 31),
    ],
)
def test_age_in_the_results_own_offset(printed: str, days: int) -> None:
    assert moment(printed).days_old(AS_OF) == days


@pytest.mark.parametrize(
    ("printed", "after"),
    [
        ("2026-03-03T00:35:00Z", False),
        ("2026-03-03T00:45:00Z", True),
        ("2026-03-03", False),
        ("2026-03-04", True),
        ("2026-04", True),
        ("2026", False),
    ],
)
def test_the_future_allows_for_clocks_and_zones(printed: str, after: bool) -> None:
    assert moment(printed).is_after(AS_OF, timedelta(minutes=10)) is after


def test_precision() -> None:
    assert moment("2026-03-02").is_precise
    assert not moment("2026-03").is_precise
    collection = read_period({"start": "2026-03-01", "end": "2026-03-02"})
    assert collection is not None
    assert collection.is_precise


def test_order_is_in_time_and_not_by_local_day() -> None:
    later, earlier = moment("2026-03-20T23:59:00Z"), moment("2026-03-21T00:30:00+01:00")
    assert later.sort_key() > earlier.sort_key()
    assert moment("2026-03-21").sort_key() > later.sort_key()
