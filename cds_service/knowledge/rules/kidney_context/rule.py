"""The eGFR beside a serum B2M, and whether reduced filtration may account for a raised level."""

from datetime import timedelta
from decimal import Decimal

from cds_service.facts import DISPLAY_LIMIT, Facts, Interval, Moment, Result
from cds_service.knowledge import context, kidney, levels, series, states, urine
from cds_service.knowledge.kidney import KidneyFunction
from cds_service.knowledge.model import Finding, Rule
from cds_service.knowledge.terms import limit, units
from cds_service.knowledge.treatment import current_drugs

_CATEGORY_LIMITS = ("g5_below", "g4_below", "g3b_below", "reduced_below", "g2_below")
_GFR = {
    "G5": "kidney failure",
    "G4": "severely decreased",
    "G3b": "moderately to severely decreased",
    "G3a": "mildly to moderately decreased",
    "G2": "mildly decreased",
    "G1": "normal or high",
}
_ALBUMINURIA = {"A1": "normal to mildly increased", "A2": "moderately increased", "A3": "severely increased"}
_MEASURED = ("creatinine", "cystatin-c", *kidney.REPORTED_EGFR, "egfr-schwartz")
#: Other measures than albumin per creatinine, the best first.
_ALBUMIN_OR_PROTEIN = (
    "urine-albumin-rate",
    "urine-protein-ratio",
    "urine-protein-rate",
    "urine-albumin",
    "urine-protein",
)
_PER_VOLUME = ("urine-albumin", "urine-protein")
_MARKERS = {"creatinine": "creatinine", "cystatin-c": "cystatin C"}
_KNOWN_DISEASE = ("ckd", "end-stage-kidney-disease", "kidney-transplant")
_MOST_SHOWN = 3
#: The outcomes of adults with an eGFR that is or may be reduced.
_ASKS_FOR_ALBUMIN = {"reduced", "reduced_far_above", "unexpectedly_low", "disagree"}
_APART = ("reduced_far_above", "not_reduced_far_above", "unexpectedly_low")


def evaluate(facts: Facts, rule: Rule) -> Finding | None:
    """States that make an eGFR meaningless come first, then the eGFR itself. On dialysis another rule speaks."""
    b2m = facts.b2m
    if b2m is None or states.dialysis(facts) is not states.Dialysis.NO:
        return None
    window = rule.value("pairing_days_to")
    beside = facts.within(_MEASURED, b2m.when, window)
    if state := _state_without_egfr(facts, rule, b2m):
        creatinine = tuple(r for r in beside if r.analyte == "creatinine")[:_MOST_SHOWN]
        changed = _unsteady(facts, rule, b2m)
        shown = creatinine if state == "acute_kidney_injury" else changed
        values = {"creatinine": _dated(shown) or "none", "since": _injured_since(facts, b2m)}
        inputs = dict.fromkeys((b2m, *creatinine, *changed))
        return rule.finding(state, facts.specimen, values=values, inputs=tuple(inputs))
    found = kidney.estimates(facts, b2m.when, window)
    if found:
        return _with_egfr(facts, rule, b2m, found, beside[:_MOST_SHOWN])
    outcome = _without_estimate(facts, rule, b2m, beside)
    return rule.finding(outcome, facts.specimen, inputs=(b2m, *beside), thresholds=("pairing_days_to",))


def _without_estimate(facts: Facts, rule: Rule, b2m: Result, beside: tuple[Result, ...]) -> str:
    if not states.is_child(facts, b2m.when):
        return "race_only" if _has_race_coefficient(facts, rule, b2m) and not beside else "unknown"
    if not beside:
        return "unknown"
    return "height_missing" if any(r.analyte == "creatinine" for r in beside) else "child_without_creatinine"


def _has_race_coefficient(facts: Facts, rule: Rule, b2m: Result) -> bool:
    return bool(facts.within(("egfr-race-coefficient",), b2m.when, rule.value("pairing_days_to")))


def _with_egfr(
    facts: Facts, rule: Rule, b2m: Result, found: tuple[KidneyFunction, ...], beside: tuple[Result, ...]
) -> Finding:
    first, others, opposing = found[0], _others(found), _opposing(rule, found)
    ratio = _albumin_ratio(facts, rule, b2m)
    instead = () if ratio else _albumin_otherwise(facts, rule, b2m)
    earlier = _earlier(facts, rule, b2m, first, ratio)
    outcome = _outcome(facts, rule, b2m, found)
    held_against = () if outcome in ("disagree", "child_under_2") else _beside(rule, first, others)
    return rule.finding(
        outcome,
        facts.specimen,
        values={
            "egfr": kidney.whole(first.egfr, _limits(rule)),
            "category": _span(_categories(rule, first.egfr)),
            "words": _words(_GFR, _categories(rule, first.egfr)),
            "source": first.source,
            "apart": _apart(first.days_apart),
            "albuminuria": _albuminuria(facts, rule, b2m, ratio, outcome),
            "alone": ", ".join(
                f"{kidney.whole(k.egfr, _limits(rule))} by {_MARKERS[k.result.analyte]}" for k in _markers_alone(found)
            ),
            "steroid": _steroids(facts, rule, b2m),
            "others": "; ".join(_said(rule, k) for k in (opposing or others)[:_MOST_SHOWN]),
            "earlier": earlier,
            "b2m": b2m.display,
            "expected": kidney.expected_b2m(first),
        },
        notes=_notes(facts, rule, b2m, found, ratio, outcome, earlier) + held_against,
        inputs=(b2m, first.result, *first.also, *((ratio,) if ratio else instead), *beside),
        thresholds=("reduced_below", *(("apart_fold_above",) if outcome in _APART else ())),
    )


def _state_without_egfr(facts: Facts, rule: Rule, b2m: Result) -> str | None:
    child = states.is_child(facts, b2m.when)
    age, changed = facts.patient.age_on(b2m.when), _unsteady(facts, rule, b2m)
    found = {
        "acute_kidney_injury": states.acute_kidney_injury(facts, b2m.when),
        "acute_rise": bool(changed) and changed == kidney.acute_rise(facts, b2m.when, rule.value("pairing_days_to")),
        "unsteady": bool(changed) and _differ_by_fold(rule, changed),
        "steep_fall": bool(changed),
        "pregnancy": states.pregnant(facts, b2m.when),
        "age_unknown": child is None,
        "infant": child is True and age is not None and age[0] < limit("schwartz_years_from"),
    }
    return next((state for state, holds in found.items() if holds), None)


def _unsteady(facts: Facts, rule: Rule, b2m: Result) -> tuple[Result, ...]:
    window, fold = rule.value("pairing_days_to"), rule.value("unsteady_fold_from")
    return kidney.unsteady_creatinine(facts, b2m.when, window, fold)


def _differ_by_fold(rule: Rule, changed: tuple[Result, ...]) -> bool:
    values = [r.value for r in changed]
    return max(values) >= min(values) * rule.value("unsteady_fold_from")


def _injured_since(facts: Facts, b2m: Result) -> str:
    """Since when acute kidney injury is in the problem list, by the newest entry; lists keep them for long."""
    onsets = [p.onset for p in states.acute_kidney_injuries(facts, b2m.when) if p.onset]
    return f"since {series.day_of(max(onsets, key=Moment.sort_key))}" if onsets else "undated"


def _dated(results: tuple[Result, ...]) -> str:
    return ", ".join(f"{_short(r)} on {r.when.last.isoformat()}" for r in results)


def _short(result: Result) -> str:
    return result.filed if len(result.filed) <= DISPLAY_LIMIT else result.quantity


def _others(found: tuple[KidneyFunction, ...]) -> tuple[KidneyFunction, ...]:
    """What to hold against the first: what the laboratory reported, or, where that is the first, what is computed."""
    first, *rest = found
    others = tuple(k for k in rest if k.computed is not first.computed)
    return others if first.computed else others[:1]


def _opposing(rule: Rule, found: tuple[KidneyFunction, ...]) -> tuple[KidneyFunction, ...]:
    """The estimates on the other side of 60 from the first: of those of its day, and of its two markers alone."""
    first, reduced = found[0], rule.value("reduced_below")
    below = first.egfr.is_below(reduced)
    same_day = [k for k in _others(found) if k.result.when.days_until(first.result.when) == 0]
    alone = _markers_alone(found) if _markers_differ(rule, found) else ()
    return tuple(k for k in (*alone, *same_day) if below is not None and k.egfr.is_below(reduced) is (not below))


def _markers_alone(found: tuple[KidneyFunction, ...]) -> tuple[KidneyFunction, ...]:
    """What creatinine alone and cystatin C alone give, where both together lead."""
    first, *rest = found
    together = first.computed and any(r.analyte == "cystatin-c" for r in first.also)
    return tuple(k for k in rest if k.computed) if together else ()


def _markers_differ(rule: Rule, found: tuple[KidneyFunction, ...]) -> bool:
    """Whether the two lie on either side of 60."""
    answers = {k.egfr.is_below(rule.value("reduced_below")) for k in _markers_alone(found)}
    return {True, False} <= answers


def _steroids(facts: Facts, rule: Rule, b2m: Result) -> str:
    """The steroids given at the time of the B2M, which change cystatin C."""
    given = current_drugs(facts, b2m.when, rule.value("pairing_days_to"), "glucocorticoid")
    names = ", ".join(dict.fromkeys(drug.label for drug in given))
    return f"; in the medication list: {names}" if names else ""


def _outcome(facts: Facts, rule: Rule, b2m: Result, found: tuple[KidneyFunction, ...]) -> str:
    child = states.is_child(facts, b2m.when) is True
    below = found[0].egfr.is_below(rule.value("reduced_below"))
    if child and _under_2(facts, rule, b2m):
        return "child_under_2"
    if below is None:
        return "unclear"
    if _opposing(rule, found):
        return "disagree"
    if child:
        return "child_reduced" if below else "child_not_reduced"
    return _of_adult(rule, b2m, found, below=below)


def _of_adult(rule: Rule, b2m: Result, found: tuple[KidneyFunction, ...], *, below: bool) -> str:
    fold = rule.value("apart_fold_above")
    if levels.can_be_compared(b2m) and _is_far_too_low(rule, b2m, found):
        return "unexpectedly_low"
    if not below and found[0].egfr.is_below(rule.value("g2_below")) is False:
        return "not_evident"
    outcome = "reduced" if below else "not_reduced"
    return f"{outcome}_far_above" if kidney.is_far_above(b2m, found, fold) else outcome


def _is_far_too_low(rule: Rule, b2m: Result, found: tuple[KidneyFunction, ...]) -> bool:
    """Whether the B2M, within range or not, is far below what adults had, at an eGFR at which that is not expected."""
    return _not_expected_at(rule, found[0]) and kidney.is_far_below(b2m, found, rule.value("apart_fold_above"))


def _is_low(rule: Rule, b2m: Result, found: tuple[KidneyFunction, ...]) -> bool:
    """Whether the B2M is within range, or far too low, at an eGFR at which that is not expected."""
    within = b2m.interval.is_above(rule.value("unexpected_b2m_to")) is False
    return (within and _not_expected_at(rule, found[0])) or _is_far_too_low(rule, b2m, found)


def _not_expected_at(rule: Rule, first: KidneyFunction) -> bool:
    return first.egfr.is_below(rule.value("unexpected_egfr_below")) is True


def _under_2(facts: Facts, rule: Rule, b2m: Result) -> bool:
    age = facts.patient.age_on(b2m.when)
    return age is not None and age[0] < rule.value("category_years_from")


def _said(rule: Rule, function: KidneyFunction) -> str:
    shown, categories = kidney.whole(function.egfr, _limits(rule)), _span(_categories(rule, function.egfr))
    return f"{shown} ({categories}; {function.source}, {_apart(function.days_apart)})"


def _limits(rule: Rule) -> tuple[Decimal, ...]:
    return tuple(rule.value(name) for name in _CATEGORY_LIMITS)


def _categories(rule: Rule, egfr: Interval) -> tuple[str, ...]:
    """The KDIGO GFR categories that the unrounded value may lie in, the best first."""
    limits = _limits(rule)
    worst_first = [
        name
        for name, low, high in zip(_GFR, (Decimal(0), *limits), (*limits, None), strict=True)
        if egfr.is_below(low) is not True and (high is None or egfr.is_below(high) is not False)
    ]
    return tuple(reversed(worst_first))


def _span(categories: tuple[str, ...]) -> str:
    return categories[0] if len(categories) == 1 else f"{categories[0]} to {categories[-1]}"


def _words(words: dict[str, str], categories: tuple[str, ...]) -> str:
    return f", {words[categories[0]]}" if len(categories) == 1 else ""


def _apart(days: int) -> str:
    return "same day" if days == 0 else f"{days} day{'s' if days > 1 else ''} apart"


def _albumin_ratio(facts: Facts, rule: Rule, b2m: Result) -> Result | None:
    """The nearest urine albumin per creatinine of an adult: children's categories differ."""
    if states.is_child(facts, b2m.when):
        return None
    return next(iter(facts.within(("urine-albumin-ratio",), b2m.when, rule.value("albuminuria_days_to"))), None)


def _albumin_otherwise(facts: Facts, rule: Rule, b2m: Result) -> tuple[Result, ...]:
    """What else tells of albumin or protein in urine, with the creatinine of a spot urine."""
    days = rule.value("albuminuria_days_to")
    found = context.beside(facts, b2m.when, days, *_ALBUMIN_OR_PROTEIN)[:1]
    spot = found and found[0].analyte in _PER_VOLUME
    return found + (context.beside(facts, b2m.when, days, "urine-creatinine") if spot else ())


def _albuminuria(facts: Facts, rule: Rule, b2m: Result, ratio: Result | None, outcome: str) -> str:
    """The KDIGO albuminuria category of an adult; that there is none is said beside an eGFR that is or may be reduced.

    Not of a list that did not come in full: what it holds is not known.
    """
    if ratio is None:
        told = outcome in _ASKS_FOR_ALBUMIN and "urine" not in facts.unknown and not states.is_child(facts, b2m.when)
        days = rule.value("albuminuria_days_to")
        if other := _albumin_otherwise(facts, rule, b2m) if told else ():
            at_hand = f"{context.in_words(other, b2m.when)}{_formed(rule, other)}"
            return f"No urine albumin/creatinine ratio was reported within {days} days of the B2M; at hand: {at_hand}."
        return f"No urine albumin/creatinine ratio within {days} days of the B2M." if told else ""
    categories = _albuminuria_categories(rule, ratio)
    words = _span(categories) + _words(_ALBUMINURIA, categories)
    return f"Urine albumin/creatinine {ratio.filed} ({words}; {_apart(ratio.when.days_until(b2m.when))})."


def _formed(rule: Rule, other: tuple[Result, ...]) -> str:
    """The ratio of albumin to creatinine, where both are exact and known to be of one urine, with its category."""
    albumin, *by = other
    within = timedelta(minutes=int(rule.value("same_urine_minutes_to")))
    if albumin.analyte != "urine-albumin" or not by or not urine.is_of_one_urine(albumin, by[0], within):
        return ""
    ratio = urine.per_gram(albumin, by[0])
    if ratio is None or ratio.low is None or ratio.low != ratio.high:
        return ""
    categories = _between(ratio, rule.value("a2_from"), rule.value("a3_above"))
    words = _span(categories) + _words(_ALBUMINURIA, categories)
    return f", of one urine: {urine.to_three_digits(ratio.low)} mg/g ({words})"


def _albuminuria_categories(rule: Rule, ratio: Result) -> tuple[str, ...]:
    """The KDIGO albuminuria categories that the ratio may lie in, by the limits for the unit it was printed in."""
    return _between(ratio.interval, *_albuminuria_limits(rule, ratio))


def _between(ratio: Interval, a2_from: Decimal, a3_above: Decimal) -> tuple[str, ...]:
    at_least, above = ratio.is_below(a2_from), ratio.is_above(a3_above)
    possible = {"A1": at_least is not False, "A2": at_least is not True and above is not True, "A3": above is not False}
    return tuple(name for name, holds in possible.items() if holds)


def _albuminuria_limits(rule: Rule, ratio: Result) -> tuple[Decimal, Decimal]:
    """In mg/g. KDIGO's limits per mmol of creatinine are round numbers of their own, not those per gram converted."""
    if "mol" not in ratio.printed_unit.text:
        return rule.value("a2_from"), rule.value("a3_above")
    per_mmol = units()["mg/mmol{creat}"].factor / units()["mg/g{creat}"].factor
    return rule.value("a2_per_mmol_from") * per_mmol, rule.value("a3_per_mmol_above") * per_mmol


def _at_a3(rule: Rule, ratio: Result | None) -> bool:
    """Whether the ratio lies exactly on the limit, where KDIGO and ADA part."""
    if ratio is None:
        return False
    a3_above = _albuminuria_limits(rule, ratio)[1]
    return ratio.interval.is_above(a3_above) is False and ratio.interval.is_below(a3_above) is False


def _notes(
    facts: Facts,
    rule: Rule,
    b2m: Result,
    found: tuple[KidneyFunction, ...],
    ratio: Result | None,
    outcome: str,
    earlier: str,
) -> tuple[str, ...]:
    first, child = found[0], states.is_child(facts, b2m.when) is True
    sign = _is_reduced(rule, first) or _is_albuminuric(rule, ratio)
    known = states.active(facts, *_KNOWN_DISEASE) or any(p.key == "kidney-transplantation" for p in facts.procedures)
    open_question = sign and not known and not child
    asked = {
        "unexpectedly_low": not child and _is_low(rule, b2m, found) and outcome != "unexpectedly_low",
        "lasting": open_question and bool(earlier),
        "category_alone": open_question and not earlier,
        "at_a3": _at_a3(rule, ratio),
        "sex_unknown": first.computed and not child and facts.patient.sex not in ("female", "male"),
        "markers_differ": _markers_differ(rule, found),
        "cystatin_alone": first.result.analyte == "cystatin-c",
        "older_formula": first.result.analyte == "egfr-other",
        "race_coefficient": _has_race_coefficient(facts, rule, b2m),
        "child": child,
    }
    return tuple(note for note, holds in asked.items() if holds)


def _is_reduced(rule: Rule, function: KidneyFunction) -> bool:
    return function.egfr.is_below(rule.value("reduced_below")) is not False


def _is_albuminuric(rule: Rule, ratio: Result | None) -> bool:
    return ratio is not None and "A1" not in _albuminuria_categories(rule, ratio)


def _earlier(facts: Facts, rule: Rule, b2m: Result, first: KidneyFunction, ratio: Result | None) -> str:
    """The same sign of kidney disease more than three months before, in words, or ""."""
    days = rule.value("chronic_days_above")
    before = [r for r in facts.results if (b2m.when.first - r.when.last).days > days and not r.provisional]
    before.sort(key=lambda r: r.when.sort_key(), reverse=True)
    for result in before:
        on = result.when.last.isoformat()
        then = kidney.kidney_function(facts, result.when, Decimal(0)) if result.analyte in _MEASURED else None
        if then and _is_reduced(rule, first) and then.egfr.is_below(rule.value("reduced_below")):
            return f"eGFR {kidney.whole(then.egfr, _limits(rule))} on {on}"
        if result.analyte == "urine-albumin-ratio" and _is_albuminuric(rule, ratio) and _is_albuminuric(rule, result):
            return f"urine albumin/creatinine {result.filed} on {on}"
    return ""


def _beside(rule: Rule, first: KidneyFunction, others: tuple[KidneyFunction, ...]) -> tuple[str, ...]:
    if not others:
        return ()
    return ("others_differ",) if any(_differ(rule, first.egfr, other.egfr) for other in others) else ("others_agree",)


def _differ(rule: Rule, one: Interval, other: Interval) -> bool:
    """Whether two estimates share no KDIGO category, or are far apart."""
    low, high = sorted((one, other), key=lambda egfr: (egfr.low or Decimal(0), egfr.high or Decimal(0)))
    share = 1 - rule.value("differs_percent_above") / 100
    far = low.high is not None and high.low is not None and low.high < high.low * share
    spans = [set(_categories(rule, egfr)) for egfr in (one, other)]
    return far or not spans[0] & spans[1]
