"""Printed quantities to canonical units, by the closed table of ``knowledge/terms/units.toml``. Nothing is guessed."""

import re
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from typing import Any

from cds_service.facts import Interval, PrintedUnit, Reason, Suspicion, legible, to_digits
from cds_service.fhir.shape import text
from cds_service.knowledge.terms import (
    SNOMED,
    UCUM,
    Analyte,
    LoincCode,
    Slip,
    Unit,
    analytes,
    printed_units,
    unit_in_words,
    unit_of_snomed,
    units,
)

_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff\u00ad"))
_SAME_LOOK = str.maketrans({"\u00b5": "u", "\u03bc": "u", "\u00a0": " ", "\u202f": " ", "\u2009": " "})
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d{1,3})?", re.ASCII)
_MOST_DIGITS = 18
#: Signs of UCUM codes that nobody prints.
_OF_CODES = set("{}[]")
COMPARATORS = {"", "<", "<=", ">", ">="}


def tidy(printed: str) -> str:
    """A unit as printed, with one look for signs that look alike: both micro signs, all spaces, nothing invisible."""
    plain = printed if printed.isascii() else printed.translate(_INVISIBLE).translate(_SAME_LOOK)
    return " ".join(plain.split())


def _unit_called(printed: str) -> Unit | None:
    """The unit of the table that a text names; most are printed as the table has them."""
    known = printed_units()
    return known.get(printed) or known.get(tidy(printed))


def read_unit(quantity: object) -> Unit | Reason:
    """The unit of a FHIR Quantity by its code, else by its text; a Reason where there is none, or two that differ."""
    system, code, printed = text(quantity, "system"), text(quantity, "code"), text(quantity, "unit")
    if not code and not printed:
        return Reason.NO_UNIT
    in_ucum = system in ("", UCUM)
    by_code = unit_of_snomed().get(code) if system == SNOMED else _unit_called(code)
    by_text = by_code if printed == code and system != SNOMED else _unit_called(printed)
    if code and in_ucum and by_code is None:
        return Reason.UNKNOWN_UNIT
    if by_code and by_text and (by_code.dimension, by_code.factor) != (by_text.dimension, by_text.factor):
        return Reason.UNIT_CONFLICT
    if in_ucum or system == SNOMED:
        return by_code or by_text or Reason.UNKNOWN_UNIT
    return by_text or Reason.UNKNOWN_UNIT


def read_number(value: object) -> Decimal | None:
    """A JSON number, or a string that is nothing but one, as a Decimal; None for anything else or absurdly long."""
    if isinstance(value, bool) or not isinstance(value, (int, Decimal, str)):
        return None
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        return None
    number = value if type(value) is Decimal else Decimal(value)
    fits_in = len(number.as_tuple().digits) <= _MOST_DIGITS and abs(number.adjusted()) < _MOST_DIGITS
    return number if number.is_finite() and fits_in else None


@dataclass(frozen=True, slots=True)
class Canonical:
    """A quantity in the analyte's canonical unit: the number, how it is shown, and the interval to conclude from."""

    value: Decimal
    shown: str
    interval: Interval
    central: Interval
    printed_unit: PrintedUnit


def fits(unit: Unit, code: LoincCode) -> bool:
    """Whether a unit's dimension is one that the LOINC code's property measures."""
    return unit.dimension in code.dimensions


def convert(number: Decimal, comparator: str, unit: Unit, analyte: Analyte) -> Canonical | None:
    """A number in ``unit`` as the canonical unit of ``analyte``; None where no conversion is defined.

    A converted number is shown with as many digits as were printed, at least three, and compared unrounded. One from
    moles stands for the whole range of molar masses that sources allow. A comparator leaves the interval open to one
    side.
    """
    worth = worth_of(unit.ucum, analyte.key)
    if worth is None:
        return None
    value = number * worth.factor
    central = _interval(value, value, comparator)
    molar = analyte.molar
    if molar is None or unit.dimension == analyte.canonical.dimension:
        shown = legible(number) if worth.factor == 1 else to_digits(value, number)
        return Canonical(value, shown, central, central, worth)
    in_moles = number * (unit.factor / analyte.canonical.factor)
    ends = _interval(in_moles * molar.low, in_moles * molar.high, comparator)
    return Canonical(value, to_digits(value, number), ends, central, worth)


@cache
def worth_of(ucum: str, analyte_key: str) -> PrintedUnit | None:
    """What one unit of the table is worth in the canonical unit of an analyte; None where no conversion is defined."""
    unit, analyte = units()[ucum], analytes()[analyte_key]
    scale = unit.factor / analyte.canonical.factor
    if unit.dimension == analyte.canonical.dimension:
        return PrintedUnit(unit.reads, scale)
    molar = analyte.molar
    return PrintedUnit(unit.reads, scale * molar.factor, molar.low != molar.high) if molar else None


def _interval(low: Decimal, high: Decimal, comparator: str) -> Interval:
    match comparator:
        case "<":
            return Interval(None, high, high_open=True)
        case "<=":
            return Interval(None, high)
        case ">":
            return Interval(low, None, low_open=True)
        case ">=":
            return Interval(low, None)
        case _:
            return Interval(low, high)


def is_implausible(interval: Interval, analyte: Analyte) -> bool:
    """Whether no part of ``interval`` is a plausible value of ``analyte``, or a number below zero was printed."""
    low = analyte.reject_below if analyte.reject_below is not None else Decimal(0)
    below_zero = interval.is_below(Decimal(0)) is True
    printed_negative = any(end is not None and end < 0 for end in (interval.low, interval.high))
    too_low = interval.low is not None and interval.high is not None and interval.high < low
    too_high = analyte.reject_above is not None and interval.is_above(analyte.reject_above) is True
    return below_zero or printed_negative or too_low or too_high


def suspicion(canonical: Canonical, analyte: Analyte) -> Suspicion | None:
    """Whether a value more likely stands for another unit: only where it was filed in the unit that the slip is for.

    A result below a limit is suspected where all that it may stand for is.
    """
    interval = canonical.interval
    slip = next((slip for slip in analyte.slips if _fits_slip(canonical, slip)), None)
    otherwise = canonical.value * slip.factor if slip and slip.factor else None
    if slip and not slip.only_unusual:
        moved = _scaled(interval, slip.factor) if slip.factor else None
        return Suspicion(slip.likely_unit, otherwise, moved)
    if analyte.doubt_above is not None and interval.is_above(analyte.doubt_above):
        return Suspicion("", otherwise, possible_unit=slip.likely_unit if slip else "")
    return None


def _fits_slip(canonical: Canonical, slip: Slip) -> bool:
    """Whether a value filed in the unit of ``slip`` lies in its range.

    Of a slip that names its unit only a plain number counts: "<2 ug/L" says what a method can detect.
    """
    printed, interval = canonical.printed_unit, canonical.interval
    if printed.molar or printed.factor != (slip.printed_factor or 1) or interval.high is None:
        return False
    plain = interval.low is not None or slip.printed_factor is None
    return plain and slip.from_ <= canonical.value < slip.below


def _scaled(interval: Interval, factor: Decimal) -> Interval:
    low, high = interval.low, interval.high
    return replace(interval, low=None if low is None else low * factor, high=None if high is None else high * factor)


def likely_unit(value: Decimal, analyte: Analyte) -> str:
    """The unit that the size of an implausible number would fit, or ""."""
    return next((slip.likely_unit for slip in analyte.slips if slip.from_ <= value < slip.below), "")


def filed_quantity(number: Decimal, comparator: str, unit: Unit, quantity: Any) -> str:
    """A quantity in text that is safe to show: the unit as printed where we know that text, else as the table reads."""
    called = tidy(text(quantity, "unit"))
    is_plain = called in printed_units() and called not in units() and not _OF_CODES.intersection(called)
    return f"{comparator}{legible(number)} {called if is_plain else unit.reads}".strip()


def printed_quantity(quantity: Any) -> str:
    """A Quantity as it was printed: comparator, number and unit text, or code; a code of the table as that reads."""
    if not isinstance(quantity, dict):
        return ""
    value = quantity.get("value")
    number = "" if value is None or isinstance(value, (dict, list)) else str(value)
    unit = text(quantity, "unit") or _code_of(quantity)
    return " ".join(f"{text(quantity, 'comparator')}{number} {unit_in_words(unit)}".split())


def _code_of(quantity: Any) -> str:
    """The code of a unit; that of UCUM where it is one of SNOMED CT."""
    code = text(quantity, "code")
    unit = unit_of_snomed().get(code) if text(quantity, "system") == SNOMED else None
    return unit.ucum if unit else code
