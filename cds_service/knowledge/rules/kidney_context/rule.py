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
    state = _state_without_egfr(facts, b2m)
    if state:
        return rule.finding(state, facts.specimen, inputs=(b2m,))
    kidney = states.kidney_function(facts, b2m.when, rule.value("pairing_days_to"))
    unclear = ("dialysis_unclear",) if states.dialysis_unclear(facts) else ()
    if kidney is None:
        return rule.finding("unknown", facts.specimen, notes=unclear, inputs=(b2m,), thresholds=("pairing_days_to",))
    limits = tuple(rule.value(name) for name in _CATEGORY_LIMITS)
    below = kidney.egfr.is_below(rule.value("reduced_below"))
    return rule.finding(
        "unclear" if below is None else "reduced" if below else "not_reduced",
        facts.specimen,
        values={
            "egfr": states.whole(kidney.egfr, limits),
            "category": _category(kidney.egfr, limits),
            "source": kidney.source,
            "apart": _apart(kidney.days_apart),
        },
        notes=unclear + _notes(facts, kidney),
        inputs=(b2m, kidney.result),
        thresholds=("reduced_below", "pairing_days_to"),
    )


def _state_without_egfr(facts: Facts, b2m: Result) -> str | None:
    if states.on_dialysis(facts):
        return "dialysis"
    if states.acute_kidney_injury(facts):
        return "acute_kidney_injury"
    if states.pregnant(facts):
        return "pregnancy"
    return "not_adult" if states.is_child(facts, b2m.when) is not False else None


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


def _notes(facts: Facts, kidney: states.KidneyFunction) -> tuple[str, ...]:
    notes = ["category_unrounded"]
    if kidney.result.analyte == "creatinine" and facts.patient.sex not in ("female", "male"):
        notes.append("sex_unknown")
    if kidney.result.analyte == "egfr-other":
        notes.append("older_formula")
    if kidney.result.analyte == "creatinine" and any(r.analyte.startswith("egfr") for r in facts.results):
        notes.append("both_differ")
    return tuple(notes)
