"""Serum B2M against the laboratory's own range, else against a labelled default by age."""

from decimal import Decimal

from cds_service.facts import Facts, Result, legible
from cds_service.knowledge import states
from cds_service.knowledge.model import Finding, Rule

_RAISING_FAMILIES = ("kidney", "cancer", "inflammation", "infection", "transplant")


def evaluate(facts: Facts, rule: Rule) -> Finding | None:
    """Compares with the upper limit that holds for this result; silent on a doubtful or provisional value."""
    b2m = facts.b2m
    if b2m is None or b2m.provisional or (b2m.suspicion and b2m.suspicion.likely_unit):
        return None
    inputs, values = (b2m,), {"b2m": b2m.display}
    if (dialysis := states.dialysis(facts)) is not states.Dialysis.NO:
        outcome = "dialysis" if dialysis is states.Dialysis.YES else "dialysis_unclear"
        return rule.finding(outcome, facts.specimen, values=values, inputs=inputs)
    if states.pregnant(facts, b2m.when):
        return rule.finding("pregnancy", facts.specimen, values=values, inputs=inputs)
    given = b2m.reference_range
    if given and given.high is not None:
        return _compared(facts, rule, b2m, given.high, "laboratory")
    bands = _bands(facts, rule, b2m)
    above = {b2m.interval.is_above(rule.value(band)) for band in bands}
    low = b2m.interval.is_above(rule.value("any_range_above")) is False
    if given and given.low is None and above == {False} and not low:
        return rule.finding("range_unusable", facts.specimen, values=values, inputs=inputs, thresholds=_ANY)
    if not bands:
        return rule.finding("no_range", facts.specimen, values=values, inputs=inputs)
    band = bands[-1] if above == {True} else bands[0]
    return _compared(facts, rule, b2m, rule.value(band), "default", band, agree=len(above) == 1)


_ANY = ("any_range_above",)


def _bands(facts: Facts, rule: Rule, b2m: Result) -> tuple[str, ...]:
    """The defaults that the patient's age allows, the lower first; none for children and unknown ages."""
    age = facts.patient.age_on(b2m.when)
    if states.is_child(facts, b2m.when) is not False or age is None:
        return ()
    older_from = rule.value("older_band_from")
    younger = ("default_to_49_years_above",) if age[0] < older_from else ()
    older = ("default_from_50_years_above",) if age[1] >= older_from else ()
    return younger + older


def _compared(
    facts: Facts, rule: Rule, b2m: Result, limit: Decimal, origin: str, threshold: str = "", *, agree: bool = True
) -> Finding:
    above = b2m.interval.is_above(limit) if agree else None
    if origin == "laboratory" and b2m.reference_range:
        above = b2m.reference_range.is_exceeded_by(b2m.central)
    outcome = "unclear" if above is None else f"above_{origin}" if above else f"not_above_{origin}"
    values = {"b2m": b2m.display, "limit": f"{legible(limit)} {b2m.unit}"}
    if above:
        values["causes"] = _causes_in_chart(facts)
    return rule.finding(
        outcome,
        facts.specimen,
        values=values,
        notes=_notes(facts, rule, b2m) if threshold else ("child",) if states.is_child(facts, b2m.when) else (),
        inputs=(b2m,),
        thresholds=(threshold,) if threshold else (),
    )


def _notes(facts: Facts, rule: Rule, b2m: Result) -> tuple[str, ...]:
    youngest, oldest = facts.patient.age_on(b2m.when) or (0, 0)
    studied = rule.value("studied_from") <= youngest and oldest <= rule.value("studied_to")
    return ("method",) if studied else ("method", "outside_ages")


def _causes_in_chart(facts: Facts) -> str:
    if "conditions" in facts.unknown:
        return "The problem list was not available in full."
    present = [
        p
        for p in facts.problems
        if states.is_active(p) and states.is_confirmed(p) and p.family in _RAISING_FAMILIES and p.key != "dialysis"
    ]
    labels = list(dict.fromkeys(p.label for p in present))
    if not labels:
        return "The problem list holds no confirmed, active diagnosis that this service knows to raise it."
    listed = ", ".join(labels[:6]) + (" and others" if len(labels) > 6 else "")
    return f"In the problem list: {listed}."
