"""One Observation to one Result, or to the MissingData that says why it is none."""

from dataclasses import replace
from datetime import datetime, timedelta

from cds_service.facts import MissingData, Moment, Patient, Reason, Result
from cds_service.fhir import project, units
from cds_service.fhir.bundle import reference_of
from cds_service.fhir.reference_range import reference_range
from cds_service.fhir.shape import Json, codings, objects, text
from cds_service.knowledge.terms import LOINC, Analyte, LoincCode, analyte_of_loinc

#: The statuses with which an Observation is a result; a preliminary one is provisional.
COUNTING = {"final", "amended", "corrected", "appended", "preliminary"}
_CLOCK_TOLERANCE = timedelta(minutes=10)


def meanings(resource: Json) -> list[tuple[Analyte, LoincCode]]:
    """Every analyte that the LOINC codings of an Observation stand for, with the code that said so."""
    known = analyte_of_loinc()
    return [known[code] for system, code in codings(resource, "code") if system == LOINC and code in known]


def read_observation(
    resource: Json, analyte: Analyte, code: LoincCode, when: Moment | None, as_of: datetime, patient: Patient
) -> Result | MissingData:
    """Reads an Observation picked for ``code``: status, date, value, unit, plausibility, in this order.

    ``patient``: whose age chooses among reference ranges.
    """
    unread = MissingData(
        item=analyte.key,
        reason=Reason.INVALID,
        printed=units.printed_quantity(resource.get("valueQuantity")),
        reference=reference_of(resource),
        when=when,
        specimen=analyte.specimen,
    )
    if reason := _cannot_be_used(resource, code):
        printed = text(resource, "status") or "not stated" if reason is Reason.STATUS else unread.printed
        return replace(unread, reason=reason, printed=printed)
    if when is None or not when.is_precise:
        return replace(unread, reason=Reason.NO_DATE)
    if when.is_after(as_of, _CLOCK_TOLERANCE):
        return replace(unread, reason=Reason.FUTURE)
    if invalid := project.fault(project.observation(resource, {"system": LOINC, "code": code.code})):
        return replace(unread, printed=invalid)
    read = _read_quantity(resource, analyte, code, when, unread)
    if isinstance(read, MissingData):
        return read
    return replace(read, reference_range=reference_range(resource, read, analyte, patient.age_on(when)))


def _cannot_be_used(resource: Json, code: LoincCode) -> Reason | None:
    status = text(resource, "status")
    if resource.get("modifierExtension"):
        return Reason.MODIFIER
    if status == "entered-in-error":
        return Reason.ENTERED_IN_ERROR
    if status not in COUNTING:
        return Reason.STATUS
    return Reason.NOT_CONVERTIBLE if code.property in ("PrThr", "ACnc") else None


def _read_quantity(
    resource: Json, analyte: Analyte, code: LoincCode, when: Moment, unread: MissingData
) -> Result | MissingData:
    quantity = resource.get("valueQuantity")
    if not isinstance(quantity, dict) or quantity.get("value") is None or resource.get("dataAbsentReason"):
        return _without_quantity(resource, unread)
    number, comparator = units.read_number(quantity["value"]), text(quantity, "comparator")
    if number is None or comparator not in units.COMPARATORS:
        return replace(unread, reason=Reason.UNREADABLE_VALUE)
    unit = units.read_unit(quantity)
    if isinstance(unit, Reason):
        return replace(unread, reason=unit)
    if not units.fits(unit, code):
        return replace(unread, reason=Reason.WRONG_DIMENSION)
    canonical = units.convert(number, comparator, unit, analyte)
    if canonical is None:
        return replace(unread, reason=Reason.NOT_CONVERTIBLE)
    if units.is_implausible(canonical.interval, analyte):
        hint = units.likely_unit(canonical.value, analyte)
        return replace(unread, reason=Reason.IMPLAUSIBLE, hint=hint)
    return Result(
        analyte=analyte.key,
        specimen=analyte.specimen,
        value=canonical.value,
        shown=canonical.shown,
        interval=canonical.interval,
        central=canonical.central,
        unit=analyte.canonical.ucum,
        comparator=comparator,
        printed=unread.printed,
        filed=units.filed_quantity(number, comparator, unit, quantity),
        printed_unit=canonical.printed_unit,
        when=when,
        loinc=code.code,
        reference=unread.reference,
        provisional=text(resource, "status") == "preliminary",
        suspicion=units.suspicion(canonical, analyte),
    )


def _without_quantity(resource: Json, unread: MissingData) -> MissingData:
    """A result said to be absent, with another kind of value, or with none: said as the laboratory put it."""
    absent = resource.get("dataAbsentReason")
    other = next((name for name in resource if name.startswith("value") and name != "valueQuantity"), None)
    if other and not absent:
        value = resource[other]
        return replace(unread, reason=Reason.UNREADABLE_VALUE, printed=value if isinstance(value, str) else other)
    why = text(absent, "text") or next((text(c, "code") for c in objects(absent, "coding")), "")
    return replace(unread, reason=Reason.NO_VALUE, printed=why or "no reason given")
