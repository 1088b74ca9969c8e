"""Conditions to Problems: those whose SNOMED CT, ICD-10-CM or ICD-10 code the knowledge has a name for."""

from collections.abc import Iterable
from datetime import datetime

from cds_service.facts import MissingData, Problem, Reason
from cds_service.fhir import project
from cds_service.fhir.bundle import reference_of
from cds_service.fhir.dates import is_over, onset_of, read_moment
from cds_service.fhir.shape import Json, codings, objects, text
from cds_service.knowledge import terms

_CODES = "http://terminology.hl7.org/CodeSystem/"
_CLINICAL = {"active", "recurrence", "relapse", "inactive", "remission", "resolved", "unknown"}
_VERIFICATION = {"unconfirmed", "provisional", "differential", "confirmed", "refuted", "entered-in-error", "unknown"}


_OVER = {"inactive", "remission", "resolved"}
_REFUTED = {"refuted", "entered-in-error"}


def read_conditions(
    resources: Iterable[Json], as_of: datetime
) -> tuple[tuple[Problem, ...], tuple[MissingData, ...], tuple[str, ...]]:
    """The problems that rules have a name for, what of those could not be read, what other active entries are called.

    Those that say nothing are called "". A status that cannot be read counts as active.
    """
    problems: list[Problem] = []
    missing: list[MissingData] = []
    unrecognised: list[str] = []
    for resource in resources:
        meant = meanings(resource)
        read = [_read(resource, term, code, as_of) for term, code in meant.items()]
        problems += [found for found in read if isinstance(found, Problem)]
        missing += [found for found in read[:1] if isinstance(found, MissingData)]
        unrecognised += [] if meant or _is_past(resource, as_of) else [_called(resource)]
    return tuple(problems), tuple(missing), tuple(unrecognised)


def _is_past(resource: Json, as_of: datetime) -> bool:
    """Whether an entry is over, or was refuted."""
    clinical, verification = _statuses(resource)
    return clinical in _OVER or verification in _REFUTED or is_over(resource, as_of)


def _called(resource: Json) -> str:
    """What the entry calls the problem, else what its first coding that says so does, else ""."""
    displayed = (text(coding, "display") for coding in objects(resource, "code", "coding"))
    return text(resource, "code", "text") or next(filter(None, displayed), "")


def _statuses(resource: Json) -> tuple[str | None, str | None]:
    """The clinical and the verification status."""
    clinical = _status(resource.get("clinicalStatus"), f"{_CODES}condition-clinical", _CLINICAL)
    return clinical, _status(resource.get("verificationStatus"), f"{_CODES}condition-ver-status", _VERIFICATION)


def meanings(resource: Json) -> dict[terms.ProblemTerm, str]:
    """Every diagnosis that the codings of a Condition stand for, with the codes that said so."""
    meant: dict[terms.ProblemTerm, str] = {}
    for system, code in codings(resource, "code"):
        term = terms.problem_of_code(system, code)
        if term:
            meant[term] = f"{meant[term]} {code}" if term in meant else code
    return meant


def _read(resource: Json, term: terms.ProblemTerm, code: str, as_of: datetime) -> Problem | MissingData:
    clinical, verification = _statuses(resource)
    unread = MissingData("conditions", Reason.INVALID, reference=reference_of(resource))
    if resource.get("modifierExtension"):
        return MissingData("conditions", Reason.MODIFIER, reference=unread.reference)
    if clinical is None or verification is None or project.fault_of_companion(project.condition(resource)):
        return unread
    return Problem(
        key=term.key,
        label=term.label,
        family=term.family,
        code=code,
        clinical_status=clinical,
        verification_status=verification,
        onset=onset_of(resource),
        abated=is_over(resource, as_of),
        abatement=read_moment(text(resource, "abatementDateTime")),
        reference=unread.reference,
    )


def _status(value: object, system: str, known: set[str]) -> str | None:
    """The status code of HL7's own system, "" where none is stated, None where it is stated and cannot be read.

    STU3 gives it as a plain code. A coding of another system counts only where there is none of HL7's.
    """
    if value is None:
        return ""
    if isinstance(value, str):
        stated = [value]
    else:
        given = [(text(coding, "system"), text(coding, "code")) for coding in objects(value, "coding")]
        stated = [code for its, code in given if its == system] or [code for its, code in given if not its]
    codes = {code.strip().lower() for code in stated}
    return codes.pop() if len(codes) == 1 and codes <= known else None
