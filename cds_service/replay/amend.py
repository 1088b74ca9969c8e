"""Values and dates of a call's results changed in place, wherever the call holds them, to see what that changes."""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from cds_service.cards.markdown import plain
from cds_service.fhir.bundle import identity_of
from cds_service.fhir.local_codes import LocalCodes
from cds_service.fhir.shape import Json, codings, element, objects, text
from cds_service.fhir.values import read_stated
from cds_service.knowledge.terms import LOINC, analytes

#: Codes by which an analyte is known here.
Codes = frozenset[tuple[str, str]]
_READ = ("valueQuantity", "valueString", "valueInteger")


@dataclass(frozen=True, slots=True)
class Entry:
    """A result as it is filed, as text: number with its comparator, unit, date and time. "" where there is none."""

    value: str
    unit: str
    when: str


def codes_of(analyte: str, codes: LocalCodes) -> Codes:
    """The LOINC codes of an analyte, by its key, and the site's own that mean one of them."""
    known = {code.code for code in analytes()[analyte].loinc}
    own = {pair for pair, meant in codes.means.items() if meant in known}
    return frozenset({(LOINC, code) for code in known} | own)


def observations(request: Json) -> dict[str, list[Json]]:
    """Every Observation that a call holds, by its reference; one that stands there twice is there in both copies."""
    found: dict[str, list[Json]] = {}
    for reference, resource in _observations([request.get("prefetch"), element(request, "context", "results")], ""):
        found.setdefault(reference, []).append(resource)
    return found


def _observations(value: Any, container: str) -> Iterator[tuple[str, Json]]:
    if isinstance(value, list):
        for item in value:
            yield from _observations(item, container)
    elif isinstance(value, dict):
        identity = identity_of(value) if text(value, "resourceType") else ""
        if container and identity:
            identity = f"{container}#{text(value, 'id')}"
        if identity and value["resourceType"] == "Observation":
            yield identity, value
        for name, inner in value.items():
            yield from _observations(inner, identity if name == "contained" else "")


def entry_of(copies: Sequence[Json], codes: Codes) -> Entry | None:
    """What is filed under ``codes`` in the copies of an Observation; None where nothing can be changed as text."""
    whole = next((copy for copy in copies if _part(copy, codes)), {})
    part = _part(whole, codes)
    if part is None:
        return None
    given = [name for name in part if name.startswith("value")]
    if len(given) > 1 or any(name not in _READ for name in given):
        return None
    return Entry(*map(plain, (*_value_of(part, given[0] if given else ""), _when_of(whole))))


def _part(resource: Json, codes: Codes) -> Json | None:
    """The Observation itself or the component that bears one of the codes."""
    parts = (resource, *objects(resource, "component"))
    return next((part for part in parts if not codes.isdisjoint(codings(part, "code"))), None) if codes else None


def _value_of(part: Json, name: str) -> tuple[str, str]:
    value = part.get(name)
    if name != "valueQuantity":
        return "" if value is None else str(value), ""
    number = element(value, "value")
    shown = f"{number:f}" if isinstance(number, Decimal) else "" if number is None else str(number)
    return text(value, "comparator") + shown, text(value, "unit") or text(value, "code")


def _when_of(whole: Json) -> str:
    given = (text(whole, name) for name in ("effectiveDateTime", "effectiveInstant"))
    return next(filter(None, given), "") or text(whole, "effectivePeriod", "start")


def amended(request: Json, changes: Mapping[tuple[str, str], Entry], codes: LocalCodes) -> Json:
    """A copy of a call in which results are filed otherwise; what is the same as before is left as it was.

    Args:
        request: the call.
        changes: by reference and key of the analyte, how a result is to be filed. What is no number is filed as text.
        codes: the site's own.
    """
    changed = deepcopy(request)
    held = observations(changed)
    for (reference, analyte), entry in changes.items():
        wanted = codes_of(analyte, codes) if analyte in analytes() else frozenset()
        copies = held.get(reference, [])
        before = entry_of(copies, wanted)
        for copy in copies:
            part = _part(copy, wanted)
            if before and part:
                _file(copy, part, before, entry)
    return changed


def _file(whole: Json, part: Json, before: Entry, entry: Entry) -> None:
    if (entry.value, entry.unit) != (before.value, before.unit):
        _file_value(part, entry, same_unit=entry.unit == before.unit)
    if entry.when != before.when:
        _remove(whole, "effective")
        whole |= {"effectiveDateTime": entry.when} if entry.when else {}


def _file_value(part: Json, entry: Entry, *, same_unit: bool) -> None:
    """The value as a quantity, in the unit's code too where that is as it was; as text where it is no number."""
    old = {name: element(part, "valueQuantity", name) for name in ("system", "code")}
    coded = {name: value for name, value in old.items() if value is not None and same_unit}
    _remove(part, "value")
    part.pop("dataAbsentReason", None)
    stated = read_stated(entry.value)
    if stated and not stated.unit:
        quantity = {"value": stated.number, "comparator": stated.comparator, "unit": entry.unit}
        part["valueQuantity"] = {name: value for name, value in quantity.items() if value != ""} | coded
    elif entry.value:
        part["valueString"] = f"{entry.value} {entry.unit}".strip()


def _remove(resource: Json, beginning: str) -> None:
    for name in [name for name in resource if name.startswith(beginning)]:
        del resource[name]
