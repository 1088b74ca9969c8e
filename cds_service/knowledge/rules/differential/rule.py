"""What speaks for and against each family of causes of a raised serum B2M that the chart does not explain."""

from dataclasses import dataclass

from cds_service.facts import Facts, Presence, Problem, Result
from cds_service.knowledge import context, kidney, levels, series, states, terms
from cds_service.knowledge.kidney import KidneyFunction
from cds_service.knowledge.model import Finding, Rule
from cds_service.knowledge.treatment import current_drugs, drugs_of, list_is_whole

_FAMILIES = ("kidney", "cancer", "inflammation", "infection", "transplant", "liver")
_LISTS = ("conditions", "procedures")
_SET_APART = ("confirmed", "precursor", "remission")
_TELLING_DRUGS = {"anti-myeloma": "myeloma", "anti-lymphoma": "CLL, lymphoma and Waldenström"}
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


#: What a precursor may have become is the question.
_PRECURSORS = {"mgus-or-smouldering", "smouldering-myeloma"}


def _explains_little(problem: Problem) -> bool:
    """Whether a diagnosis leaves a raised level to explain: a precursor, a remission, an acute infection."""
    little = problem.key in _PRECURSORS or problem.key in states.ACUTE_INFECTIONS
    return little or states.is_in_remission(problem)


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
    of = _in_the_list(facts, b2m)
    others = [said for family in ("inflammation", "infection", "transplant") for said in of[family]]
    values = {
        "none": _none(facts, b2m),
        "kidney": _joined(function.words, *of["kidney"]),
        "lymphoid": _joined(*of["cancer"], *_drugs(facts, of["cancer"]), *_judged(lymphoid)) or "nothing at hand",
        "others": _joined(*others, *_judged(inflammation), *_hiv(facts), _transplant(facts)),
        "missing": _missing(facts, [*lymphoid, *inflammation]),
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
        states.is_active(p) and states.is_confirmed(p) and p.family in explaining and not _explains_little(p)
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


def _judged(found: _Found) -> list[str]:
    """Each result with its verdict."""
    return [f"{_name(r.analyte)} {series.amount(r)} ({_verdict(r, side)})" for _, side, r in found if r]


def _missing(facts: Facts, tests: _Found) -> str:
    """What there is no result of, apart from what was not sent in full, and what is not looked for."""
    absent = [(_name(key), terms.analytes()[key].group) for key, _, r in tests if not r]
    absent += [] if _screens(facts) else [("HIV test", "other")]
    unsent = [name for name, group in absent if group in facts.unknown]
    none = [name for name, _ in absent if name not in unsent]
    said = [f"not at hand: {', '.join(none)}"] if none else []
    said += [f"not sent in full, unknown: {', '.join(unsent)}"] if unsent else []
    told = _joined(*said, "not looked for: bacterial infection other than pneumonia and sepsis")
    return told[0].upper() + told[1:]


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


#: How an entry of the problem list stands to the level, in the order in which it is said.
_STANDINGS = {
    "confirmed": "in the problem list: {} (for)",
    "precursor": "in the problem list: {} (open: has it progressed?)",
    "remission": "in remission by the problem list: {} (relapse open)",
    "suspected": "suspected, not confirmed: {} (for)",
    "over": "recorded as over: {} (open)",
}


def _in_the_list(facts: Facts, b2m: Result) -> dict[str, list[str]]:
    """By family, the diagnoses that explain nothing by themselves, each with how it stands to the level."""
    found: dict[str, dict[str, list[str]]] = {family: {} for family in _FAMILIES}
    for problem in _counting(facts, b2m):
        family = "cancer" if problem.key.endswith("-remission") else problem.family
        found.setdefault(family, {}).setdefault(_standing(problem), []).append(_bare(problem))
    return {
        family: [said.format(_listed(labels[name])) for name, said in _STANDINGS.items() if name in labels]
        for family, labels in found.items()
    }


def _counting(facts: Facts, b2m: Result) -> list[Problem]:
    """The entries that were not refuted; of acute infection only what may still be acute."""
    acute = states.acute_infections(facts, b2m.when)
    told = (p for p in facts.problems if p.verification_status not in states.REFUTED)
    return [p for p in told if p.key not in states.ACUTE_INFECTIONS or p in acute]


def _standing(problem: Problem) -> str:
    if states.is_in_remission(problem):
        return "remission"
    if not states.is_active(problem):
        return "over"
    if not states.is_confirmed(problem):
        return "suspected"
    return "precursor" if problem.key in _PRECURSORS else "confirmed"


def _none(facts: Facts, b2m: Result) -> str:
    """The beginning of the sentence that nothing explains the level: what leaves that open is set apart."""
    apart = [p for p in _counting(facts, b2m) if _explains_little(p) and _standing(p) in _SET_APART]
    labels = [f"{_bare(p)} in remission" if states.is_in_remission(p) else p.label for p in apart]
    return f"Apart from {_listed(labels)}, none" if labels else "None"


def _bare(problem: Problem) -> str:
    return problem.label.removesuffix(" in remission")


def _listed(labels: list[str]) -> str:
    each = list(dict.fromkeys(labels))
    return ", ".join(each[:_MOST_LABELS]) + (" and others" if len(each) > _MOST_LABELS else "")


def _drugs(facts: Facts, diagnosed: list[str]) -> list[str]:
    """Drugs that are given above all in a disease that explains the level, beside what is said of such diagnoses."""
    whole = not diagnosed and "conditions" not in facts.unknown
    said = "open: no such diagnosis in the problem list" if whole else "open"
    given = {uses: [m.label for m in drugs_of(facts, name)] for name, uses in _TELLING_DRUGS.items()}
    return [
        f"in the medication list: {_listed(drugs)}, used in {uses} among others ({said})"
        for uses, drugs in given.items()
        if drugs
    ]


_MOST_LABELS = 2


def _screens(facts: Facts) -> set[Presence]:
    return {c.presence for c in facts.coded if c.item == "hiv-screen" and not c.provisional}


def _hiv(facts: Facts) -> list[str]:
    screens = _screens(facts)
    if Presence.PRESENT in screens:
        return ["HIV antibody/antigen reported present (for)"]
    unclear = ["HIV test unclear (open)"] if screens else []
    return ["HIV antibody/antigen absent (against)"] if screens == {Presence.ABSENT} else unclear


def _transplant(facts: Facts) -> str:
    if facts.unknown & set(_LISTS):
        return "transplant unknown, problem list or procedures not complete"
    return "no transplant in problem list or procedures (against)"


def _joined(*said: str) -> str:
    return "; ".join(said)
