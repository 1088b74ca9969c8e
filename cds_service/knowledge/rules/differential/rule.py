"""What speaks for and against each family of causes of a raised serum B2M that the chart does not explain."""

from dataclasses import dataclass

from cds_service.facts import Facts, Presence, Problem, Result
from cds_service.knowledge import context, kidney, levels, series, states, terms
from cds_service.knowledge.kidney import KidneyFunction
from cds_service.knowledge.model import Finding, Rule
from cds_service.knowledge.treatment import current_drugs, list_is_whole

_FAMILIES = ("kidney", "cancer", "inflammation", "infection", "transplant", "liver")
_LISTS = ("conditions", "procedures")
_CALCIUM = ("calcium-corrected", "calcium-corrected-moles", "calcium", "calcium-moles")
#: What speaks for a family, each as the analytes that stand for it (the best first, the plainest last)
#: and the side of its range that does.
_LYMPHOID = (
    (_CALCIUM, "high"), (("hemoglobin", "hemoglobin-moles"), "low"), (("lymphocytes",), "high"),
    (("platelets",), "low"), (("ldh",), "high"), (("m-protein",), "high"),
)  # fmt: skip
_INFLAMMATION = ((("crp",), "high"), (("esr",), "high"), (("ferritin",), "high"))


@dataclass(frozen=True, slots=True)
class _Kidney:
    """What the kidney says, and whether that is known to be no explanation."""

    words: str
    known: bool
    function: KidneyFunction | None = None
    beyond: bool = False


#: A precursor does not explain a raised level: what it may have become is the question.
_PRECURSORS = {"mgus-or-smouldering", "smouldering-myeloma"}


def evaluate(facts: Facts, rule: Rule) -> Finding | None:
    """Speaks only of a level known to be raised that nothing known explains."""
    b2m = context.readable(facts)
    if b2m is None or states.dialysis(facts) is not states.Dialysis.NO or _is_explained(facts, rule, b2m):
        return None
    function = _kidney(facts, rule, b2m)
    level = levels.of_serum(facts, rule, b2m)
    if not level.above or function is None:
        return None
    lymphoid, inflammation = (_beside(facts, rule, b2m, tests) for tests in (_LYMPHOID, _INFLAMMATION))
    values = {
        "kidney": _joined(function.words, *_diagnoses(facts, "kidney")),
        "lymphoid": _joined(*_judged(facts, lymphoid), *_diagnoses(facts, "cancer")),
        "inflammation": _joined(*_judged(facts, inflammation), *_diagnoses(facts, "inflammation")),
        "infection": _joined(_hiv(facts), *_diagnoses(facts, "infection")),
        "transplant": _joined(_transplant(facts), *_diagnoses(facts, "transplant")),
    }
    complete = function.known and list_is_whole(facts) and not facts.unknown & set(_LISTS)
    found = [r for _, _, r in (*lymphoid, *inflammation) if r]
    outcome = "unexplained" if complete else "open"
    return rule.finding(
        "beyond_kidney" if function.beyond else outcome,
        facts.specimen,
        values=values,
        inputs=(b2m, *([function.function.result] if function.function else []), *found),
        thresholds=(*level.thresholds, "others_days_to", *(("apart_fold_above",) if function.beyond else ())),
    )


def _is_explained(facts: Facts, rule: Rule, b2m: Result) -> bool:
    days = rule.value("kidney_days_to")
    kidney_is_enough = not _is_beyond(facts, rule, b2m, kidney.estimates(facts, b2m.when, days))
    explaining = {family for family in _FAMILIES if family != "kidney" or kidney_is_enough}
    diagnosed = any(
        states.is_active(p) and states.is_confirmed(p) and p.family in explaining and p.key not in _PRECURSORS
        for p in facts.problems
    )
    grafted = any(p.key.endswith("transplantation") for p in facts.procedures)
    return diagnosed or grafted or bool(current_drugs(facts, b2m.when, rule.value("drug_days_to"), "raises-serum-b2m"))


def _is_beyond(facts: Facts, rule: Rule, b2m: Result, found: tuple[KidneyFunction, ...]) -> bool:
    """Whether steady, reduced kidney function of an adult is surely too little to explain the level alone."""
    days, fold = rule.value("kidney_days_to"), rule.value("unsteady_fold_from")
    steady = not kidney.creatinine_is_unsteady(facts, b2m.when, days, fold)
    steady = steady and not states.acute_kidney_injury(facts, b2m.when)
    adult = states.is_child(facts, b2m.when) is False
    reduced = {function.egfr.is_below(rule.value("reduced_below")) for function in found} == {True}
    return adult and steady and reduced and kidney.is_far_above(b2m, found, rule.value("apart_fold_above"))


def _kidney(facts: Facts, rule: Rule, b2m: Result) -> _Kidney | None:
    """None where kidney function is reduced beyond doubt and the level no higher than that may explain."""
    days, reduced = rule.value("kidney_days_to"), rule.value("reduced_below")
    if changed := kidney.unsteady_creatinine(facts, b2m.when, days, rule.value("unsteady_fold_from")):
        return _Kidney(_change(*changed), known=False)
    if states.acute_kidney_injury(facts, b2m.when):
        return _Kidney("no eGFR in acute kidney injury, open", known=False)
    found = kidney.estimates(facts, b2m.when, days)
    if not found:
        return _Kidney("function not known", known=False)
    answers = {function.egfr.is_below(reduced) for function in found}
    normal = rule.value("against_kidney_from")
    egfr = f"eGFR {kidney.whole(found[0].egfr, (reduced, normal))} mL/min/1.73 m2"
    if answers == {True}:
        words = f"{egfr}, reduced (for), but the level is far above what adults had at such a GFR"
        return _Kidney(words, True, found[0], beyond=True) if _is_beyond(facts, rule, b2m, found) else None
    against = all(function.egfr.is_below(normal) is False for function in found)
    sides = f"estimates on either side of {reduced}, open" if {True, False} <= answers else "open"
    return _Kidney(f"{egfr}, {'against' if against else sides}", answers == {False}, found[0])


def _change(before: Result, after: Result) -> str:
    """A creatinine that rose speaks for the kidney; one that fell leaves open what is left of it."""
    rose = after.value > before.value
    between = f"from {series.amount(before)} ({series.day_of(before.when)}) to {series.amount(after)}"
    return f"creatinine {'rose' if rose else 'fell'} {between}, not steady ({'for' if rose else 'open'})"


_Tests = tuple[tuple[tuple[str, ...], str], ...]
_Found = list[tuple[str, str, Result | None]]


def _beside(facts: Facts, rule: Rule, b2m: Result, tests: _Tests) -> _Found:
    """The key of each test, the side that speaks for the family, and the result nearest to the B2M, if any."""
    days = rule.value("others_days_to")
    return [(keys[-1], side, next(iter(context.beside(facts, b2m.when, days, *keys)), None)) for keys, side in tests]


def _judged(facts: Facts, found: _Found) -> list[str]:
    """Each result with its verdict, then what there is none of, apart from what was not sent in full."""
    said = [f"{_name(r.analyte)} {series.amount(r)} ({_verdict(r, side)})" for _, side, r in found if r]
    absent = [key for key, _, r in found if not r]
    unsent = [key for key in absent if terms.analytes()[key].group in facts.unknown]
    none = [_name(key) for key in absent if key not in unsent]
    said += [f"none at hand: {', '.join(none)}"] if none else []
    return said + ([f"not sent in full, unknown: {', '.join(map(_name, unsent))}"] if unsent else [])


def _name(key: str) -> str:
    return terms.analytes()[key].short


def _verdict(result: Result, side: str) -> str:
    """By the result's own range; a result without the limit that matters is shown without a verdict."""
    given = result.reference_range
    if given is None or (given.high if side == "high" else given.low) is None:
        return "no limit given"
    beyond = given.is_exceeded_by(result.central) if side == "high" else _is_low(result)
    return "open" if beyond is None else f"{side}, for" if beyond else f"not {side}, against"


def _is_low(result: Result) -> bool | None:
    given = result.reference_range
    return result.central.is_below(given.low) if given and given.low is not None else None


def _diagnoses(facts: Facts, family: str) -> list[str]:
    """Diagnoses of the family that explain nothing by themselves: not enough for it, only suspected, or over."""
    of_family = [p for p in facts.problems if p.family == family and p.verification_status not in states.REFUTED]
    active = [p for p in of_family if states.is_active(p)]
    listed = {
        "in the problem list: {} (for)": _labels([p for p in active if states.is_confirmed(p)]),
        "suspected, not confirmed: {} (for)": _labels([p for p in active if not states.is_confirmed(p)]),
        "recorded as over: {} (open)": _labels([p for p in of_family if not states.is_active(p)]),
    }
    return [said.format(labels) for said, labels in listed.items() if labels]


def _labels(problems: list[Problem]) -> str:
    labels = list(dict.fromkeys(p.label for p in problems))
    return ", ".join(labels[:_MOST_LABELS]) + (" and others" if len(labels) > _MOST_LABELS else "")


_MOST_LABELS = 2


def _hiv(facts: Facts) -> str:
    screens = {c.presence for c in facts.coded if c.item == "hiv-screen" and not c.provisional}
    if not screens:
        hiv = "HIV test not sent, unknown" if "other" in facts.unknown else "no HIV test at hand"
        return f"{hiv}; bacterial infection is not looked for"
    return f"{_hiv_screens(screens)}; bacterial infection is not looked for"


def _hiv_screens(screens: set[Presence]) -> str:
    if Presence.PRESENT in screens:
        return "HIV antibody/antigen reported present (for)"
    return "HIV antibody/antigen absent (against)" if screens == {Presence.ABSENT} else "HIV test unclear (open)"


def _transplant(facts: Facts) -> str:
    if facts.unknown & set(_LISTS):
        return "problem list or procedures not complete, unknown"
    return "none in problem list or procedures (against)"


def _joined(*said: str) -> str:
    return "; ".join(said)
