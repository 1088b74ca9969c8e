"""What the rules on urine share: one urine, its pH, ratios of intervals; and that their limits are the same in each."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from cds_service.facts import Facts, Interval
from cds_service.knowledge import levels, urine
from cds_service.knowledge.model import Rule, load
from cds_service.knowledge.terms import limit
from cds_service.review.chart import facts_of

RULES = {rule.id: rule for rule in load()}
URINE = (
    "urine-level", "serum-urine-pattern", "albumin-b2m-ratio", "tubulotoxic-drugs", "cadmium-exposure",
    "tubulointerstitial-uveitis",
)  # fmt: skip
SHARED = {
    "default_spot_above", "default_24h_above", "acid_below", "same_urine_hours_to", "high_load_above",
    "default_to_49_years_above", "default_from_50_years_above", "older_band_from",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(SHARED))
def test_a_limit_of_several_rules_is_the_same_in_each(name: str) -> None:
    having = [RULES[rule] for rule in (*URINE, "serum-level") if name in RULES[rule].thresholds]
    assert len(having) > 1
    assert len({(rule.value(name), rule.thresholds[name].unit, rule.thresholds[name].basis) for rule in having}) == 1


def test_creatinine_is_unsteady_by_one_limit_beside_serum_and_urine() -> None:
    assert limit("unsteady_fold_from") == RULES["kidney-context"].value("unsteady_fold_from")


@pytest.mark.parametrize("name", ["unexpected_egfr_below", "unexpected_b2m_to"])
def test_a_serum_not_expected_at_its_egfr_is_the_same_beside_urine(name: str) -> None:
    assert RULES["serum-urine-pattern"].value(name) == RULES["kidney-context"].value(name)


@pytest.mark.parametrize(
    ("specimen", "printed", "shown"),
    [
        ("24 h urine", "0.9 mg/24h", "0.9 mg/24h"),
        ("urine ratio", "920 ug/g creat", "920 ug/g creat"),
        ("urine ratio", "0.03 mg/mmol", "0.03 mg/mmol (265 ug/g creatinine)"),
        ("CSF/serum ratio", "1.4 {ratio}", "1.4"),
    ],
)
def test_a_result_is_not_shown_twice(specimen: str, printed: str, shown: str) -> None:
    b2m = facts_of({"specimen": specimen, "b2m": printed}).b2m
    assert b2m is not None
    assert b2m.display == shown


@pytest.mark.parametrize("rule", [RULES[name] for name in URINE], ids=lambda rule: rule.id)
def test_the_dead_limit_for_cadmium_stands_nowhere(rule: Rule) -> None:
    said = [*rule.texts().values(), *(threshold.says for threshold in rule.thresholds.values())]
    said += [str(threshold.value) for threshold in rule.thresholds.values()]
    assert not [text for text in said if "1500" in text or "1,500" in text]


def under_review_together(first: dict[str, Any], second: dict[str, Any]) -> Facts:
    """The facts of ``first``, with the B2M of ``second`` under review beside it."""
    one, other = facts_of(first), facts_of(second)
    return replace(one, under_review=one.under_review | other.under_review)


def test_a_concentration_leaves_cadmium_to_the_ratio_beside_it() -> None:
    cadmium = {"problems": ["cadmium"]}
    spot = {"specimen": "urine", "b2m": "1.2 mg/L", **cadmium}
    ratio = {"specimen": "urine ratio", "b2m": "900 ug/g{creat}", **cadmium}
    both = under_review_together(spot, ratio)
    rule = RULES["cadmium-exposure"]
    assert rule.evaluate(both) is None
    found = rule.evaluate(both.of("urine ratio"))
    assert found is not None
    assert found.outcome == "category_c"


def exactly(number: str) -> Interval:
    return Interval.exactly(Decimal(number))


@pytest.mark.parametrize(
    ("dividend", "divisor", "low", "high"),
    [
        (exactly("10"), exactly("4"), "2.5", "2.5"),
        (Interval(Decimal(10), Decimal(20)), Interval(Decimal(2), Decimal(5)), "2", "10"),
        (Interval(None, Decimal(20), high_open=True), exactly("2"), None, "10"),
        (Interval(Decimal(10), None, low_open=True), exactly("2"), "5", None),
        (exactly("10"), Interval(None, Decimal(5), high_open=True), "2", None),
        (exactly("10"), Interval(Decimal(5), None, low_open=True), None, "2"),
        (exactly("10"), exactly("0"), None, None),
    ],
)
def test_quotients_of_intervals(dividend: Interval, divisor: Interval, low: str | None, high: str | None) -> None:
    found = urine.quotient(dividend, divisor)
    assert (found.low, found.high) == (low and Decimal(low), high and Decimal(high))


def test_a_quotient_is_open_where_what_it_comes_from_is() -> None:
    below_five = Interval(None, Decimal(5), high_open=True)
    assert urine.quotient(exactly("10"), below_five).is_above(Decimal(2)) is True
    assert urine.quotient(Interval(None, Decimal(10), high_open=True), exactly("5")).is_below(Decimal(2)) is True


def test_an_open_interval_stays_open_when_it_is_scaled() -> None:
    assert urine.times(Interval(None, Decimal(5), high_open=True), Decimal(2)).is_below(Decimal(10)) is True
    assert urine.times(Interval(Decimal(5), None, low_open=True), Decimal(2)).is_above(Decimal(10)) is True


def test_grams_of_creatinine_by_unit() -> None:
    given = {
        "urine-albumin": "30 mg/L",
        "urine-creatinine": "8.84 mmol/L",
        "urine-albumin-rate": "60 mg/(24.h)",
        "urine-creatinine-rate": "1.5 g/(24.h)",
    }
    read = {result.analyte: result for result in facts_of({"b2m": "2 mg/L", **given}).results}
    spot, creatinine, rate, excreted = (read[key] for key in given)
    assert urine.per_gram(spot, creatinine) == exactly("30")
    assert urine.per_gram(rate, excreted) == exactly("40")
    assert urine.per_gram(rate, creatinine) is None
    assert urine.per_gram(spot, excreted) is None


@pytest.mark.parametrize(("number", "shown"), [("5", "5"), ("1500.4", "1,500"), ("13.34", "13.3"), ("14200", "14,200")])
def test_ratios_for_reading(number: str, shown: str) -> None:
    assert urine.to_three_digits(Decimal(number)) == shown


def test_a_level_without_a_limit_shows_none() -> None:
    facts = facts_of({"b2m": "4 mg/L"})
    assert facts.b2m
    assert levels.Level().shown(facts.b2m) == ""
