"""What was given, sorted into the patient's own resources, each in its newest version, and the rest."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from cds_service.facts import MissingData, OrderedTest, Reason
from cds_service.fhir import bundle, condition, meaning
from cds_service.fhir.bundle import Group
from cds_service.fhir.shape import Json, objects, text

_MEDICATIONS = ("MedicationRequest", "MedicationStatement", "MedicationAdministration")
_OF_A_PATIENT = ("Observation", "Condition", "Procedure", *_MEDICATIONS)
_REFERRED_TO = ("Specimen", "Medication")
#: What a result can be about in the patient's stead; a focus may also be the tumour or the specimen it tells of.
_BEARERS = {"Patient", "RelatedPerson", "Group", "Device", "Location"}
_ALSO = "/also/"
_PART = "/part/"
_IN_ERROR = "entered-in-error"
_ANOTHER_PATIENT = "another-patient"


@dataclass(frozen=True, slots=True)
class Chart:
    """The resources of the context's patient, before anything is interpreted.

    ``under_review`` holds the places in ``observations`` of those that the hook's ``results`` name; None where the
    hook named none. ``referred``: Specimens and Medications by the references under which they may be named.
    ``foreign_b2m``: a B2M result was ignored because it is not the patient's. ``discarded`` says of each Observation
    that is not in ``observations`` which one, and why. ``ordered`` are the B2M tests that are being ordered, and
    ``also_ordered`` the analytes of all the patient's draft orders.
    """

    patient_id: str
    patient: Json | None
    observations: tuple[Json, ...] = ()
    conditions: tuple[Json, ...] = ()
    medications: tuple[Json, ...] = ()
    procedures: tuple[Json, ...] = ()
    referred: Mapping[str, Json] = field(default_factory=dict)
    under_review: frozenset[int] | None = None
    missing: tuple[MissingData, ...] = ()
    ignored: dict[str, int] = field(default_factory=dict)
    foreign_b2m: bool = False
    discarded: tuple[tuple[str, str], ...] = ()
    ordered: tuple[OrderedTest, ...] = ()
    also_ordered: frozenset[str] = frozenset()

    @property
    def has_b2m(self) -> bool:
        """Whether there is anything for a card to be about."""
        pool = self.observations
        if self.under_review is not None:
            pool = tuple(r for i, r in enumerate(pool) if i in self.under_review)
        return any(meaning.is_b2m(resource) for resource in pool)


def refers_to(resource: Json) -> list[str]:
    """The references of a report or a panel to its results; none of one that does not stand."""
    match resource.get("resourceType"):
        case "DiagnosticReport":
            named = list(objects(resource, "result"))
        case "Observation" if "related" in resource or "hasMember" in resource:
            related = (r.get("target") for r in objects(resource, "related") if text(r, "type") == "has-member")
            named = [*objects(resource, "hasMember"), *(target for target in related if isinstance(target, dict))]
        case _:
            return []
    if text(resource, "status") in (_IN_ERROR, "cancelled"):
        return []
    return [text(reference, "reference") for reference in named if text(reference, "reference")]


def key_of(resource: Json) -> str:
    """What tells a resource from every other one: its type and id, else nothing that could stand elsewhere."""
    return bundle.identity_of(resource) or f"unnamed/{id(resource)}"


class Sorting:
    """Sorts resources as they come; ``chart`` makes a Chart of them.

    Args:
        patient_id: whose chart it is.
        urls: references by the fullUrl under which a Bundle holds them.
        bases: the base URLs, in small letters, under which an absolute reference may name the patient; none: under any.
    """

    def __init__(self, patient_id: str, urls: Mapping[str, str], bases: frozenset[str] = frozenset()) -> None:
        self.patient_id, self.urls, self.bases = patient_id, urls, bases
        self._kept: dict[str, Json] = {}
        self._referred: dict[str, Json] = {}
        self._refers: dict[str, list[str]] = {}
        self._ignored: Counter[str] = Counter()
        self._missing: list[MissingData] = []
        self._foreign_b2m = False
        self._discarded: list[tuple[str, str]] = []
        self._from_results: set[str] = set()
        self._are_the_patient: dict[str, bool] = {}

    def chart(
        self,
        results: Group | None,
        groups: Mapping[str, Group],
        patient: Json | None,
        lacking: Mapping[str, Reason | None],
    ) -> Chart:
        """The patient's chart: ``results`` first, then the groups in their order.

        ``lacking``: of which groups "not in it" does not mean "none", and why.
        """
        given = [(resource, True) for resource in (results.resources if results else ())]
        given += [(resource, False) for group in groups.values() for resource in group.resources]
        for key, resource, from_results in self._in_newest_version(given):
            self._take(key, resource, from_results=from_results)
        observations = {key: r for key, r in self._kept.items() if r["resourceType"] == "Observation"}
        return Chart(
            patient_id=self.patient_id,
            patient=patient,
            observations=tuple(observations.values()),
            conditions=self._of("Condition"),
            medications=self._of(*_MEDICATIONS),
            procedures=self._of("Procedure"),
            referred=self._by_any_reference(),
            under_review=None if results is None else self._under_review(results, observations),
            missing=(*(MissingData(key, why) for key, why in lacking.items() if why), *self._missing),
            ignored=dict(self._ignored),
            foreign_b2m=self._foreign_b2m,
            discarded=tuple(self._discarded),
        )

    def _of(self, *kinds: str) -> tuple[Json, ...]:
        return tuple(r for r in self._kept.values() if r["resourceType"] in kinds)

    # ------------------------------------------------------------- which version

    def _in_newest_version(self, given: list[tuple[Json, bool]]) -> Iterator[tuple[str, Json, bool]]:
        """Each resource once, with its key and whether ``results`` hold it: whole resources, then what they contain.

        What a superseded version contained goes with it. Where it cannot be told which of two is newer, that of
        ``results`` counts; within one source both do, and may conflict.
        """
        whole = [(r, from_results) for r, from_results in given if bundle.CONTAINER not in r]
        versions = self._versions(whole)
        yield from versions
        standing = {id(resource) for _, resource, _ in versions}
        superseded = {id(r) for r, _ in whole} - standing
        inner = [(r, from_results) for r, from_results in given if bundle.CONTAINER in r]
        for resource, _ in inner:
            if id(resource[bundle.CONTAINER]) in superseded:
                self._discard(resource, "older-version")
        yield from self._versions([(r, held) for r, held in inner if id(r[bundle.CONTAINER]) not in superseded])

    def _versions(self, given: list[tuple[Json, bool]]) -> list[tuple[str, Json, bool]]:
        found: dict[str, list[tuple[Json, bool]]] = {}
        for resource, from_results in given:
            held = found.setdefault(key_of(resource), [])
            if not held:
                held.append((resource, from_results))
                continue
            first, reviewed = held[0]
            newer = _newer(first, resource)
            if newer is None and (from_results or not reviewed):
                held.append((resource, from_results))
                continue
            self._discard(
                resource if newer is not resource else first, "same-resource" if first == resource else "older-version"
            )
            if newer is resource:
                held[0] = (resource, from_results or reviewed)
        return [
            (key if place == 0 else f"{key}{_ALSO}{place}", resource, from_results)
            for key, held in found.items()
            for place, (resource, from_results) in enumerate(held)
        ]

    def _discard(self, resource: Json, reason: str) -> None:
        for part in meaning.with_components(resource) if resource.get("resourceType") == "Observation" else ():
            self._discarded.append((bundle.reference_of(part), reason))

    # ------------------------------------------------------------- whose it is

    def _take(self, key: str, resource: Json, *, from_results: bool) -> None:
        kind = resource.get("resourceType")
        if kind in _REFERRED_TO:
            self._referred.setdefault(key, resource)
        if named := refers_to(resource):
            self._refers[key] = [self._target(reference, resource) for reference in named]
            self._from_results |= {key} if from_results else set()
        if kind == "Observation":
            for place, part in enumerate(meaning.with_components(resource)):
                self._keep(key if place == 0 else f"{key}{_PART}{place}", part, from_results=from_results)
        elif kind in _OF_A_PATIENT:
            self._keep(key, resource, from_results=from_results)

    def _keep(self, key: str, resource: Json, *, from_results: bool) -> None:
        if not self.owns(resource):
            return
        self._kept[key] = resource
        if from_results:
            self._from_results.add(key)

    def owns(self, resource: Json) -> bool:
        """Whether a resource counts as the patient's; one that does not is counted as ignored."""
        reason = self._not_the_patients(resource)
        if reason:
            self._ignore(resource, reason)
        return not reason

    def _not_the_patients(self, resource: Json) -> str:
        """Why a resource does not count as the patient's, or "": its subject, or that it is about something else."""
        reference = text(resource, "subject", "reference")
        if not reference:
            return str(Reason.NO_SUBJECT)
        if "focus" not in resource:
            return "" if self._is_the_patient(reference) else _ANOTHER_PATIENT
        about = [text(focus, "reference") for focus in objects(resource, "focus")]
        others = [r for r in about if self._target(r, resource).split("/")[0] in _BEARERS]
        return "" if all(self._is_the_patient(r) for r in (reference, *others)) else _ANOTHER_PATIENT

    def _is_the_patient(self, reference: str) -> bool:
        """Whether a reference, in any form, names the patient. Most resources of a chart have the same one."""
        known = self._are_the_patient.get(reference)
        if known is None:
            known = self._are_the_patient[reference] = self._names_the_patient(reference)
        return known

    def _names_the_patient(self, reference: str) -> bool:
        """Whether a reference names the patient; the same id on another server is somebody else."""
        if bundle.patient_id_of(self.urls.get(reference, "")) == self.patient_id:
            return True
        base = bundle.base_of(reference)
        at_home = not base or not self.bases or base in self.bases
        return at_home and bundle.patient_id_of(reference) == self.patient_id

    def _ignore(self, resource: Json, reason: str) -> None:
        self._ignored[reason] += 1
        if resource.get("resourceType") == "Observation":
            self._discarded.append((bundle.reference_of(resource), reason))
        self._foreign_b2m = self._foreign_b2m or meaning.is_b2m(resource)
        item = _item(resource) if reason == Reason.NO_SUBJECT else ""
        if item:
            self._missing.append(MissingData(item, Reason.NO_SUBJECT, reference=bundle.reference_of(resource)))

    # ------------------------------------------------------------- what refers to what

    def _target(self, reference: str, container: Json) -> str:
        """The key of what a reference names, whatever its form; "#own" is what the resource itself contains."""
        if reference.startswith("#"):
            return f"Observation/{text(container, 'id')}{reference}"
        known = self.urls.get(reference, reference)
        return "/".join(known.split("/_history/", 1)[0].split("/")[-2:])

    def _by_any_reference(self) -> dict[str, Json]:
        by_url = {url: self._referred[key] for url, key in self.urls.items() if key in self._referred}
        return self._referred | by_url

    def _under_review(self, results: Group, observations: Mapping[str, Json]) -> frozenset[int] | None:
        """The places of what ``results`` hold and of all that their reports and panels name.

        None where the results came in part only and hold no B2M: which one is under review is then not known.
        """
        reviewed = self._from_results | set(self._named_by(self._from_results))
        chosen = {key for key in observations if key in reviewed or _whole(key) in reviewed}
        if results.lacking and not any(meaning.is_b2m(observations[key]) for key in chosen):
            return None
        return frozenset(n for n, key in enumerate(observations) if key in chosen)

    def _named_by(self, keys: Iterable[str]) -> Iterator[str]:
        """The keys of all that ``keys`` refer to, directly or through another panel."""
        seen: set[str] = set()
        ahead = list(keys)
        while ahead:
            named = [key for key in self._refers.get(ahead.pop(), ()) if key not in seen]
            seen.update(named)
            ahead += named
            yield from named


def _whole(key: str) -> str:
    """The key of what a component is part of, or of the resource that this is another version of."""
    return key.split(_PART)[0].split(_ALSO)[0]


def _newer(first: Json, second: Json) -> Json | None:
    """The newer of two versions; where that cannot be told, the one that was entered in error, if one was."""
    newer = bundle.newer_version(first, second)
    if newer is None:
        in_error = [r for r in (first, second) if text(r, "status") == _IN_ERROR]
        return in_error[0] if in_error else None
    return newer


def _item(resource: Json) -> str:
    """What a resource would have told of: an analyte, a list, or nothing that we know."""
    if resource.get("resourceType") == "Condition":
        return "conditions" if condition.meanings(resource) else ""
    return next((analyte.key for analyte, _ in meaning.meanings(resource)), "")
