"""What the rules on urine ask alike: which results are of one urine, and whether its pH lets a low B2M count."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import Enum

from cds_service.facts import Facts, Interval, Result
from cds_service.knowledge import kidney, states
from cds_service.knowledge.equations import CREATININE_MMOL_PER_G
from cds_service.knowledge.model import Rule
from cds_service.knowledge.terms import limit

#: The kinds of specimen that are urine.
SPECIMENS = ("urine", "urine ratio", "24 h urine")
#: The results of B2M in them, the one that depends least on how dilute the urine is first.
B2M = ("b2m-urine-ratio", "b2m-urine-rate", "b2m-urine", "b2m-urine-24h")
_COLLECTED = "24 h urine"
#: What the method of a pH is called where the laboratory measured it after it had made the urine less acid.
_ADJUSTED = ("adjust", "alkalin", "neutrali")


class Acidity(Enum):
    """What the pH says about a low B2M. Only a pH of the voided urine that is not acid vouches for it."""

    VOUCHES = "not acid"
    ACID = "acid"
    ADJUSTED = "adjusted by the laboratory"
    UNKNOWN = "not known"


@dataclass(frozen=True, slots=True)
class Ph:
    """The acidity of a urine, and the pH result that shows it."""

    acidity: Acidity
    result: Result | None = None


@dataclass(frozen=True, slots=True)
class KidneyBeside:
    """The kidney function nearest to a urine, in words, and the results that it rests on."""

    words: str
    results: tuple[Result, ...] = ()


def kidney_beside(facts: Facts, b2m: Result) -> KidneyBeside | None:
    """The eGFR near ``b2m``; where none can be had, the creatinine alone, and why there is none.

    That is so in acute kidney injury, where creatinine is not steady, and on dialysis, if that is only not clear.
    """
    days = limit("kidney_beside_days_to")
    creatinine = next(iter(facts.within(("creatinine",), b2m.when, days)), None)
    changed = kidney.unsteady_creatinine(facts, b2m.when, days, limit("unsteady_fold_from"))
    injured = states.acute_kidney_injury(facts, b2m.when)
    if states.dialysis(facts) is not states.Dialysis.NO:
        words = "dialysis not excluded: no eGFR"
        return KidneyBeside(f"creatinine {creatinine.display}, {words}", (creatinine,)) if creatinine else None
    if changed or injured:
        said = _change(*changed) if changed else f"creatinine {creatinine.display}" if creatinine else ""
        words = ", ".join(filter(None, (said, "acute kidney injury in the problem list" if injured else "")))
        return KidneyBeside(f"{words}: no eGFR", changed[::-1] or ((creatinine,) if creatinine else ()))
    found = kidney.kidney_function(facts, b2m.when, days)
    if found:
        egfr = kidney.whole(found.egfr, ())
        return KidneyBeside(f"eGFR {egfr} mL/min/1.73 m2 ({found.source})", (found.result,))
    return KidneyBeside(f"creatinine {creatinine.display}", (creatinine,)) if creatinine else None


def _change(before: Result, after: Result) -> str:
    way = "up" if after.value > before.value else "down"
    return f"creatinine {after.display}, {way} from {before.display} on {before.when.last.isoformat()}, not steady"


def is_of_one_urine(one: Result, other: Result, within: timedelta) -> bool:
    """Whether two results are known to be of one urine: of times no further apart than ``within``.

    Where a time is not known, only the same text for it will do; a bare date only for a collection of 24 hours, since a
    day has more than one void.
    """
    if one.when.instant and other.when.instant:
        return abs(one.when.instant - other.when.instant) <= within
    has_time = ":" in one.when.printed or one.specimen == _COLLECTED
    return has_time and one.when.printed == other.when.printed


def beside(facts: Facts, b2m: Result, analytes: Iterable[str], within: timedelta) -> tuple[Result, ...]:
    """The final results of ``analytes`` that are known to be of the same urine, in the order of ``analytes``."""
    final = [r for r in facts.results if not r.provisional and is_of_one_urine(b2m, r, within)]
    return tuple(r for analyte in analytes for r in final if r.analyte == analyte)


def ph_of(facts: Facts, rule: Rule, b2m: Result) -> Ph:
    """The pH of the urine in which ``b2m`` was measured. Of several, the one that vouches least counts."""
    within = timedelta(hours=int(rule.value("same_urine_hours_to")))
    found: dict[Acidity, Result] = {}
    for result in beside(facts, b2m, ("urine-ph",), within):
        found.setdefault(_acidity(rule, result), result)
    order = (Acidity.ACID, Acidity.UNKNOWN, Acidity.VOUCHES, Acidity.ADJUSTED)
    first = next((acidity for acidity in order if acidity in found), Acidity.UNKNOWN)
    return Ph(first, found.get(first))


def _acidity(rule: Rule, ph: Result) -> Acidity:
    acid = ph.interval.is_below(rule.value("acid_below"))
    if acid is None:
        return Acidity.UNKNOWN
    if acid:
        return Acidity.ACID
    return Acidity.ADJUSTED if any(word in ph.method.lower() for word in _ADJUSTED) else Acidity.VOUCHES


def per_gram(amount: Result, creatinine: Result) -> Interval | None:
    """An amount per gram of the creatinine of its urine; None for a concentration beside an excretion."""
    if (amount.specimen == _COLLECTED) != (creatinine.specimen == _COLLECTED):
        return None
    scale = CREATININE_MMOL_PER_G if creatinine.unit == "mmol/L" else Decimal(1)
    return quotient(times(amount.interval, scale), creatinine.interval)


def times(interval: Interval, factor: Decimal) -> Interval:
    """Every number of ``interval`` times ``factor``, which is above zero."""
    low = None if interval.low is None else interval.low * factor
    high = None if interval.high is None else interval.high * factor
    return Interval(low, high, interval.low_open, interval.high_open)


def quotient(dividend: Interval, divisor: Interval) -> Interval:
    """Every quotient of a number of ``dividend`` by one of ``divisor``; neither holds a number below zero."""
    low = dividend.low / divisor.high if dividend.low is not None and divisor.high else None
    high = dividend.high / divisor.low if dividend.high is not None and divisor.low else None
    return Interval(
        low,
        high,
        low_open=dividend.low_open or divisor.high_open,
        high_open=dividend.high_open or divisor.low_open,
    )


def to_three_digits(number: Decimal) -> str:
    """A ratio for reading, never for comparing: three significant digits, thousands apart."""
    return f"{Decimal(f'{number:.3g}'):,f}"
