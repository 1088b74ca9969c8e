"""The ISS stage of newly diagnosed myeloma, or the set of stages that the data leave possible."""

from decimal import Decimal

from cds_service.facts import Facts, Interval, Problem, Result
from cds_service.knowledge import states
from cds_service.knowledge.model import Finding, Rule

_NUMERALS = {1: "I", 2: "II", 3: "III"}
_CONTEXT = ("ldh", "calcium", "calcium-moles", "hemoglobin", "hemoglobin-moles")
_METHODS_THAT_MATTER = {"61152-5", "2862-1"}


def possible_stages(b2m: Interval, albumin: Interval | None, rule: Rule) -> frozenset[int]:
    """Every ISS stage that some value within the two intervals gives; no albumin means any albumin."""
    stage_1 = b2m.is_below(rule.value("b2m_stage_1_below"))
    below_3 = b2m.is_below(rule.value("b2m_stage_3_from"))
    albumin_low = None if albumin is None else albumin.is_below(rule.value("albumin_stage_1_from"))
    stages = set()
    if stage_1 is not False:
        stages |= {1} if albumin_low is False else {2} if albumin_low else {1, 2}
    if stage_1 is not True and below_3 is not False:
        stages.add(2)
    if below_3 is not True:
        stages.add(3)
    return frozenset(stages)


def evaluate(facts: Facts, rule: Rule) -> Finding | None:
    """Stages active, confirmed myeloma; says why not where the chart holds myeloma that ISS was not made for."""
    b2m, myeloma = facts.b2m, states.active(facts, "myeloma")
    treated_before = states.myeloma_returned_or_in_remission(facts)
    if b2m is None or not (myeloma or treated_before):
        return None
    reason = "relapse_or_remission" if treated_before else _why_not(facts, rule, b2m, myeloma)
    if reason:
        return rule.finding("not_staged", facts.specimen, notes=(reason,), inputs=(b2m,))
    pairing = rule.value("albumin_pairing_days_to")
    albumin = facts.nearest(("albumin", "albumin-electrophoresis"), b2m.when, pairing)
    stale = albumin is not None and albumin.when.days_until(b2m.when) > pairing
    usable = None if stale else albumin
    if b2m.suspicion and b2m.suspicion.value is not None:
        return _doubtful(facts, rule, b2m, usable, b2m.suspicion.likely_unit, b2m.suspicion.value)
    stages = possible_stages(b2m.interval, usable.interval if usable else None, rule)
    notes = _notes_on_albumin(rule, b2m, usable, stale=stale, stages=stages)
    notes += _notes_on_diagnosis(facts, myeloma) + _notes_on_kidney(facts, rule, b2m)
    return _staged(facts, rule, b2m, usable, stages, notes)


def _why_not(facts: Facts, rule: Rule, b2m: Result, myeloma: tuple[Problem, ...]) -> str | None:
    onsets = [p.onset for p in myeloma if p.onset]
    if not any(states.is_confirmed(p) for p in myeloma):
        return "unconfirmed"
    if states.is_child(facts, b2m.when):
        return "child"
    if states.on_dialysis(facts):
        return "dialysis"
    if states.active(facts, "smouldering-myeloma"):
        return "smouldering"
    if onsets and min((b2m.when.first - onset.last).days for onset in onsets) > rule.value("diagnosis_days_to"):
        return "not_new"
    if b2m.provisional:
        return "provisional"
    return "high_value" if b2m.suspicion and b2m.suspicion.value is None and b2m.suspicion.likely_unit else None


def _doubtful(facts: Facts, rule: Rule, b2m: Result, albumin: Result | None, unit: str, otherwise: Decimal) -> Finding:
    beside = albumin.interval if albumin else None
    values = {
        "filed": b2m.quantity,
        "as_filed": _names(possible_stages(b2m.interval, beside, rule)),
        "otherwise": _names(possible_stages(Interval.exactly(otherwise), beside, rule)),
        "unit": unit,
        "value": f"{otherwise:f} {b2m.unit}",
    }
    inputs = (b2m, albumin) if albumin else (b2m,)
    return rule.finding(
        "unit_doubt", facts.specimen, values=values, notes=("treatment_unknown",), inputs=inputs, thresholds=_LIMITS
    )


_LIMITS = ("b2m_stage_1_below", "b2m_stage_3_from", "albumin_stage_1_from")


def _staged(
    facts: Facts, rule: Rule, b2m: Result, albumin: Result | None, stages: frozenset[int], notes: tuple[str, ...]
) -> Finding:
    only = next(iter(stages)) if len(stages) == 1 else None
    shown = albumin if only != 3 else None
    values = {"b2m": b2m.display, "stages": _names(stages), "albumin": f", albumin {shown.quantity}" if shown else ""}
    if only == 1 and shown:
        values["albumin"] = shown.quantity
    near = [facts.nearest((key,), b2m.when, rule.value("context_days_to")) for key in _CONTEXT]
    context = tuple(r for r in near if r and r.when.days_until(b2m.when) <= rule.value("context_days_to"))
    return rule.finding(
        f"stage_{only}" if only else "several",
        facts.specimen,
        values=values,
        notes=("treatment_unknown", *notes),
        inputs=(b2m, *((albumin,) if albumin else ()), *context),
        thresholds=_LIMITS,
    )


def _names(stages: frozenset[int]) -> str:
    names = [_NUMERALS[stage] for stage in sorted(stages)]
    return " or ".join(names) if len(names) < 3 else "I, II or III"


def _notes_on_albumin(
    rule: Rule, b2m: Result, albumin: Result | None, *, stale: bool, stages: frozenset[int]
) -> tuple[str, ...]:
    notes = []
    decisive = b2m.interval.is_below(rule.value("b2m_stage_1_below")) is False
    if decisive and len(stages) == 1 and albumin is None:
        notes.append("albumin_not_needed")
    if albumin is None and not decisive:
        notes.append("albumin_stale" if stale else "albumin_missing")
    if albumin and not decisive and albumin.interval.is_below(rule.value("albumin_stage_1_from")) is None:
        notes.append("albumin_unclear")
    if albumin and albumin.loinc in _METHODS_THAT_MATTER and not decisive:
        near = rule.value("albumin_method_from") <= albumin.value <= rule.value("albumin_method_to")
        notes += ["albumin_method"] * near
    limits = [rule.value("b2m_stage_1_below"), rule.value("b2m_stage_3_from")]
    if any(b2m.interval.is_below(limit) is None for limit in limits):
        notes.append("b2m_unclear")
    elif any(_is_near(b2m.value, limit, rule.value("near_percent_to")) for limit in limits):
        notes.append("near_limit")
    return tuple(notes)


def _is_near(value: Decimal, limit: Decimal, percent: Decimal) -> bool:
    return abs(value - limit) * 100 <= limit * percent


def _notes_on_diagnosis(facts: Facts, myeloma: tuple[Problem, ...]) -> tuple[str, ...]:
    asked = {
        "confirm_active": any(p.code.startswith("C90.0") for p in myeloma),
        "mgus_too": bool(states.active(facts, "mgus-or-smouldering")),
        "onset_unknown": not any(p.onset for p in myeloma),
        "status_unstated": any(not (p.clinical_status and p.verification_status) for p in myeloma),
    }
    return tuple(note for note, holds in asked.items() if holds)


def _notes_on_kidney(facts: Facts, rule: Rule, b2m: Result) -> tuple[str, ...]:
    if states.acute_kidney_injury(facts):
        return ("acute_kidney_injury",)
    kidney = states.kidney_function(facts, b2m.when, rule.value("kidney_pairing_days_to"))
    reduced = kidney is not None and kidney.egfr.is_below(rule.value("reduced_egfr_below")) is not False
    return ("kidney",) if reduced else ()
