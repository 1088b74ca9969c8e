"""Serum and urine B2M of about the same days: which of them is raised, and what that usually means."""

from datetime import timedelta

from cds_service.facts import Facts, Result
from cds_service.knowledge import levels, states, urine
from cds_service.knowledge.levels import Level
from cds_service.knowledge.model import Finding, Rule
from cds_service.knowledge.urine import Acidity

_SERUM = ("b2m-serum",)
_CONCENTRATIONS = {"b2m-urine", "b2m-urine-24h"}
#: The patterns that rest on which side of its limit the urine lies.
_BY_URINE = {"tubular", "filtration_or_production"}
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
    days = serum.when.days_until(shown.when)
    return rule.finding(
        outcome,
        facts.specimen,
        values={
            "serum": serum.quantity,
            "urine": shown.quantity,
            "serum_said": _said(of_serum, serum),
            "urine_said": _said(of_urine[shown], shown),
            "apart": "same day" if days == 0 else f"{days} day{'s' if days > 1 else ''} apart",
            "ph": _PH[ph.acidity],
        },
        notes=_notes(facts, serum, shown, outcome),
        inputs=(serum, shown, *((ph.result,) if ph.result else ())),
        thresholds=_thresholds(outcome, of_serum, of_urine[shown]),
    )


def _pair(facts: Facts, rule: Rule) -> tuple[Result | None, tuple[Result, ...]]:
    """The serum B2M, and the B2M results of one urine: those under review, else the nearest within the window."""
    reviewed, days = facts.b2m, rule.value("pairing_days_to")
    if reviewed is None or not levels.can_be_compared(reviewed):
        return None, ()
    wanted = urine.B2M if facts.specimen == "serum" else _SERUM
    near = next((r for r in facts.within(wanted, reviewed.when, days) if levels.can_be_compared(r)), None)
    serum, other = (reviewed, near) if facts.specimen == "serum" else (near, reviewed)
    if other is None:
        return serum, ()
    same = timedelta(hours=int(rule.value("same_urine_hours_to")))
    return serum, tuple(dict.fromkeys((other, *urine.beside(facts, other, urine.B2M, same))))


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


def _said(level: Level, result: Result) -> str:
    side = "above" if level.above else "not above"
    whose = "the laboratory's limit" if level.origin == "laboratory" else "a default limit"
    return f"{side} {whose} of {level.shown(result.unit)}"


def _notes(facts: Facts, serum: Result, shown: Result, outcome: str) -> tuple[str, ...]:
    asked = {
        "dissent": outcome in ("tubular", "both"),
        "acute_kidney_injury": any(states.acute_kidney_injury(facts, r.when) for r in (serum, shown)),
        # On a card of the urine itself the rule urine-level says it.
        "per_volume": facts.specimen == "serum" and shown.analyte in _CONCENTRATIONS and outcome in _BY_URINE,
    }
    return tuple(note for note, holds in asked.items() if holds)


def _thresholds(outcome: str, of_serum: Level, of_urine: Level) -> tuple[str, ...]:
    also = {"high_load": "high_load_above", "serum_alone": "acid_below", "filtration_or_production": "acid_below"}
    decided = (also[outcome],) if outcome in also else ()
    return (*of_serum.thresholds, *of_urine.thresholds, *decided, "pairing_days_to")
