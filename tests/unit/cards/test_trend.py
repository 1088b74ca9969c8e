"""Serial results in the card: a table of their own, what is compared in it, and what is not."""

from dataclasses import replace
from typing import Any

import pytest

from cds_service.cards.compose import EXTENSION, compose
from cds_service.cards.trend import only_in_table, results_in_table, serial_results, trend_table
from cds_service.decide import evaluate
from cds_service.facts import Facts
from cds_service.fhir.dates import read_moment
from cds_service.knowledge.model import load
from cds_service.models import Card
from cds_service.review.chart import facts_of

RULES = load()
HERE = {"laboratory": "Hospital A", "method": "Nephelometry"}


def series(*values: str, **extra: Any) -> Facts:
    """B2M results of one laboratory and method, the newest first, 30 days apart."""
    given: dict[str, Any] = {"b2m": {"is": values[0], **HERE}}
    given |= {f"b2m@{n}": {"is": value, "days": -30 * n, **HERE} for n, value in enumerate(values) if n}
    return facts_of(given | extra)


def rows(facts: Facts) -> list[list[str]]:
    """The cells of the table's rows, without its header."""
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in trend_table(facts)[2:]]


def column(facts: Facts, place: int) -> list[str]:
    return [row[place].strip() for row in rows(facts)]


def card_of(facts: Facts) -> Card:
    (found,) = compose(facts, evaluate(facts, RULES)[0], RULES).cards
    return found


def test_a_series_is_a_table_newest_first() -> None:
    facts = series("4.0 mg/L", "3.0 mg/L", "3.0 mg/L")
    assert trend_table(facts)[0].startswith("| Serum B2M, taken | As printed |")
    assert column(facts, 0) == ["2026-03-02", "2026-01-31", "2026-01-01"]
    assert column(facts, 3) == ["up 33 %", "unchanged", "–"]


@pytest.mark.parametrize("values", [("4.0 mg/L",), ("4.0 mg/L", "3.0 mg/L")])
def test_one_earlier_result_is_no_series(values: tuple[str, ...]) -> None:
    facts = series(*values)
    assert trend_table(facts) == []
    assert serial_results(facts) == results_in_table(facts) == ()
    assert only_in_table(facts, facts.results) == frozenset()


def test_without_a_readable_result_there_is_no_table() -> None:
    facts = facts_of({"missing": [{"item": "b2m", "reason": "no-unit"}], "b2m@1": {"is": "3 mg/L", "days": -3}})
    assert trend_table(facts) == []


def test_at_most_six_rows_and_the_last_is_still_compared_with_the_one_before() -> None:
    facts = series("4.0 mg/L", "3.5 mg/L", "3.0 mg/L", "2.5 mg/L", "2.0 mg/L", "3.0 mg/L", "4.0 mg/L")
    assert len(rows(facts)) == 6
    assert column(facts, 3)[-1] == "down 25 %"


def test_a_later_result_is_not_in_the_table() -> None:
    facts = series("4.0 mg/L", "3.0 mg/L", "3.0 mg/L", **{"b2m@later": {"is": "9 mg/L", "days": 0.5}})
    assert column(facts, 1) == ["4.0 mg/L", "3.0 mg/L", "3.0 mg/L"]


def test_a_result_of_the_same_day_without_a_time_is_marked_and_compared_with_nothing_of_that_day() -> None:
    same_day = {"b2m@day": {"is": "9 mg/L", "dated": "2026-03-02", **HERE}}
    facts = series("4.0 mg/L", "3.0 mg/L", **same_day)
    assert column(facts, 0) == ["2026-03-02 (order not known)", "2026-03-02 (order not known)", "2026-01-31"]
    assert column(facts, 3) == ["up 33 %, from 2026-01-31", "up 200 %", "–"]


def test_a_result_without_a_time_stands_in_the_table_once() -> None:
    facts = series("4.0 mg/L", "3.0 mg/L", "2.0 mg/L", b2m={"is": "4.0 mg/L", "dated": "2026-03-02", **HERE})
    assert column(facts, 0) == ["2026-03-02", "2026-01-31", "2026-01-01"]


def test_table_and_verdict_compare_with_the_same_result() -> None:
    same_day = {"b2m@day": {"is": "9 mg/L", "dated": "2026-03-02", **HERE}}
    found = card_of(series("4.0 mg/L", "3.0 mg/L", **same_day))
    assert "rose by 33 %: 3.0 mg/L on 2026-01-31" in found.detail
    assert "| up 33 %, from 2026-01-31 |" in found.detail
    assert "which of the two was taken first is not known" in found.detail


def test_a_month_that_may_lie_after_the_result_is_marked() -> None:
    facts = series("4.0 mg/L", "3.0 mg/L", **{"b2m@month": {"is": "2 mg/L", "dated": "2026-03", **HERE}})
    assert column(facts, 0)[1] == "2026-03 (order not known)"


def test_a_result_of_the_very_same_time_did_not_come_before() -> None:
    facts = series("4.0 mg/L", "3.0 mg/L", "3.0 mg/L", **{"b2m@same": {"is": "4.1 mg/L", "provisional": True}})
    assert column(facts, 1) == ["4.0 mg/L", "3.0 mg/L", "3.0 mg/L"]


def test_a_result_of_the_day_before_in_a_later_time_zone_keeps_its_place() -> None:
    """Its day is known to have ended where the other began, though not by the clock of Greenwich."""
    given = {"b2m@day": {"is": "2 mg/L", "dated": "2026-03-01", **HERE}}
    facts = series(
        "4.0 mg/L", "3.0 mg/L", b2m={"is": "4.0 mg/L", "dated": "2026-03-02T00:30:00+14:00", **HERE}, **given
    )
    assert column(facts, 3)[0] == "up 100 %"


def test_what_was_printed_in_another_unit_is_converted() -> None:
    facts = series("4.0 mg/L", "300 ug/dL", "3.0 mg/L")
    assert column(facts, 2) == ["–", "3.00 mg/L", "–"]


@pytest.mark.parametrize(
    ("changed", "shown"),
    [
        ({"laboratory": "Hospital B"}, "other laboratory: not compared"),
        ({"method": "Turbidimetry"}, "other method: not compared"),
        ({"laboratory": "Hospital B", "method": "Turbidimetry"}, "other laboratory and method: not compared"),
        ({"laboratory": ""}, "up 33 % (laboratory or method not stated)"),
        ({"method": ""}, "up 33 % (laboratory or method not stated)"),
        ({"provisional": True}, "not compared"),
        ({"is": "0.30 mg/L"}, "not compared"),
        ({"is": "<3.5 mg/L"}, "up ≥ 14 %"),
        ({"is": "<4.5 mg/L"}, "not certain"),
    ],
)
def test_what_may_not_be_compared_is_said(changed: dict[str, Any], shown: str) -> None:
    facts = series("4.0 mg/L", "3.0 mg/L", **{"b2m@1": {"is": "3.0 mg/L", "days": -30, **HERE} | changed})
    older = series("4.0 mg/L", "3.0 mg/L", "3.0 mg/L")
    facts = replace(facts, results=(*facts.results, older.results[-1]))
    assert column(facts, 3)[0] == shown


def test_a_provisional_result_is_marked() -> None:
    facts = series(
        "4.0 mg/L", "3.0 mg/L", "3.0 mg/L", **{"b2m@2": {"is": "3.0 mg/L", "days": -60, "provisional": True}}
    )
    assert column(facts, 0)[2] == "2026-01-01 (provisional)"


def test_urine_is_shown_as_a_fold_and_csf_without_a_change() -> None:
    urine = series("0.9 mg/L", "0.2 mg/L", "0.4 mg/L", specimen="urine")
    assert column(urine, 3) == ["up 4.5-fold", "down 2.0-fold", "–"]
    csf = series("4.0 mg/L", "2.0 mg/L", "1.0 mg/L", specimen="CSF")
    assert column(csf, 3) == ["–", "–", "–"]


def test_the_kidney_beside_each_result() -> None:
    facts = series(
        "4.0 mg/L", "3.0 mg/L", "3.0 mg/L", "3.0 mg/L",
        **{
            "creatinine": "96 umol/L",
            "creatinine@1": {"is": "1.0 mg/dL", "days": -31},
            "creatinine@further": {"is": "2.0 mg/dL", "days": -36},
            "egfr-2021": {"is": "60 mL/min/1.73 m2", "days": -57},
            "creatinine@3": {"is": "90 umol/L", "days": -98},
        },
    )  # fmt: skip
    assert column(facts, 4) == [
        "creatinine 96 umol/L",
        "creatinine 88.4 umol/L, 1 day off",
        "eGFR (CKD-EPI 2021) 60 mL/min/1.73 m2, 3 days off",
        "none read",
    ]


def test_a_date_that_is_a_month_stays_one() -> None:
    facts = series("4.0 mg/L", "3.0 mg/L", "3.0 mg/L")
    month = read_moment("2025-11")
    assert month
    older = replace(facts.results[2], when=month)
    assert column(replace(facts, results=(*facts.results[:2], older)), 0)[2] == "2025-11"


def test_text_from_the_chart_is_escaped() -> None:
    facts = series("4.0 mg/L", "3.0 mg/L", "3.0 mg/L")
    nasty = replace(facts.results[1], printed="3 <b>mg</b> | [x](http://example.org)")
    text = "\n".join(trend_table(replace(facts, results=(facts.results[0], nasty, facts.results[2]))))
    assert "<b>" not in text
    assert "http://" not in text
    assert len(rows(replace(facts, results=(facts.results[0], nasty, facts.results[2])))) == 3


# ------------------------------------------------------------------ in the card


def test_the_series_leaves_the_table_of_inputs() -> None:
    found = card_of(series("4.0 mg/L", "3.0 mg/L", "3.0 mg/L"))
    lines = found.detail.split("\n")
    assert [line for line in lines if line.startswith("| serum B2M")] != []
    assert len([line for line in lines if line.startswith("| serum B2M")]) == 1
    assert len([line for line in lines if line.startswith("| 20")]) == 3


def test_the_kidney_of_earlier_results_is_not_shown_twice() -> None:
    earlier = {
        "creatinine": {"is": "96 umol/L", "upper_limit": "84"},
        "creatinine@1": {"is": "60 umol/L", "days": -30},
    }
    found = card_of(series("4.0 mg/L", "3.0 mg/L", "3.0 mg/L", **earlier))
    lines = found.detail.split("\n")
    assert [line for line in lines if line.startswith("| creatinine | 60 umol/L")] == []
    assert len([line for line in lines if line.startswith("| creatinine | 96 umol/L")]) == 1


def test_the_kidney_beside_the_result_is_left_to_the_series_where_no_rule_used_it() -> None:
    facts = series("4.0 mg/L", "3.0 mg/L", "3.0 mg/L", creatinine={"is": "96 umol/L", "upper_limit": "84"})
    b2m, *_, creatinine = facts.results
    assert creatinine in only_in_table(facts, [])
    assert creatinine not in only_in_table(facts, [creatinine])
    assert b2m not in only_in_table(facts, [])


@pytest.mark.parametrize(
    ("creatinine", "left"),
    [
        ({"is": "96 umol/L"}, True),
        ({"is": "96 umol/L", "upper_limit": "84"}, False),
        ({"is": "1.1 mg/dL"}, False),
        ({"is": "96 umol/L", "days": -0.1}, False),
    ],
)
def test_the_kidney_beside_the_result_is_left_to_its_row_only_where_that_tells_all(
    creatinine: dict[str, Any], left: bool
) -> None:
    facts = series("4.0 mg/L", "3.0 mg/L", "3.0 mg/L", creatinine=creatinine)
    beside = facts.results[-1]
    assert (beside in only_in_table(facts, [beside])) is left


def test_the_whole_series_is_among_the_observations_of_the_card() -> None:
    found = card_of(series("4.0 mg/L", "3.0 mg/L", "3.0 mg/L", **{"creatinine@1": {"is": "60 umol/L", "days": -30}}))
    read = found.extension[EXTENSION]["observations"]
    assert {"Observation/b2m", "Observation/b2m@1", "Observation/b2m@2", "Observation/creatinine@1"} <= set(read)


def test_a_long_series_adds_no_more_than_its_table() -> None:
    values = tuple(f"{4 - n / 10} mg/L" for n in range(12))
    assert len(trend_table(series(*values))) == 8
