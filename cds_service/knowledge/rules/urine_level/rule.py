"""Spot urine B2M against an upper limit, with the pH that a low value needs."""

from datetime import timedelta
from decimal import Decimal

from cds_service.facts import Facts, Result, legible
from cds_service.knowledge import states
from cds_service.knowledge.model import Finding, Rule


def evaluate(facts: Facts, rule: Rule) -> Finding | None:
    """Compares with the laboratory's limit, else the adult default; a low value counts only if pH allows."""
    b2m = facts.b2m
    if b2m is None or b2m.provisional or (b2m.suspicion and b2m.suspicion.likely_unit):
        return None
    if states.pregnant(facts, b2m.when):
        return None
    limit, origin = _limit(facts, rule, b2m)
    if limit is None:
        return rule.finding("no_range", facts.specimen, values={"b2m": b2m.display}, inputs=(b2m,))
    ph = _ph_of_same_urine(facts, rule, b2m)
    acid = None if ph is None else ph.interval.is_below(rule.value("acid_below"))
    above = b2m.interval.is_above(limit)
    if origin == "laboratory" and b2m.reference_range:
        above = b2m.reference_range.is_exceeded_by(b2m.central)
    outcome = "unclear" if above is None else f"above_{origin}" if above else "not_above"
    if outcome == "not_above" and acid:
        outcome = "not_reassuring"
    values = {"b2m": b2m.display, "limit": f"{legible(limit)} {b2m.unit}"}
    if ph and outcome == "not_reassuring":
        values["ph"] = f"{ph.comparator}{ph.shown}"
    return rule.finding(
        outcome,
        facts.specimen,
        values=values,
        notes=(*_notes_on_ph(acid, outcome), "concentration"),
        inputs=(b2m, ph) if ph else (b2m,),
        thresholds=("acid_below", *(("default_adult_above",) if origin == "default" else ())),
    )


def _ph_of_same_urine(facts: Facts, rule: Rule, b2m: Result) -> Result | None:
    hours = timedelta(hours=int(rule.value("same_urine_hours_to")))
    same_day = facts.within(("urine-ph",), b2m.when, Decimal(0))
    return next((ph for ph in same_day if ph.when.distance(b2m.when)[1] <= hours), None)


def _limit(facts: Facts, rule: Rule, b2m: Result) -> tuple[Decimal | None, str]:
    if b2m.reference_range and b2m.reference_range.high is not None:
        return b2m.reference_range.high, "laboratory"
    adult = states.is_child(facts, b2m.when) is False
    return (rule.value("default_adult_above") if adult else None), "default"


def _notes_on_ph(acid: bool | None, outcome: str) -> tuple[str, ...]:
    if acid is None:
        return ("ph_unknown",)
    return ("ph_acid",) if acid and outcome != "not_reassuring" else ()
