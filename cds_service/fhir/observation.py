"""One Observation to one Result, or to the MissingData that says why it is none."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from cds_service.facts import MissingData, Moment, Patient, Reason, Result
from cds_service.fhir import bundle, project, units
from cds_service.fhir.dates import CLOCK_TOLERANCE
from cds_service.fhir.meaning import contradicts_its_name, names_of
from cds_service.fhir.reference_range import reference_range
from cds_service.fhir.shape import Json, codings, objects, text
from cds_service.fhir.status import is_provisional, why_not_a_result
from cds_service.fhir.values import Stated, Unread, read_value
from cds_service.knowledge.terms import LOINC, Analyte, LoincCode, analytes, names
from cds_service.knowledge.terms import specimens as specimen_terms


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an Observation is read beside: the time, whose it is, and the specimens that it may refer to."""

    as_of: datetime
    patient: Patient
    referred: Mapping[str, Json] = field(default_factory=dict)


def read_observation(
    resource: Json, analyte: Analyte, code: LoincCode, when: Moment | None, beside: Surroundings
) -> Result | MissingData:
    """Reads an Observation picked for ``code``: status, date, specimen, value, unit, plausibility, in this order."""
    value = read_value(resource)
    unread = _unread(resource, analyte, when, value.printed)
    if reason := _cannot_be_used(resource, analyte, code):
        printed = text(resource, "status") or "not stated" if reason is Reason.STATUS else unread.printed
        return replace(unread, reason=reason, printed=printed)
    if missing := _without_time(unread, when, beside.as_of):
        return missing
    if specimen := _other_specimen(resource, analyte, beside):
        return replace(unread, reason=Reason.SPECIMEN_CONFLICT, printed=specimen)
    if isinstance(value, Unread):
        return replace(unread, reason=value.reason)
    fault = project.fault_of_b2m if analyte.is_b2m else project.fault_of_companion
    if invalid := fault(project.observation(resource, {"system": LOINC, "code": code.code}, value)):
        return replace(unread, printed=invalid)
    return _convert(resource, analyte, code, value, unread, beside.patient)


def read_uncoded(resource: Json, when: Moment | None, beside: Surroundings) -> MissingData:
    """What a result that is called B2M and is not coded comes to: it is named, never interpreted."""
    analyte = analytes()[names.UNCODED]
    unread = _unread(resource, analyte, when, read_value(resource).printed)
    if reason := _cannot_be_used(resource, analyte, None):
        return replace(unread, reason=reason)
    return _without_time(unread, when, beside.as_of) or replace(unread, reason=Reason.UNCODED)


def _unread(resource: Json, analyte: Analyte, when: Moment | None, printed: str) -> MissingData:
    return MissingData(
        item=analyte.key,
        reason=Reason.INVALID,
        printed=printed,
        reference=bundle.reference_of(resource),
        when=when,
        specimen=analyte.specimen,
    )


def _without_time(unread: MissingData, when: Moment | None, as_of: datetime) -> MissingData | None:
    if when is None or not when.is_precise:
        return replace(unread, reason=Reason.NO_DATE)
    return replace(unread, reason=Reason.FUTURE) if when.is_after(as_of, CLOCK_TOLERANCE) else None


def _cannot_be_used(resource: Json, analyte: Analyte, code: LoincCode | None) -> Reason | None:
    if reason := why_not_a_result(resource):
        return reason
    if contradicts_its_name(resource, analyte):
        return Reason.CODE_CONFLICT
    dimensions = code.dimensions if code else ()
    arbitrary = dimensions == ("arbitrary",) and analyte.canonical.dimension != "arbitrary"
    return Reason.NOT_CONVERTIBLE if arbitrary or dimensions == ("coded",) else None


def _other_specimen(resource: Json, analyte: Analyte, beside: Surroundings) -> str:
    """What the specimen is said to be where that contradicts the code, else ""."""
    kinds = _kinds_stated(resource, beside) if resource.get("specimen") else {}
    stated = (said for kind, said in kinds.items() if kind and specimen_terms.contradicts(kind, analyte.specimen))
    called = (name for name in names_of(resource) if _names_another(name, analyte))
    return next(stated, "") or next(called, "")


def _kinds_stated(resource: Json, beside: Surroundings) -> dict[str | None, str]:
    """The kinds of specimen that an Observation refers to, each with what says so."""
    reference = text(resource, "specimen", "reference")
    inside = {f"#{text(inner, 'id')}": inner for inner in objects(resource, "contained")}
    specimen = inside.get(reference) or beside.referred.get(_unversioned(reference))
    kinds = {specimen_terms.kind_of_code(system, code): code for system, code in codings(specimen, "type")}
    words = [text(specimen, "type", "text"), text(resource, "specimen", "display")]
    return kinds | {specimen_terms.kind_of_word(word): word for word in words if word}


def _names_another(name: str, analyte: Analyte) -> bool:
    """Whether the name of a result names specimens, and not one that its code can be measured in."""
    kinds = specimen_terms.kinds_named(name)
    return bool(kinds) and all(specimen_terms.contradicts(kind, analyte.specimen) for kind in kinds)


def _unversioned(reference: str) -> str:
    """A reference as the Specimens of a chart are kept by: by its fullUrl, else by type and id."""
    whole = reference.split("/_history/", 1)[0]
    return whole if whole.startswith("urn:") else "/".join(whole.split("/")[-2:])


def _convert(
    resource: Json, analyte: Analyte, code: LoincCode, value: Stated, unread: MissingData, patient: Patient
) -> Result | MissingData:
    unit = units.read_unit(value.unit)
    if isinstance(unit, Reason):
        return replace(unread, reason=unit)
    if not units.fits(unit, code):
        return replace(unread, reason=Reason.WRONG_DIMENSION)
    canonical = units.convert(value.number, value.comparator, unit, analyte)
    if canonical is None or unread.when is None:
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
        unit=analyte.canonical.reads,
        comparator=value.comparator,
        printed=unread.printed,
        filed=units.filed_quantity(value.number, value.comparator, unit, value.unit),
        printed_unit=canonical.printed_unit,
        when=unread.when,
        loinc=code.code,
        reference=unread.reference,
        provisional=is_provisional(resource),
        reference_range=reference_range(resource, canonical.printed_unit, analyte, patient.age_on(unread.when)),
        suspicion=units.suspicion(canonical, analyte),
        laboratory=_named(next(objects(resource, "performer"), None)),
        method=_called(resource.get("method")) or _named(resource.get("device")),
    )


def _named(reference: object) -> str:
    """What a Reference names: by its address, its identifier, or what it displays."""
    if not reference:
        return ""
    return text(reference, "reference") or text(reference, "identifier", "value") or text(reference, "display")


def _called(concept: object) -> str:
    """What a CodeableConcept says: its first code, or its text."""
    if not concept:
        return ""
    pairs = codings(concept)
    return f"{pairs[0][0]}|{pairs[0][1]}" if pairs else text(concept, "text")
