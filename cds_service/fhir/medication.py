"""Drugs ordered, stated or given to Medications: those that the knowledge has a name for."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from cds_service.facts import Evidence, Medication, MissingData, Moment, Reason
from cds_service.fhir import project
from cds_service.fhir.bundle import reference_of
from cds_service.fhir.dates import CLOCK_TOLERANCE, read_moment
from cds_service.fhir.shape import Json, codings, element, objects, text
from cds_service.knowledge.terms import treatments
from cds_service.knowledge.terms.treatments import DrugTerm


class _Course(StrEnum):
    """What a status says about a drug. PAST: not, or not known to be, going on."""

    CURRENT = "current"
    PAST = "past"
    PLANNED = "planned"
    NEVER = "never"
    UNCLEAR = "unclear"


_REQUEST, _STATEMENT, _ADMINISTRATION = "MedicationRequest", "MedicationStatement", "MedicationAdministration"

#: Every status of STU3, R4 and R5. On hold: not being given now, so not current.
_COURSES: dict[str, dict[str, _Course]] = {
    _REQUEST: {
        "active": _Course.CURRENT,
        "on-hold": _Course.PAST,
        "completed": _Course.PAST,
        "stopped": _Course.PAST,
        "ended": _Course.PAST,
        "draft": _Course.PLANNED,
        "cancelled": _Course.NEVER,
        "entered-in-error": _Course.NEVER,
        "unknown": _Course.UNCLEAR,
    },
    _STATEMENT: {
        "active": _Course.CURRENT,
        "recorded": _Course.CURRENT,
        "completed": _Course.PAST,
        "stopped": _Course.PAST,
        "on-hold": _Course.PAST,
        "intended": _Course.PLANNED,
        "not-taken": _Course.NEVER,
        "entered-in-error": _Course.NEVER,
        "draft": _Course.UNCLEAR,
        "unknown": _Course.UNCLEAR,
    },
    _ADMINISTRATION: {
        "in-progress": _Course.CURRENT,
        "on-hold": _Course.PAST,
        "completed": _Course.PAST,
        "stopped": _Course.PAST,
        "not-done": _Course.NEVER,
        "entered-in-error": _Course.NEVER,
        "unknown": _Course.UNCLEAR,
    },
}
_EVIDENCE = {_REQUEST: Evidence.ORDERED, _STATEMENT: Evidence.STATED, _ADMINISTRATION: Evidence.ADMINISTERED}
_INTENDED = {"proposal", "plan", "option"}
_ORDERED = {"order", "original-order", "reflex-order", "filler-order", "instance-order"}
#: STU3's ``taken``: where it says more than the status, and where it does not.
_TAKEN = {"n": _Course.NEVER, "unk": _Course.UNCLEAR}
_LEFT_TO_STATUS = {"y", "na"}
_ADHERENCE_SYSTEM = "http://hl7.org/fhir/CodeSystem/medication-statement-adherence"
#: R5's ``adherence``.
_ADHERENCE = {
    "taking": _Course.CURRENT,
    "taking-as-directed": _Course.CURRENT,
    "taking-not-as-directed": _Course.CURRENT,
    "not-taking": _Course.NEVER,
    "on-hold": _Course.PAST,
    "on-hold-as-directed": _Course.PAST,
    "on-hold-not-as-directed": _Course.PAST,
    "stopped": _Course.PAST,
    "stopped-as-directed": _Course.PAST,
    "stopped-not-as-directed": _Course.PAST,
    "unknown": _Course.UNCLEAR,
}
#: Flags that turn a resource into its opposite: R4, R5; STU3; DSTU2, which some charts still hold.
_REFUSALS = ("doNotPerform", "notGiven", "wasNotGiven", "wasNotTaken")
#: R5 spells the element of an administration with one r.
_DATES = ("effectiveDateTime", "occurenceDateTime", "occurrenceDateTime")
_PERIODS = ("effectivePeriod", "effectiveDosePeriod", "occurencePeriod", "occurrencePeriod")


@dataclass(slots=True)
class _Named:
    """With which codes a drug was named, and what they say about whether it is systemic."""

    codes: list[str] = field(default_factory=list)
    says: set[bool] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _State:
    """What holds for every drug of a resource."""

    evidence: Evidence
    ongoing: bool
    start: Moment | None
    end: Moment | None


def read_medications(
    resources: Iterable[Json], medications_by_reference: Mapping[str, Json], as_of: datetime
) -> tuple[tuple[Medication, ...], tuple[MissingData, ...], tuple[str, ...]]:
    """The drugs that rules have a name for, what could not be read of those, and what the other entries are called.

    ``medications_by_reference``: Medication resources by every reference or URL that may stand for them. What did not
    happen (cancelled, not taken, entered in error, asked not to be given) is no medication and is not counted. One
    whose Medication is not to be had may be any drug, and is missing.
    """
    read: list[Medication] = []
    missing: list[MissingData] = []
    unrecognised: list[str] = []
    for resource in resources:
        course = _course(resource)
        if text(resource, "resourceType") not in _COURSES or course is _Course.NEVER:
            continue
        product = _product(resource, medications_by_reference)
        if _is_lost(resource, product):
            missing.append(MissingData("medications", Reason.UNAVAILABLE, reference=reference_of(resource)))
            continue
        meant = _meanings(resource, product)
        unrecognised += [] if meant else [_called(resource, product)]
        state = _state(resource, product, course, as_of) if meant else None
        if isinstance(state, _State):
            read += [_medication(resource, term, named, state) for term, named in meant.items()]
        elif state:
            missing.append(MissingData("medications", state, reference=reference_of(resource)))
    return tuple(read), tuple(missing), tuple(unrecognised)


def _course(resource: Json) -> _Course | None:
    """What the status and the flags beside it say; None where they cannot be read."""
    kind = text(resource, "resourceType")
    course = _COURSES.get(kind, {}).get(text(resource, "status"))
    flags = [resource[name] for name in _REFUSALS if resource.get(name) is not None]
    if course is _Course.NEVER or any(flag is True for flag in flags):
        return _Course.NEVER
    if any(flag is not False for flag in flags):
        return None
    if kind == _REQUEST:
        return _as_intended(resource, course)
    return _as_taken(resource, course) if kind == _STATEMENT else course


def _as_intended(request: Json, course: _Course | None) -> _Course | None:
    intent = text(request, "intent")
    if intent in _INTENDED and course:
        return _Course.PLANNED
    return course if intent in _ORDERED else None


def _as_taken(statement: Json, course: _Course | None) -> _Course | None:
    """STU3 says in ``taken`` whether the drug was taken, R5 in ``adherence``: its only status is "recorded"."""
    if statement.get("taken") is not None and text(statement, "taken") not in _LEFT_TO_STATUS:
        return _TAKEN.get(text(statement, "taken"))
    adherence = [code for system, code in codings(statement, "adherence", "code") if system == _ADHERENCE_SYSTEM]
    if course is _Course.CURRENT and adherence:
        return _ADHERENCE.get(adherence[0])
    if text(statement, "status") == "recorded":
        return _Course.CURRENT if text(statement, "effectivePeriod", "start") else _Course.PAST
    return course


def _product(resource: Json, medications_by_reference: Mapping[str, Json]) -> Json:
    """The Medication that a resource refers to, contained or not; empty where it refers to none that is to be had."""
    reference = text(resource, "medicationReference", "reference") or text(
        resource, "medication", "reference", "reference"
    )
    if reference.startswith("#"):
        within = (inner for inner in objects(resource, "contained") if text(inner, "id").lstrip("#") == reference[1:])
        return next(within, {})
    unversioned = reference.split("/_history/", 1)[0]
    names = (reference, unversioned, "/".join(unversioned.split("/")[-2:]))
    return next((medications_by_reference[name] for name in names if name in medications_by_reference), {})


def _is_lost(resource: Json, product: Json) -> bool:
    """Whether a drug is named by a reference alone, to a Medication that is not to be had: it may be any drug."""
    named = element(resource, "medicationReference", "reference") or element(resource, "medication", "reference")
    return bool(named) and not product and not any(codings(concept) for concept in _concepts(resource, product))


def _concepts(resource: Json, product: Json) -> Iterator[object]:
    """Where the codes of a drug may stand: R4 and STU3, R5, the Medication and its active ingredients."""
    yield resource.get("medicationCodeableConcept")
    yield element(resource, "medication", "concept")
    yield product.get("code")
    for ingredient in objects(product, "ingredient"):
        if ingredient.get("isActive") is not False and not ingredient.get("modifierExtension"):
            yield ingredient.get("itemCodeableConcept")
            yield element(ingredient, "item", "concept")


def _called(resource: Json, product: Json) -> str:
    """What an entry calls its drug, in the words of the chart; "" where it does not say."""
    concepts = list(_concepts(resource, product))
    names = [text(concept, "text") for concept in concepts]
    names += [text(coding, "display") for concept in concepts for coding in objects(concept, "coding")]
    return next((name for name in names if name.strip()), "")


def _meanings(resource: Json, product: Json) -> dict[DrugTerm, _Named]:
    """Every drug that the codes stand for: a product may hold two."""
    meant: dict[DrugTerm, _Named] = {}
    for concept in _concepts(resource, product):
        for system, code in codings(concept):
            found = treatments.drug_of_code(system, code)
            if found:
                named = meant.setdefault(found[0], _Named())
                named.codes += [code] if code not in named.codes else []
                named.says |= set() if found[1] is None else {found[1]}
    return meant


def _state(resource: Json, product: Json, course: _Course | None, as_of: datetime) -> _State | Reason:
    start, end = _span(resource, course)
    if resource.get("modifierExtension") or product.get("modifierExtension"):
        return Reason.MODIFIER
    if text(product, "status") == "entered-in-error":
        return Reason.ENTERED_IN_ERROR
    if course is None or project.fault_of_companion(
        project.medication(resource, _concepts(resource, product), start or end)
    ):
        return Reason.INVALID
    if course is _Course.UNCLEAR:
        return Reason.STATUS
    planned = course is _Course.PLANNED or (start is not None and start.is_after(as_of, CLOCK_TOLERANCE))
    is_over = end is not None and end.days_old(as_of) > 0
    return _State(
        evidence=Evidence.PLANNED if planned else _EVIDENCE[text(resource, "resourceType")],
        ongoing=course is _Course.CURRENT and not planned and not is_over,
        start=start,
        end=end,
    )


def _span(resource: Json, course: _Course | None) -> tuple[Moment | None, Moment | None]:
    """From when until when, as far as the resource tells.

    An order begins when it was written, for want of better. A statement without dates holds for the day on which it was
    made: what is being taken has begun by then, what is over has ended by then.
    """
    kind = text(resource, "resourceType")
    period = next((resource[name] for name in _PERIODS if resource.get(name)), None)
    at = next((moment for name in _DATES if (moment := read_moment(text(resource, name)))), None)
    start, end = read_moment(text(period, "start")) or at, read_moment(text(period, "end"))
    if kind == _REQUEST:
        return start or read_moment(text(resource, "authoredOn")), end
    if kind == _ADMINISTRATION:
        return start, end or (at if course is not _Course.CURRENT else None)
    asserted = None if start or end else read_moment(text(resource, "dateAsserted"))
    return (
        start or (asserted if course is _Course.CURRENT else None),
        end or (asserted if course is _Course.PAST else None),
    )


def _medication(resource: Json, term: DrugTerm, named: _Named, state: _State) -> Medication:
    return Medication(
        key=term.key,
        label=term.label,
        classes=term.classes,
        code=" ".join(named.codes),
        evidence=state.evidence,
        ongoing=state.ongoing,
        systemic=_systemic(resource, term, named),
        start=state.start,
        end=state.end,
        reference=reference_of(resource),
    )


def _systemic(resource: Json, term: DrugTerm, named: _Named) -> bool | None:
    """What codes and routes agree on; where nobody says, systemic unless the drug also comes in local forms."""
    route = _route_is_systemic(resource, term)
    says = named.says | ({route} - {None})
    if len(says) == 1:
        return says.pop()
    return None if says or term.local_forms_exist else True


def _route_is_systemic(resource: Json, term: DrugTerm) -> bool | None:
    """Whether any of the dosages is systemic; False only where all are local."""
    dosage = resource.get("dosage")
    dosages = [*objects(resource, "dosageInstruction"), *objects(resource, "dosage")]
    dosages += [dosage] if isinstance(dosage, dict) else []
    routes = [_route_of_dosage(dosage, term) for dosage in dosages]
    return True if True in routes else False if routes and None not in routes else None


def _route_of_dosage(dosage: Json, term: DrugTerm) -> bool | None:
    if dosage.get("modifierExtension"):
        return None
    told = {treatments.route_is_systemic(system, code, term) for system, code in codings(dosage, "route")} - {None}
    return told.pop() if len(told) == 1 else None
