"""Kidney function beside a B2M: which equation speaks, and the KDIGO categories of a published example."""

from decimal import Decimal
from typing import Any

import pytest

from cds_service.knowledge import kidney, terms
from cds_service.knowledge.model import load
from cds_service.review.chart import facts_of

WEEK = Decimal(7)


def function(**given: Any) -> kidney.KidneyFunction | None:
    facts = facts_of({"b2m": "4 mg/L", **given})
    assert facts.b2m
    return kidney.kidney_function(facts, facts.b2m.when, WEEK)


@pytest.mark.parametrize(
    ("gfr", "category"),
    [("102", "G1"), ("75", "G2"), ("50", "G3a"), ("40", "G3b"), ("20", "G4"), ("13", "G5"), ("59.97", "G3a")],
)
def test_the_published_examples_of_gfr_categories(gfr: str, category: str) -> None:
    """GDL2 common-clinical-models, GFR_assessment; the last: staged unrounded, as kidney.epi does."""
    rule = next(rule for rule in load() if rule.id == "kidney-context")
    finding = rule.evaluate(facts_of({"b2m": "4 mg/L", "egfr-2021": f"{gfr} mL/min/1.73m2"}))
    assert finding
    assert finding.values["category"] == category


@pytest.mark.parametrize(
    ("gfr", "of_lowest", "of_highest"),
    [("60", "2.56", "2.56"), (">60", "2.56", None), ("<15", None, "7.92")],
)
def test_what_adults_had_at_either_end(gfr: str, of_lowest: str | None, of_highest: str | None) -> None:
    """In mg/L; None where an end of the eGFR is open."""
    found = function(**{"egfr-2021": f"{gfr} mL/min/1.73m2"})
    assert found
    shown = [level and str(level.quantize(Decimal("0.01"))) for level in found.expected]
    assert shown == [of_lowest, of_highest]


@pytest.mark.parametrize("born", ["2025-03-03", "2025", "2030"])
def test_none_under_one_year_or_where_that_is_open(born: str) -> None:
    assert function(creatinine="0.4 mg/dL", born=born, **{"body-height": "70 cm"}) is None


def test_none_where_no_age_is_known() -> None:
    assert function(creatinine="1 mg/dL", age="unknown") is None


def test_what_it_rests_on_is_told() -> None:
    both = function(creatinine="1.4 mg/dL", sex="male", **{"cystatin-c": {"is": "0.8 mg/L", "days": -3}})
    assert both
    assert (both.result.analyte, [r.analyte for r in both.also], both.days_apart) == ("creatinine", ["cystatin-c"], 3)
    assert both.egfr.low == both.egfr.high
    assert both.computed
    child = function(creatinine="2 mg/dL", age=17, **{"body-height": "180 cm"})
    assert child
    assert (child.source, child.egfr.low) == ("bedside Schwartz", Decimal("37.17"))
    assert [r.analyte for r in child.also] == ["body-height"]
    reported = function(**{"egfr-other": {"is": "52 mL/min/1.73m2", "loinc": "94677-2"}})
    assert reported
    assert reported.source == "as reported: CKD-EPI 2012 creatinine-cystatin C"
    assert not reported.computed


def test_a_nearer_reported_figure_goes_before_an_older_pair() -> None:
    older = {"is": "1.4 mg/dL", "days": -5}
    found = function(
        creatinine=older, **{"cystatin-c": {"is": "0.8 mg/L", "days": -6}, "egfr-2021": "24 mL/min/1.73m2"}
    )
    assert found
    assert found.result.analyte == "egfr-2021"


def test_cystatin_of_the_day_lifts_the_pair_to_it() -> None:
    older = {"is": "1.4 mg/dL", "days": -5}
    found = function(creatinine=older, **{"cystatin-c": "0.8 mg/L", "egfr-2021": "24 mL/min/1.73m2"})
    assert found
    assert (found.source, found.days_apart) == ("CKD-EPI 2021 creatinine-cystatin C", 5)


def test_every_code_of_a_reported_egfr_names_an_equation() -> None:
    codes = [code for key, a in terms.analytes().items() if key.startswith("egfr-") for code in a.loinc]
    assert [code.code for code in codes if not code.equation] == []
    assert {code.code for code in codes} == {
        *("98979-8", "98980-6", "50210-4", "62238-1", "94677-2", "77147-7", "33914-3", "48642-3", "88294-4"),
        *("69405-9", "50384-7", "48643-1", "88293-6"),
    }


@pytest.mark.parametrize("code", ["48643-1", "88293-6"])
def test_an_egfr_with_a_race_coefficient_is_never_used(code: str) -> None:
    assert function(**{"egfr-race-coefficient": {"is": "70 mL/min/1.73m2", "loinc": code}}) is None
