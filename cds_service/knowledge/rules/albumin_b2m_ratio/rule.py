"""Peterson's ratio of albumin to B2M in one urine, with every precondition that it needs."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from cds_service.facts import Facts, Interval, Result
from cds_service.knowledge import levels, states, terms, urine
from cds_service.knowledge.model import Finding, Rule
from cds_service.knowledge.urine import Acidity

#: Albumin in the same measure as each B2M.
_ALBUMIN = {
    "b2m-urine": "urine-albumin",
    "b2m-urine-rate": "urine-albumin-rate",
    "b2m-urine-ratio": "urine-albumin-ratio",
}
_PROTEIN = {"b2m-urine": "urine-protein", "b2m-urine-rate": "urine-protein-rate"}
#: Ratios to creatinine in collected urine: never compared with one of spot urine.
_COLLECTED = {"13705-9", "44303-6", "93729-2"}
_PH = {Acidity.ACID: "ph_acid", Acidity.UNKNOWN: "ph_unknown", Acidity.ADJUSTED: "ph_unknown"}


@dataclass(frozen=True, slots=True)
class _Urine:
    """What was measured in the urine of a B2M: albumin in the same measure, and what shows proteinuria in it.

    ``albuminuria`` and ``proteinuria`` are True only where they are certain.
    """

    albumin: tuple[Result, ...]
    albuminuria: bool
    proteinuria: bool
    inputs: tuple[Result, ...]


def evaluate(facts: Facts, rule: Rule) -> Finding | None:
    """Classes the ratio where every precondition is met; else says which one is not."""
    b2m = facts.b2m
    if b2m is None or not levels.can_be_compared(b2m) or b2m.analyte not in _ALBUMIN or _is_no_place(facts, b2m):
        return None
    measured, level = _measured(facts, rule, b2m), levels.of_urine(facts, rule, b2m)
    near = measured.albumin or facts.within((_ALBUMIN[b2m.analyte],), b2m.when, Decimal(0))
    if not near or not (level.above or measured.proteinuria):
        return None
    ph = urine.ph_of(facts, rule, b2m)
    why_not = _unmet(b2m, measured) or _PH.get(ph.acidity, "") or ("" if measured.proteinuria else "no_proteinuria")
    name, reason = ("", why_not) if why_not else _class(rule, b2m, measured, above=level.above is True)
    inputs = (b2m, *measured.inputs, *((ph.result,) if ph.result else ()))
    if not name:
        return rule.finding("no_class", facts.specimen, notes=(reason,), inputs=inputs)
    return rule.finding(
        name,
        facts.specimen,
        values={"ratio": _shown(b2m, measured.albumin[0])},
        inputs=inputs,
        thresholds=(f"{name}_from", f"{name}_to", "same_specimen_minutes_to", *level.thresholds),
    )


def _is_no_place(facts: Facts, b2m: Result) -> bool:
    return states.dialysis(facts) is states.Dialysis.YES or states.pregnant(facts, b2m.when)


def _measured(facts: Facts, rule: Rule, b2m: Result) -> _Urine:
    within = timedelta(minutes=int(rule.value("same_specimen_minutes_to")))

    def beside(*keys: str) -> tuple[Result, ...]:
        return urine.beside(facts, b2m, keys, within)

    albumin, protein = beside(_ALBUMIN[b2m.analyte]), beside(_PROTEIN.get(b2m.analyte, ""))
    if b2m.analyte == "b2m-urine-ratio":
        albumin = tuple(a for a in albumin if (a.loinc in _COLLECTED) == (b2m.loinc in _COLLECTED))
    creatinine = beside("urine-creatinine", "urine-creatinine-rate")
    ratios = {key: beside(f"urine-{key}-ratio") for key in ("albumin", "protein")}
    albuminuria = _is_certain(rule.value("albuminuria_from"), ratios["albumin"], albumin, creatinine)
    proteinuria = _is_certain(rule.value("proteinuria_from"), ratios["protein"], protein, creatinine)
    used = (*albumin, *ratios["albumin"], *protein, *ratios["protein"], *creatinine)
    return _Urine(albumin, albuminuria, albuminuria or proteinuria, tuple(dict.fromkeys(used)))


def _is_certain(
    limit: Decimal, ratios: tuple[Result, ...], amounts: tuple[Result, ...], creatinine: tuple[Result, ...]
) -> bool:
    """Whether every ratio to creatinine that there is, reported or computed, is from ``limit``."""
    computed = [urine.per_gram(amount, by) for amount in amounts for by in creatinine]
    intervals = [*(r.interval for r in ratios), *(interval for interval in computed if interval)]
    return bool(intervals) and all(interval.is_below(limit) is False for interval in intervals)


def _unmet(b2m: Result, measured: _Urine) -> str:
    if not measured.albumin:
        return "two_specimens"
    return "in_moles" if b2m.printed_unit.molar else ""


def _class(rule: Rule, b2m: Result, measured: _Urine, *, above: bool) -> tuple[str, str]:
    """The class of the ratio, or "" and why there is none."""
    ratios = [_ratio(b2m, albumin) for albumin in measured.albumin]
    if all(_lies(rule, ratio, "tubular") for ratio in ratios):
        return ("tubular", "") if above else ("", "b2m_not_above")
    if all(_lies(rule, ratio, "glomerular") for ratio in ratios):
        return ("glomerular", "") if measured.albuminuria else ("", "no_albuminuria")
    return "", "between"


def _lies(rule: Rule, ratio: Interval, name: str) -> bool:
    low, high = rule.value(f"{name}_from"), rule.value(f"{name}_to")
    return ratio.is_below(low) is False and ratio.is_above(high) is False


def _ratio(b2m: Result, albumin: Result) -> Interval:
    return urine.quotient(urine.times(albumin.interval, _scale(b2m, albumin)), b2m.interval)


def _scale(b2m: Result, albumin: Result) -> Decimal:
    """How many of the unit of B2M one of the unit of albumin is."""
    units = {analyte: terms.analytes()[analyte].canonical for analyte in (b2m.analyte, albumin.analyte)}
    return units[albumin.analyte].factor / units[b2m.analyte].factor


def _shown(b2m: Result, albumin: Result) -> str:
    return urine.to_three_digits(albumin.value * _scale(b2m, albumin) / b2m.value)
