"""Serum B2M against the laboratory's own range, else against a labelled default by age."""

from decimal import Decimal

from cds_service.facts import Facts, Problem, Result
from cds_service.knowledge import levels, states, unrecognised
from cds_service.knowledge.levels import Level
from cds_service.knowledge.model import Finding, Rule

_RAISING_FAMILIES = ("kidney", "cancer", "inflammation", "infection", "transplant", "liver")
_MYELOMA = ("myeloma", "myeloma-relapse", "plasma-cell-leukaemia")
#: Beside what they may become, precursors are that disease.
_BECOME = {"smouldering-myeloma": _MYELOMA, "mgus-or-smouldering": (*_MYELOMA, "waldenstrom")}


def evaluate(facts: Facts, rule: Rule) -> Finding | None:
    """Compares with the upper limit that holds for this result; silent on a doubtful or provisional value."""
    b2m = facts.b2m
    if b2m is None or not levels.can_be_compared(b2m):
        return None
    if states.dialysis(facts) is not states.Dialysis.NO:
        return None
    inputs, values = (b2m,), {"b2m": b2m.display}
    given = b2m.reference_range
    if states.pregnant(facts, b2m.when):
        return _in_pregnancy(facts, rule, b2m)
    if given and given.high is not None:
        return _compared(facts, rule, b2m, given.high, "laboratory")
    bands = levels.serum_bands(facts, rule, b2m)
    above = {b2m.interval.is_above(rule.value(band)) for band in bands}
    low = b2m.interval.is_above(rule.value("any_range_above")) is False
    if given and given.low is None and above == {False} and not low:
        lowest = min(bands, key=rule.value)
        values["limit"] = Level(False, rule.value(lowest), "default").filed(b2m)
        return rule.finding("range_unusable", facts.specimen, values=values, inputs=inputs, thresholds=(*_ANY, lowest))
    if not bands:
        return rule.finding("no_range", facts.specimen, values=values, inputs=inputs)
    band = bands[-1] if above == {True} else bands[0]
    return _compared(facts, rule, b2m, rule.value(band), "default", band, agree=len(above) == 1)


def _in_pregnancy(facts: Facts, rule: Rule, b2m: Result) -> Finding:
    """No range is applied; a value above the limit that the laboratory printed is told all the same."""
    given, values = b2m.reference_range, {"b2m": b2m.display}
    if given is None or given.high is None or not given.is_exceeded_by(b2m.central):
        return rule.finding("pregnancy", facts.specimen, values=values, inputs=(b2m,))
    level = Level(True, given.high, "laboratory")
    values |= {"limit": level.filed(b2m), "in_full": level.in_full(b2m)}
    return rule.finding("pregnancy_raised", facts.specimen, values=values, inputs=(b2m,))


_ANY = ("any_range_above",)


def _compared(
    facts: Facts, rule: Rule, b2m: Result, limit: Decimal, origin: str, threshold: str = "", *, agree: bool = True
) -> Finding:
    above = b2m.interval.is_above(limit) if agree else None
    if origin == "laboratory" and b2m.reference_range:
        above = b2m.reference_range.is_exceeded_by(b2m.central)
    outcome = "unclear" if above is None else f"above_{origin}" if above else f"not_above_{origin}"
    level = Level(above, limit, origin)
    values = {"b2m": b2m.display, "limit": level.filed(b2m), "in_full": level.in_full(b2m)}
    if above:
        values["causes"] = _causes_in_chart(facts, b2m)
    return rule.finding(
        outcome,
        facts.specimen,
        values=values,
        notes=_notes(facts, rule, b2m, threshold),
        inputs=(b2m,),
        thresholds=(threshold,) if threshold else (),
    )


def _notes(facts: Facts, rule: Rule, b2m: Result, threshold: str) -> tuple[str, ...]:
    child = states.is_child(facts, b2m.when)
    youngest, oldest = facts.patient.age_on(b2m.when) or (0, 0)
    studied = rule.value("studied_from") <= youngest and oldest <= rule.value("studied_to")
    default = bool(threshold)
    asked = {
        "method": default,
        "child": child and not default,
        "children": child and default,
        "sex_unknown": child and default and facts.patient.sex not in ("female", "male"),
        "outside_ages": default and not child and not studied,
    }
    return tuple(note for note, holds in asked.items() if holds)


def _causes_in_chart(facts: Facts, b2m: Result) -> str:
    done = [
        p.label
        for p in facts.procedures
        if p.key.endswith("transplantation") and not (p.when and p.when.first > b2m.when.last)
    ]
    procedures = f"Among the procedures: {', '.join(dict.fromkeys(done))}." if done else ""
    return " ".join(said for said in (_diagnoses_in_chart(facts, b2m, procedures), procedures) if said)


def _diagnoses_in_chart(facts: Facts, b2m: Result, procedures: str) -> str:
    if "conditions" in facts.unknown:
        return "The problem list was not available in full."
    there = [p for p in facts.problems if states.is_active(p) and states.is_confirmed(p)]
    present = [p for p in there if p.family in _RAISING_FAMILIES and p.key != "dialysis"]
    over = _long_over(facts, b2m)
    keys = {p.key for p in present}
    labels = [p.label for p in present if p not in over and not keys & set(_BECOME.get(p.key, ()))]
    labels = list(dict.fromkeys(labels))
    if not labels and procedures:
        return ""
    if not labels:
        unread = unrecognised.problems(facts)
        return f"The problem list holds no confirmed, active diagnosis that this service knows to raise it{unread}."
    listed = ", ".join(labels[:6]) + (" and others" if len(labels) > 6 else "")
    return f"In the problem list: {listed}."


def _long_over(facts: Facts, b2m: Result) -> tuple[Problem, ...]:
    """Acute infections that the list goes on calling active, begun too long ago to count as acute."""
    acute = states.acute_infections(facts, b2m.when)
    return tuple(p for p in facts.problems_of(*states.ACUTE_INFECTIONS) if p not in acute)
