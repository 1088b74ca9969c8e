"""Axes and labels of a chart: ticks that a reader can use, and texts that stay apart."""

from datetime import date
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.cards.chart_scale import Box, Room, along, cut, place, spread, time_scale, value_scale, width_of
from cds_service.facts import Moment
from cds_service.fhir.dates import read_moment


def moment(printed: str) -> Moment:
    found = read_moment(printed)
    assert found is not None
    return found


def ticks(*printed: str) -> list[str]:
    return [words for _, words in time_scale([moment(p) for p in printed], 0, 400).ticks()]


@pytest.mark.parametrize(
    ("values", "written"),
    [
        (["4.1", "2.34"], ["0", "2", "4", "6"]),
        (["0.3"], ["0.0", "0.1", "0.2", "0.3", "0.4"]),
        (["760"], ["0", "500", "1000"]),
        ([], ["0.0", "0.5", "1.0"]),
        (["0"], ["0.0", "0.5", "1.0"]),
        (["3000000"], ["0", "1.0e+6", "2.0e+6", "3.0e+6", "4.0e+6"]),
    ],
)
def test_values_start_at_zero_in_round_steps(values: list[str], written: list[str]) -> None:
    assert [words for _, words in value_scale(map(Decimal, values), 0, 100).ticks()] == written


def test_a_value_outside_the_scale_lies_on_its_edge() -> None:
    scale = value_scale([Decimal(4)], 10, 110)
    assert (scale.y(Decimal(-1)), scale.y(Decimal(0)), scale.y(Decimal(99))) == (110, 110, 10)


@pytest.mark.parametrize(
    ("printed", "written"),
    [
        (("2026-03-02T08:00:00Z", "2026-03-02T20:00:00Z"), ["2026-03-02", "06:00", "12:00", "18:00", "2026-03-03"]),
        (
            ("2026-03-02T23:00:00Z", "2026-03-03T01:00:00Z"),
            ["2026-03-02", "12:00", "2026-03-03", "12:00", "2026-03-04"],
        ),
        (("2026-03-02", "2026-03-07"), [f"2026-03-0{day}" for day in range(3, 8)]),
        (("2026-03-02", "2026-04-01"), ["2026-03-05", "2026-03-12", "2026-03-19", "2026-03-26", "2026-04-02"]),
        (("2025-11-20", "2026-03-02"), ["2025-12", "2026-01", "2026-02", "2026-03"]),
        (("2024-11-20", "2026-03-02"), ["2025-01", "2025-04", "2025-07", "2025-10", "2026-01"]),
        (("2016-11-20", "2026-03-02"), ["2018", "2020", "2022", "2024", "2026"]),
        (("1850", "2200"), ["1900", "2000", "2100", "2200"]),
        (("2026-03-02",), ["2026-02-19", "2026-02-26", "2026-03-05", "2026-03-12"]),
    ],
)
def test_ticks_are_hours_days_months_or_years(printed: tuple[str, ...], written: list[str]) -> None:
    assert ticks(*printed) == written


MOMENTS = st.builds(
    "{}T{:%H:%M:%S}Z".format, st.dates(min_value=date(1850, 1, 1), max_value=date(2200, 12, 31)), st.times()
).map(moment)


@given(st.lists(MOMENTS, min_size=1, max_size=4))
def test_there_is_always_a_readable_axis(times: list[Moment]) -> None:
    scale = time_scale(times, 0, 400)
    found = scale.ticks()
    assert 2 <= len(found) <= 6
    assert all(0 <= x <= 400 for x, _ in found)
    assert [x for x, _ in found] == sorted({x for x, _ in found})


def test_instants_of_several_offsets_keep_their_order() -> None:
    times = [moment("2026-03-02T09:00:00+10:00"), moment("2026-03-02T08:00:00Z")]
    scale = time_scale(times, 0, 400)
    assert scale.at(times[0]) < scale.at(times[1])


def test_a_month_lies_over_its_days_and_a_day_at_noon() -> None:
    offset = time_scale([moment("2026-03")], 0, 1).offset
    month, day = place(moment("2026-03"), offset), place(moment("2026-03-02"), offset)
    assert (month.last - month.first, month.middle) == (31, (month.first + month.last) / 2)
    assert day.first == day.middle == day.last == month.first + 1.5


def test_text_is_cut_to_the_room_it_has() -> None:
    assert cut("short", 10, 100) == "short"
    assert cut("a long word", 10, 40).endswith("…")
    assert width_of(cut("検査室" * 20, 10, 100), 10) <= 100
    assert cut("x", 10, 0) == "…"


def test_labels_go_where_nothing_else_is_or_nowhere() -> None:
    room = Room(Box(0, 0, 10, 10), [Box(0, 0, 4, 4)])
    taken, free, outside = Box(3, 3, 5, 5), Box(5, 5, 7, 7), Box(8, 8, 12, 9)
    assert room.claim([outside, taken, free]) == free
    assert room.claim([outside, taken, free]) is None


def test_a_line_is_covered_so_that_labels_keep_off_it() -> None:
    boxes = along(0, 0, 100, 50)
    assert any(Box(46, 18, 60, 32).meets(box) for box in boxes)
    assert not any(Box(46, 0, 60, 14).meets(box) for box in boxes)
    assert along(1, 1, 1, 1) == [Box(0, 0, 2, 2)] * 2


@given(st.lists(st.floats(0, 100), max_size=30).map(sorted))
def test_labels_of_lines_are_spread_within_the_panel(heights: list[float]) -> None:
    moved = spread(heights, 13, 0, 100)
    gap = min(13, 100 / max(len(heights), 1))
    assert all(-0.001 <= y <= 100 for y in moved)
    assert all(b - a >= gap - 0.001 for a, b in pairwise(moved))
