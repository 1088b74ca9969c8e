"""Serum and urine B2M of about the same days: which of them is raised, and what that usually means."""

from datetime import timedelta

from cds_service.facts import Facts, Result
from cds_service.knowledge import kidney, levels, states, urine
from cds_service.knowledge.kidney import KidneyFunction
from cds_service.knowledge.levels import Level
from cds_service.knowledge.model import Finding, Rule
from cds_service.knowledge.terms import limit
from cds_service.knowledge.urine import Acidity, Ph

_SERUM = ("b2m-serum",)
_CONCENTRATIONS = {"b2m-urine", "b2m-urine-24h"}
#: The patterns that rest on which side of its limit the urine lies.
_BY_URINE = {"tubular", "filtration_or_production"}
_UNEXPECTED = ("unexpected_egfr_below", "unexpected_b2m_to")
_PH = {
    Acidity.ACID: "the urine pH is below 6",
    Acidity.ADJUSTED: "the urine pH was adjusted",
    Acidity.UNKNOWN: "the urine pH is not known",
    Acidity.VOUCHES: "",
}


def evaluate(facts: Facts, rule: Rule) -> Finding | None:
    """Names the pattern where both results have a limit and at least one is above it."""
    serum, urines = _pair(facts, rule)
    if serum is None or not urines or _is_no_place_for_it(facts, (serum, *urines)):
        return None
    of_serum = levels.of_serum(facts, rule, serum)
    of_urine = {result: levels.of_urine(facts, rule, result) for result in urines}
    decided = [result for result in urines if of_urine[result].above is not None]
    if of_serum.above is None or not decided:
        return None
    shown = decided[0]
    if len({of_urine[result].above for result in decided}) > 1:
        return rule.finding("disagree", facts.specimen, inputs=(serum, *decided))
    ph = urine.ph_of(facts, rule, shown)
    outcome = _outcome(rule, serum, of_serum, of_urine[shown], ph.acidity)
    if outcome is None:
        return None
    if outcome == "tubular" and (found := _unexpected_at(facts, rule, serum)):
        return _not_tubular(facts, rule, (serum, shown), found)
    return _pattern(facts, rule, outcome, (serum, of_serum), (shown, of_urine[shown]), ph)


def _not_tubular(facts: Facts, rule: Rule, pair: tuple[Result, Result], found: KidneyFunction) -> Finding:
    values = {"serum": pair[0].quantity, "egfr": kidney.whole(found.egfr, ())}
    inputs = (*pair, found.result, *found.also)
    return rule.finding("serum_unexpected", facts.specimen, values=values, inputs=inputs, thresholds=_UNEXPECTED)


def _pattern(
    facts: Facts, rule: Rule, outcome: str, of_serum: tuple[Result, Level], of_urine: tuple[Result, Level], ph: Ph
) -> Finding:
    (serum, serum_level), (shown, urine_level) = of_serum, of_urine
    days = serum.when.days_until(shown.when)
    return rule.finding(
        outcome,
        facts.specimen,
        values={
            "serum": serum.quantity,
            "urine": shown.quantity,
            "serum_said": _said(serum_level, serum),
            "urine_said": _said(urine_level, shown),
            "apart": "same day" if days == 0 else f"{days} day{'s' if days > 1 else ''} apart",
            "ph": _PH[ph.acidity],
            "load": "above" if serum.interval.is_above(rule.value("high_load_above")) else "possibly above",
        },
        notes=_notes(facts, serum_level, (serum, shown), outcome),
        inputs=(serum, shown, *((ph.result,) if ph.result else ())),
        thresholds=_thresholds(outcome, serum_level, urine_level),
    )


def _pair(facts: Facts, rule: Rule) -> tuple[Result | None, tuple[Result, ...]]:
    """The serum B2M, and the B2M results of one urine: those under review, else the nearest within the window."""
    reviewed, days = facts.b2m, rule.value("pairing_days_to")
    if reviewed is None or not levels.can_be_compared(reviewed):
        return None, ()
    wanted = urine.B2M if facts.specimen == "serum" else _SERUM
    near = next((r for r in facts.within(wanted, reviewed.when, days) if _can_be_paired(r)), None)
    serum, other = (reviewed, near) if facts.specimen == "serum" else (near, reviewed)
    if other is None:
        return serum, ()
    same = timedelta(hours=int(rule.value("same_urine_hours_to")))
    return serum, tuple(dict.fromkeys((other, *urine.beside(facts, other, urine.B2M, same))))


def _can_be_paired(near: Result) -> bool:
    """A urine result that is unusually high is not: its own card asks about it. So high a serum only holds back."""
    return levels.can_be_compared(near) and (near.specimen == "serum" or near.suspicion is None)


def _is_no_place_for_it(facts: Facts, results: tuple[Result, ...]) -> bool:
    on_dialysis = states.dialysis(facts) is not states.Dialysis.NO
    return on_dialysis or any(states.pregnant(facts, result.when) for result in results)


def _outcome(rule: Rule, serum: Result, of_serum: Level, of_urine: Level, acidity: Acidity) -> str | None:
    """The pattern. A serum level that may be above the high load counts as one: it only holds a conclusion back."""
    if of_urine.above and serum.interval.is_above(rule.value("high_load_above")) is not False:
        return "high_load"
    if of_urine.above:
        return "both" if of_serum.above else "tubular"
    if of_serum.above:
        return "filtration_or_production" if acidity is Acidity.VOUCHES else "serum_alone"
    return None


def _unexpected_at(facts: Facts, rule: Rule, serum: Result) -> KidneyFunction | None:
    """The eGFR beside a serum B2M that is not expected to be so low at it; none where creatinine is not steady."""
    days = rule.value("pairing_days_to")
    unsteady = kidney.creatinine_is_unsteady(facts, serum.when, days, limit("unsteady_fold_from"))
    if unsteady or states.acute_kidney_injury(facts, serum.when):
        return None
    found = kidney.kidney_function(facts, serum.when, days)
    low = serum.interval.is_above(rule.value("unexpected_b2m_to")) is False
    return found if low and found and found.egfr.is_below(rule.value("unexpected_egfr_below")) else None


def _said(level: Level, result: Result) -> str:
    side = "above" if level.above else "not above"
    whose = "the laboratory's limit" if level.origin == "laboratory" else "a default limit"
    return f"{side} {whose} of {level.shown(result)}"


def _notes(facts: Facts, of_serum: Level, pair: tuple[Result, Result], outcome: str) -> tuple[str, ...]:
    serum, shown = pair
    child = states.is_child(facts, serum.when) is True
    asked = {
        "dissent": outcome in ("tubular", "both"),
        "acute_kidney_injury": any(states.acute_kidney_injury(facts, r.when) for r in (serum, shown)),
        # On a card of the serum itself the rule serum-level says it.
        "children": facts.specimen != "serum" and child and of_serum.origin == "default",
        # On a card of the urine itself the rule urine-level says it.
        "per_volume": facts.specimen == "serum" and shown.analyte in _CONCENTRATIONS and outcome in _BY_URINE,
    }
    return tuple(note for note, holds in asked.items() if holds)


def _thresholds(outcome: str, of_serum: Level, of_urine: Level) -> tuple[str, ...]:
    also = {"high_load": "high_load_above", "serum_alone": "acid_below", "filtration_or_production": "acid_below"}
    decided = (also[outcome],) if outcome in also else ()
    return (*of_serum.thresholds, *of_urine.thresholds, *decided, "pairing_days_to")
