"""Conditions to Problems: those whose SNOMED CT or ICD-10-CM code the knowledge has a name for."""

from collections.abc import Iterable

from cds_service.facts import MissingData, Problem, Reason
from cds_service.fhir import project
from cds_service.fhir.bundle import reference_of
from cds_service.fhir.dates import is_over, onset_of, read_moment
from cds_service.fhir.shape import Json, codings, text
from cds_service.knowledge import terms


def read_conditions(resources: Iterable[Json]) -> tuple[tuple[Problem, ...], tuple[MissingData, ...]]:
    """The problems that rules have a name for, and what could not be read of those."""
    problems: list[Problem] = []
    missing: list[MissingData] = []
    for resource in resources:
        meant = _meant(resource)
        if meant and (resource.get("modifierExtension") or project.fault(project.condition(resource))):
            reason = Reason.MODIFIER if resource.get("modifierExtension") else Reason.INVALID
            missing.append(MissingData("conditions", reason, reference=reference_of(resource)))
        elif meant:
            problems += [_problem(resource, term, code) for term, code in meant.items()]
    return tuple(problems), tuple(missing)


def _meant(resource: Json) -> dict[terms.ProblemTerm, str]:
    """Every diagnosis that the codings of a Condition stand for, with the code that said so."""
    meant: dict[terms.ProblemTerm, str] = {}
    for system, code in codings(resource, "code"):
        term = terms.problem_of_code(system, code)
        if term:
            meant[term] = f"{meant[term]} {code}" if term in meant else code
    return meant


def _problem(resource: Json, term: terms.ProblemTerm, code: str) -> Problem:
    return Problem(
        key=term.key,
        label=term.label,
        family=term.family,
        code=code,
        clinical_status=project.status_of(resource.get("clinicalStatus")),
        verification_status=project.status_of(resource.get("verificationStatus")),
        onset=onset_of(resource),
        abated=is_over(resource),
        abatement=read_moment(text(resource, "abatementDateTime")),
        reference=reference_of(resource),
    )
