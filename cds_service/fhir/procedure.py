"""Procedures that took place: those whose code the knowledge has a name for."""

from collections.abc import Iterable
from datetime import datetime

from cds_service.facts import MissingData, Moment, Procedure, Reason
from cds_service.fhir import project
from cds_service.fhir.bundle import reference_of
from cds_service.fhir.dates import CLOCK_TOLERANCE, read_moment, read_period
from cds_service.fhir.shape import Json, codings, text
from cds_service.knowledge.terms.treatments import ProcedureTerm, procedure_of_code

_TOOK_PLACE = {"completed", "in-progress"}
_NEVER = {"preparation", "not-done", "entered-in-error"}
#: Of R4 and R5, then STU3: whether it took place, wholly or at all, is not said.
_UNCLEAR = {"on-hold", "stopped", "unknown", "suspended", "aborted"}


def read_procedures(
    resources: Iterable[Json], as_of: datetime
) -> tuple[tuple[Procedure, ...], tuple[MissingData, ...]]:
    """The procedures that rules have a name for, and what could not be read of those."""
    procedures: list[Procedure] = []
    missing: list[MissingData] = []
    for resource in resources:
        meant = _meanings(resource)
        if not meant or text(resource, "status") in _NEVER or resource.get("notDone") is True:
            continue
        reason = _cannot_be_used(resource, as_of)
        if reason:
            missing.append(MissingData("procedures", reason, reference=reference_of(resource), when=_when(resource)))
        else:
            procedures += [_read(resource, term, code, as_of) for term, code in meant.items()]
    return tuple(procedures), tuple(missing)


def _meanings(resource: Json) -> dict[ProcedureTerm, str]:
    """Every procedure that the codings stand for, with the codes that said so."""
    meant: dict[ProcedureTerm, str] = {}
    if text(resource, "resourceType") != "Procedure":
        return meant
    for system, code in codings(resource, "code"):
        term = procedure_of_code(system, code)
        if term:
            meant[term] = f"{meant[term]} {code}" if term in meant else code
    return meant


def _cannot_be_used(resource: Json, as_of: datetime) -> Reason | None:
    begun = read_moment(text(_period(resource), "start")) or _at(resource)
    if resource.get("modifierExtension"):
        return Reason.MODIFIER
    if resource.get("notDone") not in (None, False) or project.fault_of_companion(project.procedure(resource)):
        return Reason.INVALID
    if text(resource, "status") not in _TOOK_PLACE:
        return Reason.STATUS if text(resource, "status") in _UNCLEAR else Reason.INVALID
    return Reason.FUTURE if begun and begun.is_after(as_of, CLOCK_TOLERANCE) else None


def _period(resource: Json) -> object:
    """The period in which it was done: R4 and STU3, else R5."""
    return resource.get("performedPeriod") or resource.get("occurrencePeriod")


def _at(resource: Json) -> Moment | None:
    """The time at which it was done, where no period is given: R4 and STU3, else R5."""
    return read_moment(text(resource, "performedDateTime")) or read_moment(text(resource, "occurrenceDateTime"))


def _when(resource: Json) -> Moment | None:
    return _at(resource) or read_period(_period(resource))


def _read(resource: Json, term: ProcedureTerm, code: str, as_of: datetime) -> Procedure:
    ended = read_moment(text(_period(resource), "end"))
    return Procedure(
        key=term.key,
        label=term.label,
        code=code,
        when=_when(resource),
        ongoing=text(resource, "status") == "in-progress" and not (ended and ended.days_old(as_of) > 0),
        reference=reference_of(resource),
    )
