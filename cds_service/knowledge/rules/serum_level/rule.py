"""Serum B2M against the laboratory's own range, else against a labelled default by age."""

from decimal import Decimal

from cds_service.facts import Facts, Result, legible
from cds_service.knowledge import states
from cds_service.knowledge.model import Finding, Rule

_RAISING_FAMILIES = ("kidney", "cancer", "inflammation", "infection", "transplant", "liver")


def evaluate(facts: Facts, rule: Rule) -> Finding | None:
    """Compares with the upper limit that holds for this result; silent on a doubtful or provisional value."""
    b2m = facts.b2m
    if b2m is None or b2m.provisional or (b2m.suspicion and b2m.suspicion.likely_unit):
        return None
    if states.dialysis(facts) is not states.Dialysis.NO:
        return None
    inputs, values = (b2m,), {"b2m": b2m.display}
    given = b2m.reference_range
    if states.pregnant(facts, b2m.when):
        return _in_pregnancy(facts, rule, b2m)
    if given and given.high is not None:
        return _compared(facts, rule, b2m, given.high, "laboratory")
    bands = _bands(facts, rule, b2m)
    above = {b2m.interval.is_above(rule.value(band)) for band in bands}
    low = b2m.interval.is_above(rule.value("any_range_above")) is False
    if given and given.low is None and above == {False} and not low:
        return rule.finding("range_unusable", facts.specimen, values=values, inputs=inputs, thresholds=_ANY)
    if not bands:
        return rule.finding("no_range", facts.specimen, values=values, inputs=inputs)
    band = bands[-1] if above == {True} else bands[0]
    return _compared(facts, rule, b2m, rule.value(band), "default", band, agree=len(above) == 1)


def _in_pregnancy(facts: Facts, rule: Rule, b2m: Result) -> Finding:
    """No range is applied; a value above the limit that the laboratory printed is told all the same."""
    given, values = b2m.reference_range, {"b2m": b2m.display}
    if given is None or given.high is None or not given.is_exceeded_by(b2m.central):
        return rule.finding("pregnancy", facts.specimen, values=values, inputs=(b2m,))
    values["limit"] = f"{legible(given.high)} {b2m.unit}"
    return rule.finding("pregnancy_raised", facts.specimen, values=values, inputs=(b2m,))


_ANY = ("any_range_above",)


_DAY_BANDS = ("1_to_30_days", "31_to_182_days", "183_to_365_days")
_YEAR_BANDS = ("1_to_3_years", "4_to_6_years", "7_to_9_years", "10_to_12_years")


def _bands(facts: Facts, rule: Rule, b2m: Result) -> tuple[str, ...]:
    """The defaults that the patient's age and sex allow, the lowest limit first; none where one of them is lacking."""
    age, child = facts.patient.age_on(b2m.when), states.is_child(facts, b2m.when)
    if age is None or child is None:
        return ()
    if child:
        sexes = {"female": ("girls",), "male": ("boys",)}.get(facts.patient.sex or "", ("girls", "boys"))
        ages = _ages_of_child(facts, rule, b2m, age)
        found = {f"{sex}_{band}_above" for sex in sexes for band in ages}
        return tuple(sorted(found, key=lambda name: (rule.value(name), name)))
    older_from = rule.value("older_band_from")
    younger = ("default_to_49_years_above",) if age[0] < older_from else ()
    older = ("default_from_50_years_above",) if age[1] >= older_from else ()
    return younger + older


def _ages_of_child(facts: Facts, rule: Rule, b2m: Result, age: tuple[int, int]) -> set[str]:
    """The bands of age that the birth date allows; none where any age that it allows has none."""
    birth, first_birthday = facts.patient.birth, rule.value("band_1_to_3_years_from")
    if birth is None or age[1] >= rule.value("no_band_from"):
        return set()
    years = _touched(rule, _YEAR_BANDS, *age)
    if age[0] >= first_birthday:
        return years
    youngest, oldest = (b2m.when.first - birth.last).days, (b2m.when.last - birth.first).days
    if birth.first != birth.last or youngest < rule.value("band_1_to_30_days_from"):
        return set()
    return years | _touched(rule, _DAY_BANDS, youngest, oldest)


def _touched(rule: Rule, bands: tuple[str, ...], youngest: int, oldest: int) -> set[str]:
    """Of ``bands``, in the order of age, those that hold an age from ``youngest`` to ``oldest``."""
    begins = [rule.value(f"band_{band}_from") for band in bands]
    return {
        band
        for band, begin, end in zip(bands, begins, (*begins[1:], None), strict=True)
        if begin <= oldest and (end is None or youngest < end)
    }


def _compared(
    facts: Facts, rule: Rule, b2m: Result, limit: Decimal, origin: str, threshold: str = "", *, agree: bool = True
) -> Finding:
    above = b2m.interval.is_above(limit) if agree else None
    if origin == "laboratory" and b2m.reference_range:
        above = b2m.reference_range.is_exceeded_by(b2m.central)
    outcome = "unclear" if above is None else f"above_{origin}" if above else f"not_above_{origin}"
    values = {"b2m": b2m.display, "limit": f"{legible(limit)} {b2m.unit}"}
    if above:
        values["causes"] = _causes_in_chart(facts)
    return rule.finding(
        outcome,
        facts.specimen,
        values=values,
        notes=_notes(facts, rule, b2m, threshold),
        inputs=(b2m,),
        thresholds=(threshold,) if threshold else (),
    )


def _notes(facts: Facts, rule: Rule, b2m: Result, threshold: str) -> tuple[str, ...]:
    child = states.is_child(facts, b2m.when)
    youngest, oldest = facts.patient.age_on(b2m.when) or (0, 0)
    studied = rule.value("studied_from") <= youngest and oldest <= rule.value("studied_to")
    default = bool(threshold)
    asked = {
        "method": default,
        "child": child and not default,
        "children": child and default,
        "sex_unknown": child and default and facts.patient.sex not in ("female", "male"),
        "outside_ages": default and not child and not studied,
    }
    return tuple(note for note, holds in asked.items() if holds)


def _causes_in_chart(facts: Facts) -> str:
    done = [
        p.label
        for p in facts.procedures
        if p.key.endswith("transplantation") and not (p.when and facts.b2m and p.when.first > facts.b2m.when.last)
    ]
    procedures = f"Among the procedures: {', '.join(dict.fromkeys(done))}." if done else ""
    return " ".join(said for said in (_diagnoses_in_chart(facts, procedures), procedures) if said)


def _diagnoses_in_chart(facts: Facts, procedures: str) -> str:
    if "conditions" in facts.unknown:
        return "The problem list was not available in full."
    present = [
        p
        for p in facts.problems
        if states.is_active(p) and states.is_confirmed(p) and p.family in _RAISING_FAMILIES and p.key != "dialysis"
    ]
    labels = list(dict.fromkeys(p.label for p in present))
    if not labels and procedures:
        return ""
    if not labels:
        return "The problem list holds no confirmed, active diagnosis that this service knows to raise it."
    listed = ", ".join(labels[:6]) + (" and others" if len(labels) > 6 else "")
    return f"In the problem list: {listed}."
