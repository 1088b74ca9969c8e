"""What speaks for and against each family of causes of a raised serum B2M that the chart does not explain."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cds_service.facts import Facts, Medication, Presence, Problem, Result
from cds_service.knowledge import context, kidney, levels, series, states, terms, unrecognised, verdicts
from cds_service.knowledge.kidney import KidneyFunction
from cds_service.knowledge.levels import Level
from cds_service.knowledge.model import Finding, Proposal, Rule
from cds_service.knowledge.proposals import order_of
from cds_service.knowledge.treatment import LITHIUM, current_drugs, drugs_of, list_is_whole
from cds_service.knowledge.verdicts import Companion, Judged, Side

_FAMILIES = ("kidney", "cancer", "inflammation", "infection", "transplant", "liver")
_LISTS = ("conditions", "procedures")
_SET_APART = ("confirmed", "precursor", "remission")
_TELLING_DRUGS = {"anti-myeloma": "myeloma", "anti-lymphoma": "CLL, lymphoma and Waldenström"}
_CALCIUM = ("calcium-corrected", "calcium-corrected-moles", "calcium", "calcium-moles")
_LYMPHOID = (
    Companion(_CALCIUM, Side.HIGH),
    Companion(("hemoglobin", "hemoglobin-moles"), Side.LOW),
    Companion(("lymphocytes",), Side.HIGH),
    Companion(("platelets",), Side.LOW),
    Companion(("ldh",), Side.HIGH),
    Companion(("igm",), Side.HIGH, asked=False),
)
#: What no kidney, inflammation or infection gives by itself.
_MONOCLONAL = (Companion(("m-protein",), Side.FOUND), Companion(("free-light-chain-ratio",), Side.EITHER))
_INFLAMMATION = (verdicts.CRP, verdicts.ESR, verdicts.FERRITIN)
_HIV_RNA = "hiv-rna"
_VIRAL = (
    Companion((_HIV_RNA,), Side.FOUND, asked=False),
    Companion(("cd4",), Side.LOW, asked=False),
    Companion(("cmv-dna",), Side.FOUND, asked=False),
    Companion(("ebv-dna",), Side.FOUND, asked=False),
)


@dataclass(frozen=True, slots=True)
class _Kidney:
    """What the kidney says, whether that is known to be no explanation, or enough of one."""

    words: str
    known: bool
    function: KidneyFunction | None = None
    beyond: bool = False
    enough: bool = False
    split: bool = False

    @property
    def inputs(self) -> tuple[Result, ...]:
        """The result that function was taken from, if any."""
        return (self.function.result,) if self.function else ()


@dataclass(frozen=True, slots=True)
class _Near:
    """The results near the B2M, by what they are looked at for."""

    lymphoid: tuple[Judged, ...]
    monoclonal: tuple[Judged, ...]
    inflammation: tuple[Judged, ...]
    viral: tuple[Judged, ...]

    @property
    def all(self) -> tuple[Judged, ...]:
        """Every test in the order of the card."""
        return (*self.lymphoid, *self.monoclonal, *self.inflammation, *self.viral)

    @property
    def marker(self) -> str:
        """The M-protein that is there, else a free light chain ratio beyond its limits; "" without either."""
        return next((one.with_side() for one in self.monoclonal if one.speaks_for), "")


#: What a precursor may have become is the question.
_PRECURSORS = {"mgus-or-smouldering", "smouldering-myeloma"}
#: Of which a raised level is described in few, or in series that disagree: no reason to close the question.
_WEAK = {"carcinoma", "liver-disease"}


def _explains_little(problem: Problem) -> bool:
    """Whether a diagnosis leaves a raised level to explain: a precursor, a remission, an acute infection, a weak."""
    little = problem.key in _PRECURSORS | _WEAK or problem.key in states.ACUTE_INFECTIONS
    return little or states.is_in_remission(problem)


def evaluate(facts: Facts, rule: Rule) -> Finding | None:
    """Speaks of a level known to be raised: that nothing known explains, or that explains no monoclonal protein."""
    b2m = context.readable(facts)
    if b2m is None or states.dialysis(facts) is not states.Dialysis.NO:
        return None
    level = levels.of_serum(facts, rule, b2m)
    if not level.above:
        return None
    days = rule.value("others_days_to")
    near = _Near(*(verdicts.near(facts, b2m, days, t) for t in (_LYMPHOID, _MONOCLONAL, _INFLAMMATION, _VIRAL)))
    function = _kidney(facts, rule, b2m, level)
    explained = _explained_by(facts, rule, b2m, function)
    if explained:
        return _monoclonal(facts, rule, b2m, near, explained, level)
    left = (
        _monoclonal(facts, rule, b2m, near, ["kidney function that may be reduced"], level) if function.split else None
    )
    return left or _for_and_against(facts, rule, b2m, near, function, level)


def _for_and_against(facts: Facts, rule: Rule, b2m: Result, near: _Near, function: _Kidney, level: Level) -> Finding:
    of, unread = _in_the_list(facts, b2m), unrecognised.problems(facts)
    others = [
        said for family in ("inflammation", "infection", "transplant", "liver", "carcinoma") for said in of[family]
    ]
    weak = [f"in the medication list: {_listed(drugs)} (open)"] if (drugs := _weak_drugs(facts, rule, b2m)) else []
    lymphoid = [*of["cancer"], *_drugs(facts, of["cancer"]), *_judged(near.lymphoid), *_judged(near.monoclonal)]
    viral = [*_judged(near.inflammation), *_judged(near.viral), *_hiv(facts)]
    values = {
        "none": _none(facts, b2m, drugs),
        "unread": unread,
        "kidney": _joined(function.words, *of["kidney"]),
        "lymphoid": _joined(*lymphoid) or f"nothing {'recognised' if unread else 'at hand'}",
        "others": _joined(*others, *weak, *viral, _transplant(facts)),
        "missing": _missing(facts, near),
        "marker": near.marker,
    }
    complete = function.known and list_is_whole(facts) and not facts.unknown & set(_LISTS)
    outcome = "unexplained" if complete else "open"
    return rule.finding(
        "beyond_kidney" if function.beyond else outcome,
        facts.specimen,
        values=values,
        inputs=(b2m, *function.inputs, *(one.result for one in near.all if one.result)),
        thresholds=(*level.thresholds, "others_days_to", *(("apart_fold_above",) if function.beyond else ())),
        proposals=_orders(facts, rule, near),
    )


def _monoclonal(
    facts: Facts, rule: Rule, b2m: Result, near: _Near, explained: Sequence[str], level: Level
) -> Finding | None:
    """What the explanation leaves over; None without it, or where a plasma cell or lymphoid disease is known."""
    known = any(p.family == "cancer" and p.key not in _WEAK and _is_told(p) for p in facts.problems)
    if known or not near.marker:
        return None
    markers = [one for one in near.monoclonal if one.speaks_for]
    others = [one for one in near.lymphoid if one.speaks_for]
    only_ratio = all(one.companion.side is Side.EITHER for one in markers)
    reduced = any(f.egfr.is_below(rule.value("reduced_below")) for f in _estimates(facts, rule, b2m))
    return rule.finding(
        "monoclonal",
        facts.specimen,
        values={
            "explained": _listed(explained),
            "unread": unrecognised.problems(facts),
            "markers": ", ".join(one.with_side() for one in markers),
            "disease": _disease_in_words(facts, b2m),
            "beside": f"; beside it {', '.join(one.with_side() for one in others)}" if others else "",
            "marker": near.marker,
        },
        notes=("ratio_and_kidney",) if only_ratio and reduced else (),
        inputs=(b2m, *(one.result for one in (*others, *markers) if one.result)),
        thresholds=(*level.thresholds, "others_days_to"),
        proposals=_orders(facts, rule, near),
    )


def _disease_in_words(facts: Facts, b2m: Result) -> str:
    """The plasma cell or lymphoid disease that may have come back or is suspected; that there is none."""
    said = _joined(*_in_the_list(facts, b2m)["cancer"])
    none = "No plasma cell or lymphoid disease is recognised as present in the problem list"
    return said[0].upper() + said[1:] if said else none


def _is_told(problem: Problem) -> bool:
    """Whether a diagnosis stands in the chart as present; what is in remission may have come back."""
    there = states.is_active(problem) and states.is_confirmed(problem)
    return there and not states.is_in_remission(problem)


def _orders(facts: Facts, rule: Rule, near: _Near) -> tuple[Proposal, ...]:
    """Beside an M-protein the free light chains, and the other way round, unless they may have been measured."""
    absent = [terms.analytes()[one.companion.key] for one in near.monoclonal if one.result is None and near.marker]
    return tuple(order_of(a, rule.orders[a.key]) for a in absent if a.group not in facts.unknown)


def _explained_by(facts: Facts, rule: Rule, b2m: Result, function: _Kidney) -> list[str]:
    """What in the chart explains the level by itself, by its names; empty where nothing does."""
    beyond = _is_beyond(facts, rule, b2m, _estimates(facts, rule, b2m))
    explaining = {family for family in _FAMILIES if family != "kidney" or not beyond}
    found = [p.label for p in facts.problems if p.family in explaining and _is_told(p) and not _explains_little(p)]
    found += [p.label for p in facts.procedures if p.key.endswith("transplantation")]
    found += [drug.label for drug in _raising_drugs(facts, rule, b2m) if drug.key not in LITHIUM]
    return found or (["reduced kidney function"] if function.enough else [])


def _raising_drugs(facts: Facts, rule: Rule, b2m: Result) -> tuple[Medication, ...]:
    return current_drugs(facts, b2m.when, rule.value("drug_days_to"), "raises-serum-b2m")


def _weak_drugs(facts: Facts, rule: Rule, b2m: Result) -> list[str]:
    """Lithium: a textbook names it, without figures."""
    return [drug.label for drug in _raising_drugs(facts, rule, b2m) if drug.key in LITHIUM]


def _estimates(facts: Facts, rule: Rule, b2m: Result) -> tuple[KidneyFunction, ...]:
    return kidney.estimates(facts, b2m.when, rule.value("kidney_days_to"))


def _is_beyond(facts: Facts, rule: Rule, b2m: Result, found: tuple[KidneyFunction, ...]) -> bool:
    """Whether steady, reduced kidney function of an adult is surely too little to explain the level alone."""
    days, fold = rule.value("kidney_days_to"), rule.value("unsteady_fold_from")
    steady = not kidney.creatinine_is_unsteady(facts, b2m.when, days, fold)
    steady = steady and not states.acute_kidney_injury(facts, b2m.when)
    adult = states.is_child(facts, b2m.when) is False
    reduced = {function.egfr.is_below(rule.value("reduced_below")) for function in found} == {True}
    return adult and steady and reduced and kidney.is_far_above(b2m, found, rule.value("apart_fold_above"))


def _kidney(facts: Facts, rule: Rule, b2m: Result, level: Level) -> _Kidney:
    """Enough of an explanation where function is reduced beyond doubt and the level no higher than that may explain."""
    days, reduced = rule.value("kidney_days_to"), rule.value("reduced_below")
    if changed := kidney.unsteady_creatinine(facts, b2m.when, days, rule.value("unsteady_fold_from")):
        return _Kidney(_change(*changed), known=False)
    if states.acute_kidney_injury(facts, b2m.when):
        return _Kidney("no eGFR in acute kidney injury, open", known=False)
    found = _estimates(facts, rule, b2m)
    if not found:
        return _Kidney("function not known", known=False)
    answers = {function.egfr.is_below(reduced) for function in found}
    normal = rule.value("against_kidney_from")
    egfr = f"eGFR {kidney.whole(found[0].egfr, (reduced, normal))} mL/min/1.73 m2"
    if _may_be_an_infant(facts, rule, b2m):
        return _Kidney(f"{egfr}, not judged under {rule.value('kidney_years_from')} years, open", False, found[0])
    if answers == {True}:
        words = f"{egfr}, reduced (for), but the level is far above what adults had at such a GFR"
        beyond = _is_beyond(facts, rule, b2m, found)
        return _Kidney(words, True, found[0], beyond=beyond, enough=not beyond)
    split = {True, False} <= answers
    verdict = f"estimates on either side of {reduced}, open" if split else _verdict(facts, rule, b2m, found, level)
    return _Kidney(f"{egfr}, {verdict}", answers == {False}, found[0], split=split)


def _may_be_an_infant(facts: Facts, rule: Rule, b2m: Result) -> bool:
    age = facts.patient.age_on(b2m.when)
    return age is not None and age[0] < rule.value("kidney_years_from")


def _verdict(facts: Facts, rule: Rule, b2m: Result, found: tuple[KidneyFunction, ...], level: Level) -> str:
    """An eGFR speaks against at G1, and where adults had no B2M above the limit at any such GFR; else it is open."""
    if all(function.egfr.is_below(rule.value("against_kidney_from")) is False for function in found):
        return "against"
    if states.is_child(facts, b2m.when):
        return "open"
    highest = (function.expected[0] for function in found)
    within = all(b2m_there and level.limit and b2m_there <= level.limit for b2m_there in highest)
    had = f"160 adults with kidney disease had {kidney.expected_b2m(found[0])} mg/L at such a GFR"
    return f"{'against' if within else 'open'}: {had}"


def _change(before: Result, after: Result) -> str:
    """A creatinine that rose speaks for the kidney; one that fell leaves open what is left of it."""
    rose = after.value > before.value
    between = f"from {before.quantity} ({series.day_of(before.when)}) to {after.quantity}"
    return f"creatinine {'rose' if rose else 'fell'} {between}, not steady ({'for' if rose else 'open'})"


def _judged(found: Iterable[Judged]) -> list[str]:
    """Each result with its verdict."""
    return [one.with_verdict() for one in found if one.result]


def _missing(facts: Facts, near: _Near) -> str:
    """What there is no result of, apart from what was not sent in full."""
    absent = [
        (terms.analytes()[one.companion.key].short, one) for one in near.all if not one.result and one.companion.asked
    ]
    groups = [(name, terms.analytes()[one.companion.key].group) for name, one in absent]
    tested = _screens(facts) or any(one.result and one.companion.key == _HIV_RNA for one in near.viral)
    groups += [] if tested else [("HIV test", "other")]
    unsent = [name for name, group in groups if group in facts.unknown]
    none = [name for name, _ in groups if name not in unsent]
    said = [f"Not at hand: {', '.join(none)}"] if none else []
    said += [f"{'n' if said else 'N'}ot sent in full, unknown: {', '.join(unsent)}"] if unsent else []
    return _joined(*said) or "All of these tests are at hand"


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
    found: dict[str, dict[str, list[str]]] = {family: {} for family in (*_FAMILIES, "carcinoma")}
    for problem in _counting(facts, b2m):
        family = "cancer" if problem.key.endswith("-remission") else problem.family
        family = problem.key if problem.key == "carcinoma" else family
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


def _none(facts: Facts, b2m: Result, drugs: Sequence[str]) -> str:
    """The beginning of the sentence that nothing explains the level: what leaves that open is set apart."""
    apart = [p for p in _counting(facts, b2m) if _explains_little(p) and _standing(p) in _SET_APART]
    labels = [f"{_bare(p)} in remission" if states.is_in_remission(p) else p.label for p in apart]
    labels += drugs
    return f"Apart from {_listed(labels)}, none" if labels else "None"


def _bare(problem: Problem) -> str:
    return problem.label.removesuffix(" in remission")


def _listed(labels: Sequence[str]) -> str:
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
