"""Serial results of one specimen: the change since the last comparable one, where there may be a verdict."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cds_service.facts import Facts, Medication, Result
from cds_service.knowledge import context, series, states, terms, urine, verdicts
from cds_service.knowledge.model import Finding, Rule
from cds_service.knowledge.treatment import drugs_of, list_is_whole

_TREATMENTS = (
    "anti-myeloma", "possible-anti-myeloma", "anti-lymphoma", "possible-anti-lymphoma", "glucocorticoid",
    "raises-serum-b2m", "transplant-immunosuppression",
)  # fmt: skip
_CHANGED = ("serum_rise", "serum_fall", "serum_above_lowest")
_MOST_DRUGS = 3

_LIGHT_CHAINS = ("kappa-free", "lambda-free")
#: Beside one of these, which explain a raised level, no other rule tells of CRP and ferritin.
_EXPLAINING = ("myeloma", "myeloma-relapse", *states.LYMPHOID)
_INFLAMMATION = "inflammation"

_NOT_STATED = ("not_stated", "not_stated_urine")


def evaluate(facts: Facts, rule: Rule) -> Finding | None:
    """Compares with the newest earlier result of the same laboratory and method; without one, says why it cannot."""
    b2m = facts.b2m
    every = series.earlier(facts, b2m) if b2m and series.is_usable(b2m) else ()
    if b2m is None or not every:
        return None
    before = _of_these_kidneys(facts, b2m, every)
    if not before:
        return _of_other_kidneys(facts, rule, b2m, every[0])
    comparable = tuple(r for r in before if series.are_alike(b2m, r))
    last = (comparable or before)[0]
    lowest = min(comparable, key=lambda r: r.value, default=last)
    outcome = _outcome(facts, rule, b2m, last, lowest)
    compared_with = lowest if outcome == "serum_above_lowest" else last
    values = {
        "label": _label(b2m),
        "b2m": b2m.display,
        "now": b2m.quantity,
        "before": last.quantity,
        "date": series.day_of(last.when),
        "change": (series.signed_change if outcome in _NOT_STATED else series.change_in_words)(b2m, compared_with),
        "course": _course(comparable, lowest),
        "what": " and ".join(series.differ_in(b2m, last)),
    }
    told = _notes(facts, rule, b2m, last, outcome)
    notes, said = told.notes, dict(told.values)
    if any(r != b2m and not series.order_is_known(r, b2m) for r in facts.series(b2m.analyte)):
        notes += ("order_unknown",)
    if len(before) < len(every):
        notes, said = (*notes, "left_out"), said | {"why": _why(facts, b2m, every)}
    inputs = tuple(dict.fromkeys((b2m, last, compared_with, *told.inputs)))
    thresholds = (*_VERDICTS.get(outcome, ()), *told.thresholds)
    return rule.finding(
        outcome, facts.specimen, values=values | said, notes=notes, inputs=inputs, thresholds=thresholds
    )


def _of_these_kidneys(facts: Facts, b2m: Result, every: tuple[Result, ...]) -> tuple[Result, ...]:
    """Without what is of before the last kidney transplantation, or of dialysis; all of them on dialysis and in CSF."""
    if facts.specimen == "CSF" or states.dialysis(facts) is not states.Dialysis.NO:
        return every
    return tuple(r for r in every if not states.kidneys_differed(facts, r.when, b2m.when))


def _of_other_kidneys(facts: Facts, rule: Rule, b2m: Result, last: Result) -> Finding:
    values = {
        "label": _label(b2m),
        "before": last.quantity,
        "date": series.day_of(last.when),
        "why": _why(facts, b2m, (last,)),
    }
    return rule.finding("other_kidneys", facts.specimen, values=values, inputs=(b2m, last))


def _why(facts: Facts, b2m: Result, every: tuple[Result, ...]) -> str:
    left_out = [r.when for r in every if states.kidneys_differed(facts, r.when, b2m.when)]
    grafted = any(states.before_last_graft(facts, when) for when in left_out)
    return "from before the kidney transplantation" if grafted else "from the time of dialysis"


_SERUM, _URINE = ("serum_rise_percent_from", "serum_fall_percent_from"), ("urine_fold_from",)
_VERDICTS = {
    **dict.fromkeys(("serum_rise", "serum_above_lowest"), _SERUM[:1]),
    "serum_fall": _SERUM[1:],
    **dict.fromkeys(("serum_steady", "serum_open"), _SERUM),
    **dict.fromkeys(("urine_rise", "urine_fall", "urine_steady", "urine_open"), _URINE),
}


def _label(b2m: Result) -> str:
    short = terms.analytes()[b2m.analyte].short
    return short[0].upper() + short[1:]


def _outcome(facts: Facts, rule: Rule, b2m: Result, last: Result, lowest: Result) -> str:
    if facts.specimen == "CSF":
        return "csf"
    if state := _state_without_verdict(facts, b2m, last):
        return state
    alike = series.are_alike(b2m, last)
    if not alike:
        kind = "not_stated" if alike is None else "not_comparable"
        return f"{kind}_urine" if facts.specimen in urine.SPECIMENS else kind
    return _in_urine(rule, b2m, last) if facts.specimen in urine.SPECIMENS else _in_serum(rule, b2m, last, lowest)


def _state_without_verdict(facts: Facts, b2m: Result, last: Result) -> str:
    serum = facts.specimen == "serum"
    found = {
        "dialysis": serum and states.dialysis(facts) is not states.Dialysis.NO,
        "pregnancy": states.pregnant(facts, b2m.when) or states.pregnant(facts, last.when),
        "child": serum and states.is_child(facts, last.when) is True,
    }
    return next((state for state, holds in found.items() if holds), "")


def _in_serum(rule: Rule, b2m: Result, last: Result, lowest: Result) -> str:
    rise = 1 + rule.value("serum_rise_percent_from") / 100
    fall = 1 - rule.value("serum_fall_percent_from") / 100
    rose, fell = series.is_at_least(b2m, last, rise), series.is_at_most(b2m, last, fall)
    if rose or fell:
        return "serum_rise" if rose else "serum_fall"
    if rose is None or fell is None:
        return "serum_open"
    return "serum_above_lowest" if series.is_at_least(b2m, lowest, rise) else "serum_steady"


def _in_urine(rule: Rule, b2m: Result, last: Result) -> str:
    fold = rule.value("urine_fold_from")
    rose, fell = series.is_at_least(b2m, last, fold), series.is_at_least(last, b2m, fold)
    if rose or fell:
        return "urine_rise" if rose else "urine_fall"
    return "urine_open" if rose is None or fell is None else "urine_steady"


def _course(comparable: tuple[Result, ...], lowest: Result) -> str:
    """How many comparable results there are, since when, and the lowest of them; "" where there are only two."""
    if len(comparable) < 2:
        return ""
    first = series.day_of(comparable[-1].when)
    low = f"the lowest {lowest.quantity} on {series.day_of(lowest.when)}"
    return f"{len(comparable) + 1} comparable results since {first}, before this one {low}."


@dataclass(frozen=True, slots=True)
class _Told:
    """Notes, the words that they need, and the results and limits that they rest on."""

    notes: tuple[str, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    inputs: tuple[Result, ...] = ()
    thresholds: tuple[str, ...] = ()

    def __add__(self, other: "_Told") -> "_Told":
        thresholds = tuple(dict.fromkeys((*self.thresholds, *other.thresholds)))
        return _Told(self.notes + other.notes, {**self.values, **other.values}, self.inputs + other.inputs, thresholds)


def _notes(facts: Facts, rule: Rule, b2m: Result, last: Result, outcome: str) -> _Told:
    """What may be behind a change, and what of it tells more; of urine, that it may be acid."""
    if facts.specimen != "serum":
        acid = outcome.startswith("urine") and _may_be_acid(facts, rule, b2m, last)
        return _Told(("urine_ph",) if acid else ())
    told = _of_kidney_and_drugs(facts, rule, b2m, last, outcome) + _of_inflammation(facts, rule, b2m, outcome)
    return told + _of_myeloma(facts, rule, b2m, last)


def _of_kidney_and_drugs(facts: Facts, rule: Rule, b2m: Result, last: Result, outcome: str) -> _Told:
    if outcome not in _VERDICTS and outcome not in _NOT_STATED:
        return _Told()
    begun = _begun_between(facts, last, b2m)
    drugs = ", ".join(begun[:_MOST_DRUGS]) + (" and others" if len(begun) > _MOST_DRUGS else "")
    told = ("begun",) if begun else ("drugs_unknown",) if outcome == "serum_fall" and not list_is_whole(facts) else ()
    pair = series.kidney_beside_both(facts, b2m, last)
    note = _kidney_note(rule, *pair) if pair else "kidney_unknown"
    if note in ("kidney_unknown", "kidney_similar") and outcome not in _CHANGED:
        return _Told(told, {"drugs": drugs})
    said = {"drugs": drugs, "kidney": _kidney_in_words(*pair) if pair else ""}
    return _Told((note, *told), said, pair or ())


def _of_inflammation(facts: Facts, rule: Rule, b2m: Result, outcome: str) -> _Told:
    """CRP and ferritin that are high beside a rise, where no other rule tells of them."""
    explained = context.present(facts, *_EXPLAINING)
    told = any(p.family == _INFLAMMATION and states.is_active(p) and states.is_confirmed(p) for p in facts.problems)
    if outcome != "serum_rise" or told or not explained:
        return _Told()
    near = verdicts.near(facts, b2m, rule.value("markers_days_to"), (verdicts.CRP, verdicts.FERRITIN))
    high = [one for one in near if one.result and one.speaks_for]
    markers = ", ".join(one.with_distance(b2m.when) for one in high)
    inputs = tuple(one.result for one in high if one.result)
    return _Told((_INFLAMMATION,), {"markers": markers}, inputs, ("markers_days_to",)) if high else _Told()


def _of_myeloma(facts: Facts, rule: Rule, b2m: Result, last: Result) -> _Told:
    """That B2M is no response criterion, and what those did that are: M-protein and free light chains near both."""
    if not _has_myeloma(facts):
        return _Told()
    analytes, days = ("m-protein", *_LIGHT_CHAINS, "free-light-chain-ratio"), rule.value("markers_days_to")
    pairs = {key: pair for key in analytes if (pair := series.beside_both(facts, key, b2m, last, days))}
    if pairs.keys() & set(_LIGHT_CHAINS):
        pairs.pop("free-light-chain-ratio", None)
    if not pairs:
        return _Told(("myeloma",))
    courses = "; ".join(_course_of(*pair) for pair in pairs.values())
    inputs = tuple(result for pair in pairs.values() for result in pair)
    return _Told(("myeloma_course",), {"response": courses}, inputs, ("markers_days_to",))


def _course_of(now: Result, then: Result) -> str:
    each = ", ".join(f"{result.quantity} ({series.day_of(result.when)})" for result in (then, now))
    return f"{terms.analytes()[now.analyte].short} {each}"


def _may_be_acid(facts: Facts, rule: Rule, *urines: Result) -> bool:
    return any(urine.ph_of(facts, rule, r).acidity is not urine.Acidity.VOUCHES for r in urines)


def _has_myeloma(facts: Facts) -> bool:
    return bool(states.active(facts, "myeloma")) or states.myeloma_returned_or_in_remission(facts)


def _kidney_note(rule: Rule, now: Result, then: Result) -> str:
    share = rule.value("kidney_percent_from") / 100
    rose, fell = series.is_at_least(now, then, 1 + share), series.is_at_most(now, then, 1 - share)
    if not (rose or fell):
        return "kidney_similar"
    worse = rose if now.analyte == "creatinine" else fell
    return "kidney_worse" if worse else "kidney_better"


def _kidney_in_words(now: Result, then: Result) -> str:
    verb = "rose" if now.value > then.value else "fell" if now.value < then.value else "did not change"
    name, between = terms.analytes()[now.analyte].short, f"{then.quantity} to {now.quantity}"
    return f"{name} {verb} from {between}" if now.value != then.value else f"{name} {verb} ({now.quantity})"


def _begun_between(facts: Facts, last: Result, b2m: Result) -> tuple[str, ...]:
    """The drugs whose first entry lies after the one result and not after the other; undated entries tell nothing."""
    entries: dict[str, list[Medication]] = {}
    for drug in drugs_of(facts, *_TREATMENTS):
        entries.setdefault(drug.label, []).append(drug)
    return tuple(
        label for label, found in entries.items() if all(m.start for m in found) and _first_between(found, last, b2m)
    )


def _first_between(found: list[Medication], last: Result, b2m: Result) -> bool:
    first = min((m.start for m in found if m.start), key=lambda start: start.sort_key())
    return first.first > last.when.last and first.last <= b2m.when.last
