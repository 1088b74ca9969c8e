"""B2M in cerebrospinal fluid, alone or per serum, against a limit and the published cut-offs: never in or out."""

from dataclasses import dataclass

from cds_service.facts import Facts, Result, legible
from cds_service.knowledge import levels, states, terms
from cds_service.knowledge.model import Finding, Rule

_RATIO = "b2m-csf-serum-ratio"
_CUTOFFS = ("cutoff_acute_above", "cutoff_lymphoma_above")
_MOST_NAMED = 3
_RATIO_DECIMALS = 3


def evaluate(facts: Facts, rule: Rule) -> Finding | None:
    """Compares adults' results; silent on a level that is not raised where the chart holds nothing to decide."""
    b2m = facts.b2m
    if b2m is None or not levels.can_be_compared(b2m):
        return None
    values = {"label": terms.analytes()[b2m.analyte].short, "b2m": _shown(b2m)}
    if why := _why_not_compared(facts, b2m):
        return rule.finding(why, facts.specimen, values=values, inputs=(b2m,))
    limit, threshold = _limit(rule, b2m)
    cutoffs = _beyond_cutoffs(rule, b2m)
    against = _contradiction(facts, rule, b2m)
    above = None if against and _is_ratio(b2m) else _is_above(rule, b2m, threshold)
    not_raised = above is False and True not in cutoffs
    if not_raised and not _relevant(facts):
        return None
    raised = "above_cutoff" if True in cutoffs else "not_above"
    serum = _serum_beside(facts, rule, b2m)
    notes = (*(("cutoffs",) if serum else ()), "ratio_contradicted") if against else _notes(facts, rule, b2m, serum)
    notes = ("own_default",) * (threshold == "default_above") + notes + ("not_looked_for",) * (not not_raised)
    values |= {"limit": limit, "chart": _chart(facts, not_raised), **_values_of_notes(b2m, cutoffs, serum)}
    values |= against.values if against else {}
    return rule.finding(
        "unclear" if above is None else "above" if above else raised,
        facts.specimen,
        values=values,
        notes=notes,
        inputs=tuple(dict.fromkeys((b2m, *([serum] if serum else []), *(against.results if against else ())))),
        thresholds=_thresholds(b2m, threshold),
    )


def _shown(b2m: Result) -> str:
    """The result for reading; a ratio has no unit to show."""
    return f"{b2m.comparator}{b2m.shown}" if _is_ratio(b2m) else b2m.display


def _is_ratio(b2m: Result) -> bool:
    return b2m.analyte == _RATIO


def _why_not_compared(facts: Facts, b2m: Result) -> str:
    child = states.is_child(facts, b2m.when)
    if child is not False:
        return "child" if child else "age_unknown"
    return "pregnancy" if states.pregnant(facts, b2m.when) else ""


def _limit(rule: Rule, b2m: Result) -> tuple[str, str]:
    """The upper limit in words, and the threshold that it is; "" for the laboratory's own."""
    unit = "" if _is_ratio(b2m) else f" {b2m.unit}"
    given = b2m.reference_range
    if given and given.high is not None:
        return f"the laboratory's upper limit of {legible(given.high)}{unit}", ""
    threshold = "ratio_above" if _is_ratio(b2m) else "default_above"
    name = "the published cut-off of" if _is_ratio(b2m) else "a default upper limit of"
    return f"{name} {rule.value(threshold):f}{unit}", threshold


def _is_above(rule: Rule, b2m: Result, threshold: str) -> bool | None:
    if not threshold and b2m.reference_range:
        return b2m.reference_range.is_exceeded_by(b2m.central)
    return b2m.interval.is_above(rule.value(threshold))


def _thresholds(b2m: Result, threshold: str) -> tuple[str, ...]:
    return ("ratio_above",) if _is_ratio(b2m) else (*([threshold] if threshold else ()), *_CUTOFFS)


def _beyond_cutoffs(rule: Rule, b2m: Result) -> tuple[bool | None, ...]:
    """On which side of each published cut-off the result lies.

    One of them was published in moles: a result in moles is compared with it as it was converted.
    """
    if _is_ratio(b2m):
        return (b2m.interval.is_above(rule.value("ratio_above")),)
    acute, lymphoma = (rule.value(name) for name in _CUTOFFS)
    return b2m.central.is_above(acute), b2m.interval.is_above(lymphoma)


def _serum_beside(facts: Facts, rule: Rule, b2m: Result) -> Result | None:
    """The serum B2M nearest in time that a ratio can be formed with."""
    if _is_ratio(b2m) or b2m.comparator:
        return None
    near = facts.within(("b2m-serum",), b2m.when, rule.value("serum_days_to"))
    return next((r for r in near if not r.comparator and levels.can_be_compared(r)), None)


@dataclass(frozen=True, slots=True)
class _Contradiction:
    """A CSF result, its serum, and the laboratory's own ratio, which lies on the other side of the cut-off."""

    results: tuple[Result, Result, Result]

    @property
    def values(self) -> dict[str, str]:
        """What fills the note on it."""
        csf, serum, reported = self.results
        return {"ratio": _ratio(csf, serum), "reported": _shown(reported), "csf": csf.quantity, "serum": serum.quantity}


def _contradiction(facts: Facts, rule: Rule, b2m: Result) -> _Contradiction | None:
    """Whether the ratio that the laboratory gives and the one of the two results cannot both be right."""
    days, limit = rule.value("serum_days_to"), rule.value("ratio_above")
    csf = b2m if not _is_ratio(b2m) else next(iter(facts.within(("b2m-csf",), b2m.when, days)), None)
    reported = b2m if _is_ratio(b2m) else next(iter(facts.within((_RATIO,), b2m.when, days)), None)
    serum = _serum_beside(facts, rule, csf) if csf and levels.can_be_compared(csf) else None
    if csf is None or reported is None or serum is None:
        return None
    sides = {csf.value / serum.value > limit, reported.interval.is_above(limit)}
    return _Contradiction((csf, serum, reported)) if sides == {True, False} else None


def _notes(facts: Facts, rule: Rule, b2m: Result, serum: Result | None) -> tuple[str, ...]:
    """On cut-offs and ratio; that there is no serum B2M at all is for the rule companion-tests to say."""
    if _is_ratio(b2m):
        return ("ratio_reported",)
    if serum is None:
        hindered = b2m.comparator or any(not r.provisional for r in facts.series("b2m-serum"))
        return ("cutoffs", "no_ratio") if hindered else ("cutoffs",)
    return "cutoffs", "ratio_above" if b2m.value / serum.value > rule.value("ratio_above") else "ratio_not_above"


_SIDES: dict[frozenset[bool | None], str] = {
    frozenset({True}): "above both published cut-offs",
    frozenset({False}): "above neither published cut-off",
    frozenset({True, False}): "between the two published cut-offs",
}
_NO_SIDE = "not clearly on one side of the published cut-offs"


def _values_of_notes(b2m: Result, cutoffs: tuple[bool | None, ...], serum: Result | None) -> dict[str, str]:
    values = {"side": _SIDES.get(frozenset(cutoffs), _NO_SIDE)}
    if serum:
        values |= {"ratio": _ratio(b2m, serum), "serum": serum.quantity}
    return values


def _ratio(csf: Result, serum: Result) -> str:
    return f"{round(csf.value / serum.value, _RATIO_DECIMALS).normalize():f}"


def _relevant(facts: Facts, *also: str) -> tuple[str, ...]:
    """The diagnoses in the chart with which CSF B2M is read, suspected ones too: they are why it is measured."""
    found = states.active(facts, *states.LYMPHOID, "hiv", *also)
    return tuple(dict.fromkeys(p.label + ("" if states.is_confirmed(p) else " (not confirmed)") for p in found))


def _chart(facts: Facts, not_raised: bool) -> str:
    """What of the problem list goes with the level; beside one that is not low, other viral infections too."""
    labels = _relevant(facts) if not_raised else _relevant(facts, "cmv", "ebv")
    if labels:
        more = " and others" if len(labels) > _MOST_NAMED else ""
        return f"In the problem list: {', '.join(labels[:_MOST_NAMED])}{more}."
    if "conditions" in facts.unknown:
        return "The problem list was not available in full."
    looked_for = "lymphoma, chronic leukaemia or infection with HIV, CMV or EBV"
    return f"The problem list holds no active {looked_for} that this service knows."
