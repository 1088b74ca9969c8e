"""What an Observation states as its value, in any of the forms that FHIR allows: read strictly, or refused."""

import re
from dataclasses import dataclass
from decimal import Decimal

from cds_service.facts import Reason
from cds_service.fhir import units
from cds_service.fhir.shape import Json, element, objects, text

_COMPARED = {"≤": "<=", "≥": ">=", "=<": "<=", "=>": ">="}
_STATED = re.compile(
    r"(?P<comparator><=|>=|=<|=>|<|>|≤|≥)?\s*(?P<number>[+-]?\d+(?:[.,]\d+)?)(?:\s*(?P<unit>(?![eE][+-]?\d)(?!.*\s\d)[A-Za-z%/\[{(].*))?",
    re.ASCII,
)
#: "1,234" and "1.234" may be a thousand or a little more than one, by the country; "0,123" cannot.
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}[.,]\d{3}", re.ASCII)
_LONGEST = 80
_ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Stated:
    """A number with its comparator and the elements of its unit; ``printed`` is the whole as it stands there."""

    number: Decimal
    comparator: str
    unit: Json
    printed: str


@dataclass(frozen=True, slots=True)
class Unread:
    """Why there is no number; ``printed`` is what stands in its place."""

    reason: Reason
    printed: str


def read_value(resource: Json) -> Stated | Unread:
    """The value of an Observation.

    A quantity, a text that is nothing but a number with an optional comparator and unit, an integer, and a ratio to
    one are read; everything else is refused with its text. Two values at once are refused.
    """
    given = [name for name, value in resource.items() if name.startswith("value") and value is not None]
    if resource.get("dataAbsentReason") or not given:
        return Unread(Reason.NO_VALUE, _concept(resource.get("dataAbsentReason")) or "no reason given")
    if len(given) > 1:
        return Unread(Reason.UNREADABLE_VALUE, " and ".join(_said(name, resource[name]) for name in sorted(given)))
    (name,) = given
    value = resource[name]
    match name:
        case "valueQuantity":
            return _quantity(value)
        case "valueString" | "valueInteger" if isinstance(value, (str, int)) and not isinstance(value, bool):
            return _of_text(str(value), {})
        case "valueRatio":
            return _ratio(value)
    return Unread(Reason.UNREADABLE_VALUE, _said(name, value))


def read_stated(printed: str) -> Stated | None:
    """A text that is nothing but a number with an optional comparator and unit; None for any other.

    A decimal comma is read as one. What could also be a number of thousands is refused.
    """
    plain = units.tidy(printed)
    match = _STATED.fullmatch(plain) if len(plain) <= _LONGEST else None
    if match is None or _THOUSANDS.fullmatch(match["number"]):
        return None
    number = units.read_number(match["number"].replace(",", "."))
    comparator = match["comparator"] or ""
    unit = {"unit": match["unit"]} if match["unit"] else {}
    return None if number is None else Stated(number, _COMPARED.get(comparator, comparator), unit, printed.strip())


def _of_text(printed: str, unit: Json) -> Stated | Unread:
    stated = read_stated(printed)
    if stated is None or (unit and stated.unit):
        return Unread(Reason.UNREADABLE_VALUE, printed.strip()) if printed.strip() else Unread(Reason.NO_VALUE, "empty")
    return Stated(stated.number, stated.comparator, stated.unit or unit, stated.printed)


def _quantity(quantity: object) -> Stated | Unread:
    """A Quantity; its number may be a JSON text, with a comparator in it if there is none beside it."""
    value, printed = element(quantity, "value"), units.printed_quantity(quantity)
    if not isinstance(quantity, dict) or value is None:
        return Unread(Reason.NO_VALUE, printed or "no reason given")
    comparator = text(quantity, "comparator")
    if isinstance(value, str):
        plain = units.read_number(value)
        stated = read_stated(value) if plain is None else Stated(plain, "", {}, value)
        if stated is None or stated.unit or (stated.comparator and comparator):
            return Unread(Reason.UNREADABLE_VALUE, printed)
        number, comparator = stated.number, stated.comparator or comparator
    else:
        found = units.read_number(value)
        if found is None:
            return Unread(Reason.UNREADABLE_VALUE, printed)
        number = found
    if comparator not in units.COMPARATORS or quantity.get("comparator") not in (None, text(quantity, "comparator")):
        return Unread(Reason.UNREADABLE_VALUE, printed)
    return Stated(number, comparator, quantity, printed)


def _ratio(ratio: object) -> Stated | Unread:
    """A ratio to one of something, such as 300 ug to 1 g: the quantity that it is; any other is refused."""
    top, bottom = _quantity(element(ratio, "numerator")), _quantity(element(ratio, "denominator"))
    printed = _said("valueRatio", ratio)
    if isinstance(top, Unread) or isinstance(bottom, Unread) or bottom.number != _ONE or bottom.comparator:
        return Unread(Reason.UNREADABLE_VALUE, printed)
    if any(_names_two_units(part.unit) for part in (top, bottom)):
        return Unread(Reason.UNIT_CONFLICT, printed)
    above, below = (text(part.unit, "unit") or text(part.unit, "code") for part in (top, bottom))
    unit = {"unit": f"{above}/{below}"} if above and below else {}
    return Stated(top.number, top.comparator, unit, printed)


def _names_two_units(quantity: Json) -> bool:
    """Whether a part of a ratio has a unit and a code that are not the same text."""
    unit, code = (units.tidy(text(quantity, name)) for name in ("unit", "code"))
    return bool(unit and code) and unit != code


def _said(name: str, value: object) -> str:
    """Any value[x] in words, for showing."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, Decimal)):
        return str(value)
    parts = [units.printed_quantity(element(value, end)) for end in ("numerator", "denominator", "low", "high")]
    between = " to " if name == "valueRange" else " : "
    quantity = units.printed_quantity(value)
    return _concept(value) or between.join(filter(None, parts)) or quantity or name


def _concept(value: object) -> str:
    """A CodeableConcept in words: its text, else what a coding displays, else a code."""
    shown = (text(coding, name) for name in ("display", "code") for coding in objects(value, "coding"))
    return text(value, "text") or next(filter(None, shown), "")
