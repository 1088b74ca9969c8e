"""The ISS stage of newly diagnosed myeloma, or the set of stages that the data leave possible."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from cds_service.facts import Facts, Interval, Problem, Result, legible
from cds_service.knowledge import context, crab, myeloma, states, treatment
from cds_service.knowledge.before_drugs import last_before
from cds_service.knowledge.kidney import creatinine_is_unsteady, kidney_function
from cds_service.knowledge.model import Finding, Rule
from cds_service.knowledge.myeloma import Myeloma
from cds_service.knowledge.proposals import stage_to_file
from cds_service.knowledge.treatment import Course, Treatment
from cds_service.knowledge.unit_slip import jump

_CONTEXT = ("ldh", "calcium", "calcium-moles", "hemoglobin", "hemoglobin-moles")
_METHODS_THAT_MATTER = {"61152-5", "2862-1"}
_LIGHT_CHAIN_MYELOMA = "277579002"
#: The stages that did not differ in light chain myeloma.
_ALIKE_IN_LIGHT_CHAIN_MYELOMA = {1, 2}
_LIMITS = ("b2m_stage_1_below", "b2m_stage_3_from", "albumin_stage_1_from")


def evaluate(facts: Facts, rule: Rule) -> Finding | None:
    """Stages active, confirmed myeloma; says why not where the chart holds myeloma that ISS was not made for."""
    b2m = facts.b2m
    if b2m is None:
        return None
    chart = myeloma.in_chart(facts, rule, b2m)
    if chart is None or chart.why_not:
        return _not_staged(facts, rule, b2m, chart)
    doubt = _doubt(facts, rule, b2m)
    albumins, stale = myeloma.albumins_beside(facts, rule, b2m)
    intervals = (b2m.interval, doubt.interval) if doubt else (b2m.interval,)
    stages = frozenset[int]().union(*(myeloma.iss_stages(interval, albumins, rule) for interval in intervals))
    lowest = doubt.interval if doubt and doubt.is_lower else b2m.interval
    on_treatment, said = myeloma.note_on_treatment(facts, b2m, chart.course)
    before = _Before() if doubt else _before_drugs(facts, rule, b2m, chart.course, stages)
    notes = (on_treatment, *before.notes, *_notes_on_albumin(rule, lowest, albumins, stale=stale, stages=stages))
    notes += _notes_on_diagnosis(facts, rule, b2m, chart.problems, stages)
    if doubt:
        return _doubtful(facts, rule, b2m, albumins, doubt, notes, said)
    notes += _notes_on_b2m(rule, b2m, albumins, stages) + _notes_on_patient(facts, rule, b2m)
    return _staged(facts, rule, b2m, albumins, stages, notes, said, before)


def _not_staged(facts: Facts, rule: Rule, b2m: Result, chart: Myeloma | None) -> Finding | None:
    """Why there is no stage; nothing where the chart holds neither myeloma nor what precedes it."""
    if chart is None:
        return _without_myeloma(facts, rule, b2m)
    treated = chart.why_not == "treated"
    values = treatment.in_words(facts, chart.course.drugs) if treated else {}
    if chart.why_not == "staged_earlier":
        values = {"recorded": myeloma.staged_earlier(facts, rule, b2m)}
    asked = _whether_active(facts, rule, b2m) if chart.why_not == "smouldering" else _Asked()
    notes = ("regimen",) if treated and chart.course.by_regimen else ()
    return rule.finding(
        asked.outcome(chart.why_not),
        facts.specimen,
        values=values | asked.values,
        notes=(*notes, *asked.notes),
        inputs=(b2m, *asked.results),
    )


def _without_myeloma(facts: Facts, rule: Rule, b2m: Result) -> Finding | None:
    """Why there is no stage of what is no active myeloma: its treatment, and what asks whether it has become active."""
    disorder = myeloma.without_myeloma(facts)
    if disorder is None:
        return None
    asked = _whether_active(facts, rule, b2m) if disorder.key in myeloma.PRECURSORS else _Asked()
    course = myeloma.course_before(facts, b2m.when)
    treated = course.treatment is Treatment.BEGUN
    said = treatment.in_words(facts, course.drugs) if treated else {}
    return rule.finding(
        asked.outcome("precursor"),
        facts.specimen,
        values={"disease": disorder.label, **asked.values, **said},
        notes=(*asked.notes, *(("precursor_treated",) if treated else ())),
        inputs=(b2m, *asked.results),
    )


@dataclass(frozen=True, slots=True)
class _Asked:
    """The results that ask whether smouldering myeloma or MGUS has become active, and their words; none as a rule.

    ``of_kidney``: an earlier kidney disease may explain them, so that they are named and ask nothing.
    """

    results: tuple[Result, ...] = ()
    crab: str = ""
    of_kidney: bool = False

    def outcome(self, without: str) -> str:
        """The outcome that asks, in the place of the one ``without`` such results."""
        return f"{without}_crab" if self.results and not self.of_kidney else without

    @property
    def values(self) -> dict[str, str]:
        return {"crab": self.crab}

    @property
    def notes(self) -> tuple[str, ...]:
        if not self.results:
            return ()
        return ("crab_kidney",) if self.of_kidney else ("crab",)


def _whether_active(facts: Facts, rule: Rule, b2m: Result) -> _Asked:
    results = crab.beyond_limits(facts, rule, b2m)
    of_kidney = crab.is_of_earlier_kidney_disease(facts, results, *myeloma.PRECURSORS)
    return _Asked(results, context.in_words(results, b2m.when), of_kidney)


@dataclass(frozen=True, slots=True)
class _Before:
    """A B2M of before the drugs that may be treatment, where it gives other stages; nothing as a rule."""

    results: tuple[Result, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    headline: str = ""

    @property
    def notes(self) -> tuple[str, ...]:
        return ("before_drugs",) if self.results else ()


def _before_drugs(facts: Facts, rule: Rule, b2m: Result, course: Course, stages: frozenset[int]) -> _Before:
    before = last_before(facts, rule, b2m, course)
    otherwise = myeloma.iss_stages_of(facts, rule, before.result) if before else stages
    if before is None or otherwise == stages:
        return _Before()
    named = myeloma.numerals(otherwise)
    headline = before.in_headline(named) if len(otherwise) == 1 else ""
    return _Before((before.result,), before.values | {"earlier_stages": named}, headline)


@dataclass(frozen=True, slots=True)
class _Doubt:
    """What the B2M would be in another unit, and the outcome that says so; ``also``: the result that raised it."""

    outcome: str
    value: Decimal
    interval: Interval
    unit: str = ""
    is_lower: bool = False
    also: tuple[Result, ...] = ()


def _doubt(facts: Facts, rule: Rule, b2m: Result) -> _Doubt | None:
    """A value too low for its unit, else a jump by the factor between two units."""
    suspicion = b2m.suspicion
    if suspicion and suspicion.value is not None and suspicion.interval is not None:
        return _Doubt("unit_doubt", suspicion.value, suspicion.interval, suspicion.likely_unit)
    found = jump(facts, rule, b2m)
    if found is None:
        return None
    meant = found.interval_meant(b2m.interval)
    return _Doubt("jump", found.meant(b2m.value), meant, is_lower=found.rose, also=(found.before,))


def _doubtful(
    facts: Facts,
    rule: Rule,
    b2m: Result,
    albumins: tuple[Result, ...],
    doubt: _Doubt,
    notes: tuple[str, ...],
    said: dict[str, str],
) -> Finding:
    """The stage either way, deciding for neither."""
    as_filed = myeloma.iss_stages(b2m.interval, albumins, rule)
    otherwise = myeloma.iss_stages(doubt.interval, albumins, rule)
    values = {
        "filed": b2m.quantity,
        "as_filed": myeloma.numerals(as_filed),
        "otherwise": myeloma.numerals(otherwise),
        "unit": doubt.unit,
        "value": f"{b2m.comparator}{legible(doubt.value)} {b2m.unit}",
        **said,
    }
    return rule.finding(
        f"{doubt.outcome}_either_way" if as_filed == otherwise else doubt.outcome,
        facts.specimen,
        values=values,
        notes=notes,
        inputs=(b2m, *doubt.also, *albumins),
        thresholds=_LIMITS,
    )


def _staged(
    facts: Facts,
    rule: Rule,
    b2m: Result,
    albumins: tuple[Result, ...],
    stages: frozenset[int],
    notes: tuple[str, ...],
    said: dict[str, str],
    before: _Before,
) -> Finding:
    only = next(iter(stages)) if len(stages) == 1 else None
    albumin = _shown_together(albumins, rule.placeholders["albumin"] - len(_BESIDE))
    beside = f"{_BESIDE}{albumin}" if albumin else ""
    recorded = myeloma.recorded_otherwise(facts, "iss-stage", stages)
    notes = (*notes, "recorded_otherwise") if recorded else notes
    basis = (b2m, *albumins)
    values = {
        "b2m": b2m.display,
        "level": _shown(b2m, rule.placeholders["level"]),
        "stages": myeloma.numerals(stages),
        "albumin": albumin if only == 1 else beside,
        "condition": _condition(facts, before),
        "off_dialysis": myeloma.off_dialysis(facts),
        **before.values,
        **myeloma.also_raised(facts).values,
    }
    return rule.finding(
        f"stage_{only}" if only else "several",
        facts.specimen,
        values=values | said | {"recorded": recorded},
        notes=notes,
        inputs=(*basis, *before.results, *context.beside(facts, b2m.when, rule.value("context_days_to"), *_CONTEXT)),
        thresholds=_LIMITS,
        proposals=stage_to_file("iss-stage", myeloma.numerals(stages), notes, basis) if only else (),
    )


_BESIDE = ", albumin "
_NOT_ON_DIALYSIS = " and not on dialysis"
_MAY_RAISE_B2M = " ({} may raise B2M)"


def _condition(facts: Facts, before: _Before) -> str:
    """What the headline says of the stage beside its being one of new, untreated disease."""
    if states.dialysis(facts) is states.Dialysis.UNCLEAR:
        return _NOT_ON_DIALYSIS
    if before.headline:
        return before.headline
    other = myeloma.also_raised(facts).abbreviated
    return _MAY_RAISE_B2M.format(other) if other else ""


def _shown(result: Result, longest: int) -> str:
    return result.display if len(result.display) <= longest else result.quantity


def _shown_together(results: tuple[Result, ...], longest: int) -> str:
    """The results of one day; the first alone where there is no room for all."""
    filed = " and ".join(dict.fromkeys(_shown(result, longest) for result in results))
    numbers = " and ".join(dict.fromkeys(f"{result.comparator}{result.shown}" for result in results))
    every = (filed, *(f"{numbers} {result.unit}" for result in results[:1]))
    return next((said for said in every if len(said) <= longest), _shown(results[0], longest) if results else "")


def _notes_on_albumin(
    rule: Rule, b2m: Interval, albumins: tuple[Result, ...], *, stale: bool, stages: frozenset[int]
) -> tuple[str, ...]:
    if b2m.is_below(rule.value("b2m_stage_1_below")) is False:
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
    limits = {"near_stage_1": rule.value("b2m_stage_1_below"), "near_stage_3": rule.value("b2m_stage_3_from")}
    if any(b2m.interval.is_below(limit) is None for limit in limits.values()):
        return ("b2m_unclear",) if len(stages) > 1 else ()
    share = rule.value("near_percent_to") / 100
    near = {note: limit for note, limit in limits.items() if abs(b2m.value - limit) <= limit * share}
    around = {note: Interval(limit * (1 - share), limit * (1 + share)) for note, limit in near.items()}
    matter = (note for note, either in around.items() if myeloma.iss_stages(either, albumins, rule) != stages)
    return () if b2m.comparator else tuple(matter)


def _notes_on_diagnosis(
    facts: Facts, rule: Rule, b2m: Result, problems: tuple[Problem, ...], stages: frozenset[int]
) -> tuple[str, ...]:
    undated = not any(p.onset for p in problems)
    fewest, most = states.days_from_diagnosis(facts, b2m.when, "myeloma") or (0, 0)
    asked = {
        "diagnosed_earlier": fewest > rule.value("untreated_days_to"),
        "confirm_active": _is_coded(problems, "C900") and not crab.beyond_limits(facts, rule, b2m),
        "smouldering_too": bool(states.active(facts, "smouldering-myeloma")),
        "mgus_too": bool(states.active(facts, "mgus-or-smouldering")),
        "light_chain": bool(stages & _ALIKE_IN_LIGHT_CHAIN_MYELOMA) and _is_coded(problems, _LIGHT_CHAIN_MYELOMA),
        "al_amyloidosis": bool(states.active(facts, myeloma.AL_AMYLOIDOSIS)),
        "plasma_cell_leukaemia": bool(states.active(facts, "plasma-cell-leukaemia")),
        "onset_unknown": undated or most > rule.value("diagnosis_days_to"),
        "status_unstated": any(not (p.clinical_status and p.verification_status) for p in problems),
    }
    return tuple(note for note, holds in asked.items() if holds)


def _is_coded(problems: Iterable[Problem], *begins: str) -> bool:
    """Whether any of the problems carries a code that begins so, its dot aside."""
    codes = (code.replace(".", "").upper() for p in problems for code in p.code.split())
    return any(code.startswith(begins) for code in codes)


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
    return (*(note for note, holds in asked.items() if holds), *myeloma.also_raised(facts).notes)
