"""The IMS/IMWG 2025 criteria of high-risk myeloma: which are met, which are not, and which are not known."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from cds_service.facts import Facts, Result
from cds_service.knowledge import cytogenetics, myeloma, scores, states
from cds_service.knowledge.before_drugs import last_before
from cds_service.knowledge.cytogenetics import Lesion, State
from cds_service.knowledge.equations import CREATININE_UMOL_PER_MG_DL
from cds_service.knowledge.kidney import creatinine_is_unsteady, kidney_function, whole
from cds_service.knowledge.model import Finding, Rule
from cds_service.knowledge.myeloma import AlsoRaised

_LESIONS = (
    "del-17p", "tp53-mutation", "t-4-14", "t-14-16", "t-14-20", "gain-1q", "del-1p32", "del-1p32-biallelic",
)  # fmt: skip
_CRITERIA = {
    1: "del(17p) or TP53 (1)",
    2: "IGH translocation with 1q gain or del(1p32) (2)",
    3: "del(1p32) of both copies or with 1q gain (3)",
    4: "high B2M with normal creatinine (4)",
}
_GENETIC = "the three genetic criteria (1 to 3)"
#: What the headline adds where criterion 4 alone is met and something may explain that.
_KIDNEY_MAY_CONTRIBUTE = " (criterion 4; kidney may contribute)"
_CREATININE_NEAR = " (criterion 4; creatinine near limit)"
_BEFORE_DRUGS = "before_drugs"
_B2M_ALONE = " (criterion 4 alone)"


def evaluate(facts: Facts, rule: Rule) -> Finding | None:
    """Judges each criterion for itself; what was not tested is not known."""
    b2m = myeloma.to_stage(facts, rule)
    if b2m is None:
        return None
    lesions = {key: cytogenetics.lesion(facts, rule, b2m, key) for key in _LESIONS}
    shares = cytogenetics.del_17p_shares(facts, rule, b2m)
    known, kidney = _known(lesions, shares, rule), _criterion_4(facts, rule, b2m)
    criteria = cytogenetics.genetic_criteria(known) | {4: kidney.met}
    earlier = "" if True in criteria.values() else _met_earlier(lesions, shares, rule, b2m)
    coded = cytogenetics.used(lesions.values())
    told = bool(coded or shares or earlier) or _BEFORE_DRUGS in kidney.notes
    if not told and b2m.interval.is_below(rule.value("b2m_stage_3_from")):
        return None
    reported, missing = bool(shares) or cytogenetics.reported(lesions.values()), _missing(lesions, shares)
    also = myeloma.also_raised(facts)
    said = {"missing": missing, "rests_on": _rests_on(criteria, kidney, also)}
    said["found_earlier"] = cytogenetics.if_found_earlier(earlier)
    asked = {
        **dict.fromkeys(kidney.notes, True),
        "missing": bool(missing) and (bool(shares) or set(known.values()) != {None}),
        _share_note(lesions["del-17p"], shares, rule): criteria[1] is None,
        "outside": any(lesion.state is State.OUTSIDE for lesion in lesions.values()),
        "combined_probe": cytogenetics.combined_probe(facts),
    }
    return rule.finding(
        _outcome(criteria),
        facts.specimen,
        values=_named(criteria, reported=reported) | kidney.values | also.values | said,
        notes=(*(note for note, holds in asked.items() if note and holds), *also.notes),
        inputs=(b2m, *kidney.results, *shares),
        coded=coded,
        thresholds=("b2m_stage_3_from", "creatinine_below", *(("del_17p_cells_above",) if shares else ())),
    )


def _known(lesions: dict[str, Lesion], shares: tuple[Result, ...], rule: Rule) -> dict[str, bool | None]:
    """Whether each abnormality is there, del(17p) in enough of the clone."""
    in_clone = cytogenetics.del_17p_in_clone(lesions["del-17p"], shares, rule)
    return {key: lesion.present for key, lesion in lesions.items()} | {"del-17p": in_clone}


def _met_earlier(lesions: dict[str, Lesion], shares: tuple[Result, ...], rule: Rule, b2m: Result) -> str:
    """The genetic criteria that would be met if what was found too long before the B2M counted, and what was found."""
    counted = cytogenetics.found_earlier_counted(lesions, b2m)
    criteria = cytogenetics.genetic_criteria(_known(counted, shares, rule))
    met = [str(number) for number, holds in criteria.items() if holds]
    found = cytogenetics.described(lesion for lesion in counted.values() if lesion.present)
    return f"criteri{'a' if len(met) > 1 else 'on'} {' and '.join(met)} would be met: {found}" if met else ""


def _share_note(called: Lesion, shares: tuple[Result, ...], rule: Rule) -> str:
    """Why what is reported of del(17p) does not tell whether it is in enough of the clone; "" where nothing is."""
    if not shares:
        return "share_missing" if called.present else ""
    above = any(share.interval.is_above(rule.value("del_17p_cells_above")) for share in shares)
    return "share_contradicts" if above else "share_low"


def _outcome(criteria: dict[int, bool | None]) -> str:
    judged = set(criteria.values())
    if True in judged:
        return "high_risk"
    if judged == {None}:
        return "not_known"
    return "none_met_among_tested" if None in judged else "none_met"


def _named(criteria: dict[int, bool | None], *, reported: bool) -> dict[str, str]:
    """The criteria in words, by what they came to; the genetic ones in one where nothing of them was ``reported``.

    ``rest``: those that are not met and not known, as sentences.
    """
    said = _CRITERIA if reported else {**dict.fromkeys(_CRITERIA, _GENETIC), 4: _CRITERIA[4]}
    names = {"met": True, "not_met": False, "not_known": None}
    listed = {name: [said[n] for n, met in criteria.items() if met is judged] for name, judged in names.items()}
    named = {name: "; ".join(dict.fromkeys(found)) for name, found in listed.items()}
    rest = {"Not met": named["not_met"], "Not known": named["not_known"]}
    return named | {"rest": " ".join(f"{begins}: {found}." for begins, found in rest.items() if found)}


def _missing(lesions: dict[str, Lesion], shares: tuple[Result, ...]) -> str:
    """The abnormalities of which nothing is known; the second copy of 1p32 only where one is lost."""
    implied = {"del-1p32-biallelic"} if lesions["del-1p32"].present is not True else set()
    implied |= {"del-17p"} if shares else set()
    return cytogenetics.described(
        lesion for key, lesion in lesions.items() if lesion.present is None and key not in implied
    )


@dataclass(frozen=True, slots=True)
class _Criterion4:
    met: bool | None
    notes: tuple[str, ...] = ()
    results: tuple[Result, ...] = ()
    creatinine: str = ""
    egfr: str = ""
    before: Mapping[str, str] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, str]:
        """What its notes are filled with."""
        return {"creatinine": self.creatinine, "egfr": self.egfr, **self.before}


def _criterion_4(facts: Facts, rule: Rule, b2m: Result) -> _Criterion4:
    """B2M with the creatinine of the nearest day; not judged while the kidney is not in a steady state."""
    window = rule.value("kidney_pairing_days_to")
    below = b2m.interval.is_below(rule.value("b2m_stage_3_from"))
    near = facts.within(("creatinine",), b2m.when, window)
    if states.acute_kidney_injury(facts, b2m.when):
        return _Criterion4(None, ("acute_kidney_injury",))
    if states.pregnant(facts, b2m.when):
        return _Criterion4(None, ("pregnancy",))
    if creatinine_is_unsteady(facts, b2m.when, window, rule.value("unsteady_fold_from")):
        return _Criterion4(None, ("unsteady",), near)
    if below:
        return _too_low(facts, rule, b2m)
    if states.dialysis(facts) is states.Dialysis.UNCLEAR:
        return _Criterion4(None, ("dialysis_unclear",))
    if not near:
        return _Criterion4(None, ("creatinine_missing",))
    same_day = tuple(r for r in near if r.when.last == near[0].when.last)
    limit = _creatinine_limit(rule)
    sides = {r.interval.is_below(limit) for r in same_day}
    if len(sides) > 1 or None in sides:
        return _Criterion4(None, ("creatinine_unclear",), same_day)
    (normal,), high = sides, True if below is False else None
    return _with_egfr(facts, rule, b2m, same_day, cytogenetics.all_of(high, normal), normal=normal)


def _too_low(facts: Facts, rule: Rule, b2m: Result) -> _Criterion4:
    """A B2M too low for the criterion; not known where one of before the drugs that may be treatment was not."""
    before = last_before(facts, rule, b2m, myeloma.course_before(facts, b2m.when))
    if before is None or before.result.interval.is_below(rule.value("b2m_stage_3_from")) is not False:
        return _Criterion4(False)
    near = facts.within(("creatinine",), before.result.when, rule.value("kidney_pairing_days_to"))
    same_day = tuple(r for r in near if r.when.last == near[0].when.last)
    sides = {r.interval.is_below(_creatinine_limit(rule)) for r in same_day}
    if sides == {False}:
        return _Criterion4(False)
    would = "would turn on creatinine"
    if sides == {True}:
        would = f"would be met, creatinine then {same_day[0].display}"
    results = (before.result, *same_day)
    return _Criterion4(None, (_BEFORE_DRUGS,), results, before={**before.values, "would": would})


def _with_egfr(
    facts: Facts, rule: Rule, b2m: Result, creatinines: tuple[Result, ...], met: bool | None, *, normal: bool | None
) -> _Criterion4:
    """The criterion with the eGFR beside it, and what the two together say."""
    reduced = rule.value("reduced_egfr_below")
    kidney = kidney_function(facts, b2m.when, rule.value("kidney_pairing_days_to"))
    egfr = f"{whole(kidney.egfr, (reduced,))} mL/min/1.73 m2, {kidney.source}" if kidney else "not known"
    low = kidney is not None and kidney.egfr.is_below(reduced) is not False
    note = "creatinine_raised" if not normal else "kidney_reduced" if low else "kidney"
    notes = (note, "creatinine_near") if _is_near(rule, creatinines) else (note,)
    return _Criterion4(met, notes, creatinines, creatinines[0].display, egfr)


def _rests_on(criteria: dict[int, bool | None], kidney: _Criterion4, also: AlsoRaised) -> str:
    """For the headline: that the risk rests on the B2M alone, and what may contribute to that."""
    if [number for number, met in criteria.items() if met] != [4]:
        return ""
    doubts = {"kidney_reduced": _KIDNEY_MAY_CONTRIBUTE, "creatinine_near": _CREATININE_NEAR}
    said = (words for note, words in doubts.items() if note in kidney.notes and not also.notes)
    return next(said, _B2M_ALONE)


def _creatinine_limit(rule: Rule) -> Decimal:
    """In umol/L, unrounded."""
    return rule.value("creatinine_below") * CREATININE_UMOL_PER_MG_DL


def _is_near(rule: Rule, creatinines: tuple[Result, ...]) -> bool:
    limit, percent = _creatinine_limit(rule), rule.value("creatinine_near_percent_to")
    return any(scores.is_near(creatinine, limit, percent) for creatinine in creatinines)
