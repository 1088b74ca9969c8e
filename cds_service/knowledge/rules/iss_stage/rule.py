"""The ISS stage of newly diagnosed myeloma, or the set of stages that the data leave possible."""

from cds_service.facts import Facts, Interval, Problem, Result, Suspicion, legible
from cds_service.knowledge import myeloma, states
from cds_service.knowledge.kidney import creatinine_is_unsteady, kidney_function
from cds_service.knowledge.model import Finding, Rule
from cds_service.knowledge.treatment import Treatment

_TREATMENT = {
    Treatment.UNKNOWN: "treatment_unknown",
    Treatment.NONE_RECOGNISED: "no_treatment_recognised",
    Treatment.POSSIBLY_BEGUN: "treatment_possible",
}
_CONTEXT = ("ldh", "calcium", "calcium-moles", "hemoglobin", "hemoglobin-moles")
_METHODS_THAT_MATTER = {"61152-5", "2862-1"}


def evaluate(facts: Facts, rule: Rule) -> Finding | None:
    """Stages active, confirmed myeloma; says why not where the chart holds myeloma that ISS was not made for."""
    b2m = facts.b2m
    chart = myeloma.in_chart(facts, rule, b2m) if b2m else None
    if b2m is None or chart is None:
        return None
    if chart.why_not:
        values = {"drug": chart.course.drug.label} if chart.course.drug and chart.why_not == "treated" else {}
        return rule.finding(chart.why_not, facts.specimen, values=values, inputs=(b2m,))
    albumins, stale = myeloma.albumins_beside(facts, rule, b2m)
    stages = myeloma.iss_stages(b2m.interval, albumins, rule)
    notes = (
        _TREATMENT[chart.course.treatment],
        *_notes_on_albumin(rule, b2m, albumins, stale=stale, stages=stages),
    )
    notes += _notes_on_diagnosis(facts, rule, b2m, chart.problems)
    if b2m.suspicion and b2m.suspicion.interval is not None:
        return _doubtful(facts, rule, b2m, albumins, b2m.suspicion, notes)
    notes += _notes_on_b2m(rule, b2m, albumins, stages) + _notes_on_patient(facts, rule, b2m)
    return _staged(facts, rule, b2m, albumins, stages, notes)


def _doubtful(
    facts: Facts, rule: Rule, b2m: Result, albumins: tuple[Result, ...], suspicion: Suspicion, notes: tuple[str, ...]
) -> Finding:
    as_filed = myeloma.iss_stages(b2m.interval, albumins, rule)
    otherwise = myeloma.iss_stages(suspicion.interval or b2m.interval, albumins, rule)
    values = {
        "filed": b2m.quantity,
        "as_filed": myeloma.numerals(as_filed),
        "otherwise": myeloma.numerals(otherwise),
        "unit": suspicion.likely_unit,
        "value": f"{b2m.comparator}{legible(suspicion.value or b2m.value)} {b2m.unit}",
    }
    return rule.finding(
        "unit_doubt_either_way" if as_filed == otherwise else "unit_doubt",
        facts.specimen,
        values=values,
        notes=notes,
        inputs=(b2m, *albumins),
        thresholds=_LIMITS,
    )


_LIMITS = ("b2m_stage_1_below", "b2m_stage_3_from", "albumin_stage_1_from")


def _staged(
    facts: Facts,
    rule: Rule,
    b2m: Result,
    albumins: tuple[Result, ...],
    stages: frozenset[int],
    notes: tuple[str, ...],
) -> Finding:
    only = next(iter(stages)) if len(stages) == 1 else None
    near = [facts.nearest((key,), b2m.when, rule.value("context_days_to")) for key in _CONTEXT]
    context = tuple(r for r in near if r and r.when.days_until(b2m.when) <= rule.value("context_days_to"))
    albumin = _shown(albumins[0], rule.placeholders["albumin"] - len(_BESIDE)) if albumins else ""
    beside = f"{_BESIDE}{albumin}" if albumin else ""
    recorded = myeloma.recorded_otherwise(facts, "iss-stage", stages)
    values = {"b2m": b2m.display, "stages": myeloma.numerals(stages), "albumin": albumin if only == 1 else beside}
    return rule.finding(
        f"stage_{only}" if only else "several",
        facts.specimen,
        values=values | {"recorded": recorded},
        notes=(*notes, "recorded_otherwise") if recorded else notes,
        inputs=(b2m, *albumins, *context),
        thresholds=_LIMITS,
    )


_BESIDE = ", albumin "


def _shown(result: Result, longest: int) -> str:
    return result.display if len(result.display) <= longest else result.quantity


def _notes_on_albumin(
    rule: Rule, b2m: Result, albumins: tuple[Result, ...], *, stale: bool, stages: frozenset[int]
) -> tuple[str, ...]:
    if b2m.interval.is_below(rule.value("b2m_stage_1_below")) is False:
        return ("albumin_not_needed",) if stages == {2} and not albumins else ()
    if not albumins:
        return ("albumin_stale" if stale else "albumin_missing",)
    limit = rule.value("albumin_stage_1_from")
    sides = {albumin.interval.is_below(limit) for albumin in albumins}
    near = any(
        rule.value("albumin_method_from") <= albumin.value <= rule.value("albumin_method_to")
        for albumin in albumins
        if albumin.loinc in _METHODS_THAT_MATTER
    )
    return (*(("albumin_unclear",) if None in sides or len(sides) > 1 else ()), *(("albumin_method",) if near else ()))


def _notes_on_b2m(rule: Rule, b2m: Result, albumins: tuple[Result, ...], stages: frozenset[int]) -> tuple[str, ...]:
    limits = (rule.value("b2m_stage_1_below"), rule.value("b2m_stage_3_from"))
    if any(b2m.interval.is_below(limit) is None for limit in limits):
        return ("b2m_unclear",) if len(stages) > 1 else ()
    share = rule.value("near_percent_to") / 100
    near = [limit for limit in limits if abs(b2m.value - limit) <= limit * share]
    around = [Interval(limit * (1 - share), limit * (1 + share)) for limit in near]
    matters = any(myeloma.iss_stages(either_side, albumins, rule) != stages for either_side in around)
    return ("near_limit",) if matters and not b2m.comparator else ()


def _notes_on_diagnosis(facts: Facts, rule: Rule, b2m: Result, problems: tuple[Problem, ...]) -> tuple[str, ...]:
    undated = not any(p.onset for p in problems)
    vague = myeloma.days_from_diagnosis(facts, b2m, at_least=False) > rule.value("diagnosis_days_to")
    days = myeloma.days_from_diagnosis(facts, b2m, at_least=True)
    asked = {
        "diagnosed_earlier": days > rule.value("untreated_days_to"),
        "confirm_active": any(c.replace(".", "").upper().startswith("C900") for p in problems for c in p.code.split()),
        "mgus_too": bool(states.active(facts, "mgus-or-smouldering")),
        "onset_unknown": undated or vague,
        "status_unstated": any(not (p.clinical_status and p.verification_status) for p in problems),
    }
    return tuple(note for note, holds in asked.items() if holds)


def _notes_on_patient(facts: Facts, rule: Rule, b2m: Result) -> tuple[str, ...]:
    window = rule.value("kidney_pairing_days_to")
    kidney = kidney_function(facts, b2m.when, window)
    acute = states.acute_kidney_injury(facts, b2m.when)
    unsteady = creatinine_is_unsteady(facts, b2m.when, window, rule.value("unsteady_fold_from"))
    reduced = kidney is not None and kidney.egfr.is_below(rule.value("reduced_egfr_below")) is not False
    asked = {
        "acute_kidney_injury": acute,
        "unsteady": unsteady and not acute,
        "kidney": reduced and not acute and not unsteady,
        "dialysis_unclear": states.dialysis(facts) is states.Dialysis.UNCLEAR,
        "pregnancy": states.pregnant(facts, b2m.when),
        "age_unknown": states.is_child(facts, b2m.when) is None,
    }
    return tuple(note for note, holds in asked.items() if holds)
