"""The eGFR beside a serum B2M, and whether reduced filtration may account for a raised level."""

from decimal import Decimal

from cds_service.facts import Facts, Interval, Result
from cds_service.knowledge import states
from cds_service.knowledge.model import Finding, Rule

_CATEGORY_LIMITS = ("g5_below", "g4_below", "g3b_below", "reduced_below", "g2_below")
_CATEGORIES = ("G5", "G4", "G3b", "G3a", "G2", "G1")


def evaluate(facts: Facts, rule: Rule) -> Finding | None:
    """States that make an eGFR meaningless come first, then the eGFR itself."""
    b2m = facts.b2m
    if b2m is None:
        return None
    window = rule.value("pairing_days_to")
    beside = facts.within(("creatinine", *states.REPORTED_EGFR), b2m.when, window)
    state = _state_without_egfr(facts, rule, b2m)
    if state:
        creatinine = tuple(r for r in beside if r.analyte == "creatinine")
        return rule.finding(state, facts.specimen, inputs=(b2m, *creatinine[:_MOST_SHOWN]))
    kidney = states.kidney_function(facts, b2m.when, window)
    if kidney is None:
        return rule.finding("unknown", facts.specimen, inputs=(b2m, *beside), thresholds=("pairing_days_to",))
    limits = tuple(rule.value(name) for name in _CATEGORY_LIMITS)
    return rule.finding(
        _outcome(rule, kidney.egfr),
        facts.specimen,
        values={
            "egfr": states.whole(kidney.egfr, limits),
            "category": _category(kidney.egfr, limits),
            "source": kidney.source,
            "apart": _apart(kidney.days_apart),
        },
        notes=_notes(facts, rule, b2m, kidney, beside),
        inputs=(b2m, kidney.result, *beside[:_MOST_SHOWN]),
        thresholds=("reduced_below",),
    )


_MOST_SHOWN = 3


def _state_without_egfr(facts: Facts, rule: Rule, b2m: Result) -> str | None:
    dialysis = states.dialysis(facts)
    found = {
        "dialysis": dialysis is states.Dialysis.YES,
        "dialysis_unclear": dialysis is states.Dialysis.UNCLEAR,
        "acute_kidney_injury": states.acute_kidney_injury(facts, b2m.when),
        "unsteady": states.creatinine_is_unsteady(
            facts, b2m.when, rule.value("pairing_days_to"), rule.value("unsteady_fold_from")
        ),
        "pregnancy": states.pregnant(facts, b2m.when),
        "not_adult": states.is_child(facts, b2m.when) is not False,
    }
    return next((state for state, holds in found.items() if holds), None)


def _category(egfr: Interval, limits: tuple[Decimal, ...]) -> str:
    """The KDIGO GFR category, or the two that the interval spans."""
    possible = [
        name
        for name, low, high in zip(_CATEGORIES, (Decimal(0), *limits), (*limits, None), strict=True)
        if egfr.is_below(low) is not True and (high is None or egfr.is_below(high) is not False)
    ]
    return possible[0] if len(possible) == 1 else f"{possible[-1]} to {possible[0]}"


def _apart(days: int) -> str:
    return "same day" if days == 0 else f"{days} day{'s' if days > 1 else ''} apart"


def _outcome(rule: Rule, egfr: Interval) -> str:
    below = egfr.is_below(rule.value("reduced_below"))
    if below is None:
        return "unclear"
    if below:
        return "reduced"
    return "not_evident" if egfr.is_below(rule.value("g2_below")) is False else "not_reduced"


def _notes(
    facts: Facts, rule: Rule, b2m: Result, kidney: states.KidneyFunction, beside: tuple[Result, ...]
) -> tuple[str, ...]:
    analytes = {result.analyte for result in beside}
    reduced = kidney.egfr.is_below(rule.value("reduced_below")) is not False
    low = b2m.interval.is_above(rule.value("unexpected_b2m_to")) is False
    asked = {
        "unexpectedly_low": low and kidney.egfr.is_below(rule.value("unexpected_egfr_below")) is True,
        "category_alone": reduced and not states.active(facts, "ckd", "end-stage-kidney-disease", "kidney-transplant"),
        "sex_unknown": kidney.result.analyte == "creatinine" and facts.patient.sex not in ("female", "male"),
        "older_formula": kidney.result.analyte == "egfr-other",
        "both_shown": "creatinine" in analytes and len(analytes) > 1,
    }
    return tuple(note for note, holds in asked.items() if holds)
