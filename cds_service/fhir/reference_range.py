"""The laboratory's own reference range: the one that holds for this patient, in the analyte's canonical unit."""

import re
from decimal import Decimal

from cds_service.facts import PrintedUnit, Reason, ReferenceRange
from cds_service.fhir import units
from cds_service.fhir.shape import Json, element, objects, text
from cds_service.fhir.values import read_stated
from cds_service.knowledge.terms import Analyte

_MOST_RANGES = 40
_MEANINGS = "http://terminology.hl7.org/CodeSystem/referencerange-meaning"
_OTHER_KINDS = {
    "recommended", "treatment", "therapeutic", "pre", "post", "endocrine", "pre-puberty", "follicular", "midcycle",
    "luteal", "postmenopausal",
}  # fmt: skip
#: "0.8 - 2.4 mg/L", "0,8 bis 2,4 mg/l", "<= 2.4 mg/L", "< 2.4 mg/L": numbers and a unit, nothing else.
_RANGE = re.compile(
    r"(?:(?P<low>\d+(?:[.,]\d+)?) ?(?:-|–|—|to|bis|à|a|tot)|(?P<open><)|<=|≤|up to|bis) ?"
    r"(?P<high>\d+(?:[.,]\d+)?) ?(?P<unit>(?![eE][+-]?\d)[A-Za-z%/\[{(].*)",
    re.IGNORECASE | re.ASCII,
)
#: Under this name, which no FHIR element has, a limit read from a text is marked as one that lies outside.
_OPEN = "#open"
_YEARS = {"a", "y", "yr", "yrs", "year", "years"}


def reference_range(
    resource: Json, printed_unit: PrintedUnit, analyte: Analyte, age: tuple[int, int] | None
) -> ReferenceRange | None:
    """The normal range that a result carries for a patient of ``age`` (lowest and highest, in years).

    One in moles holds for a result in moles only, and the other way round (``printed_unit``).

    Where several hold, where one is for a group that is not known, or where its unit is missing or of another kind, the
    range is shown and not used: no choice is made and no unit is assumed.
    """
    normal = [r for r in objects(resource, "referenceRange") if not _is_of_another_kind(r)][:_MOST_RANGES]
    holding = [r for r in normal if _holds_at(r, age)] or normal
    if not holding:
        return None
    printed = "; ".join(filter(None, map(_printed, holding)))
    given = _from_text(holding[0])
    low, high = _limit(given.get("low"), printed_unit, analyte), _limit(given.get("high"), printed_unit, analyte)
    disordered = (high is not None and high <= 0) or (low is not None and high is not None and low > high)
    if len(holding) > 1 or disordered or given.get("appliesTo") or _kind_is_unknown(given) or not _holds_at(given, age):
        low = high = None
    return ReferenceRange(low, high, printed, high_open=bool(given.get(_OPEN))) if printed else None


def _from_text(given: Json) -> Json:
    """A range that stands in its text alone, as the quantities that it names; unchanged where it is not plain."""
    if given.get("low") or given.get("high"):
        return given
    match = _RANGE.fullmatch(units.tidy(text(given, "text")))
    ends = {name: read_stated(match[name]) for name in ("low", "high") if match[name]} if match else {}
    if match is None or None in ends.values():
        return given
    found = {name: {"value": end.number, "unit": match["unit"]} for name, end in ends.items() if end}
    return {**given, **found, _OPEN: bool(match["open"])}


def _kinds(given: Json) -> list[tuple[str, str]]:
    return [(text(coding, "system"), text(coding, "code")) for coding in objects(given, "type", "coding")]


def _is_of_another_kind(given: Json) -> bool:
    """Whether HL7's own code says that a range is not the normal one."""
    if "type" not in given:
        return False
    return any(system in ("", _MEANINGS) and code in _OTHER_KINDS for system, code in _kinds(given))


def _kind_is_unknown(given: Json) -> bool:
    """Whether a code that is not HL7's says what kind of range it is."""
    if "type" not in given:
        return False
    return any((system, code) not in (("", "normal"), (_MEANINGS, "normal")) for system, code in _kinds(given))


def _holds_at(given: Json, age: tuple[int, int] | None) -> bool:
    """Whether the patient's age, as far as it is known, lies in the ages that a range is for."""
    ages = given.get("age")
    if ages is None:
        return True
    low, high = (_years(element(ages, end)) for end in ("low", "high"))
    if age is None or (low is None and high is None):
        return False
    return (low is None or age[0] >= low) and (high is None or age[1] <= high)


def _years(quantity: object) -> Decimal | None:
    unit = text(quantity, "code") or text(quantity, "unit")
    return units.read_number(element(quantity, "value")) if unit.lower() in _YEARS else None


def _limit(quantity: object, printed_unit: PrintedUnit, analyte: Analyte) -> Decimal | None:
    number = units.read_number(element(quantity, "value"))
    unit = Reason.NO_UNIT if number is None else units.read_unit(quantity)
    if number is None or isinstance(unit, Reason):
        return None
    worth = units.worth_of(unit.ucum, analyte.key)
    return number * worth.factor if worth and worth.molar == printed_unit.molar else None


def _printed(given: Json) -> str:
    if said := text(given, "text"):
        return said
    low, high = units.printed_quantity(given.get("low")), units.printed_quantity(given.get("high"))
    if low and high:
        return f"{low} to {high}"
    return f"up to {high}" if high else f"from {low}" if low else ""
