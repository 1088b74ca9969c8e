"""What a call brought with it: the results under review, the patient, and the prefetched chart.

Prefetch is all there is in this version: what was not prefetched is not fetched.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from cds_service.errors import DataUnavailable, MalformedCall
from cds_service.facts import MissingData, Reason
from cds_service.fhir import bundle, condition, observation
from cds_service.fhir.bundle import ABSENT, Group
from cds_service.fhir.shape import Json, objects, text
from cds_service.knowledge import terms
from cds_service.models import HookRequest

PAGE_SIZE = 50
_COMPANION_KEYS = ("kidney", "myeloma", "urine", "conditions")


def prefetch_templates() -> dict[str, str]:
    """The FHIR searches that this service asks an EHR to send along, by prefetch key: one for each analyte group."""
    templates = {"patient": "Patient/{{context.patientId}}"}
    groups = dict.fromkeys(analyte.group for analyte in terms.analytes().values())
    for group in groups:
        codes = [f"{terms.LOINC}|{c.code}" for a in terms.analytes().values() if a.group == group for c in a.loinc]
        templates[group] = (
            f"Observation?patient={{{{context.patientId}}}}&code={','.join(codes)}&_sort=-date&_count={PAGE_SIZE}"
        )
    templates["conditions"] = f"Condition?patient={{{{context.patientId}}}}&_count={PAGE_SIZE * 4}"
    return templates


_PAGE_SIZES = {"conditions": PAGE_SIZE * 4}


@dataclass(frozen=True, slots=True)
class Chart:
    """The resources of the context's patient, before anything is interpreted.

    ``under_review`` holds the places in ``observations`` of those that the hook's ``results`` name; None where the
    hook named none. ``foreign_b2m``: a B2M result was ignored because it is not the patient's. ``discarded`` says of
    each Observation that is not in ``observations`` which one, and why.
    """

    patient_id: str
    patient: Json | None
    observations: tuple[Json, ...] = ()
    conditions: tuple[Json, ...] = ()
    under_review: frozenset[int] | None = None
    missing: tuple[MissingData, ...] = ()
    ignored: dict[str, int] = field(default_factory=dict)
    foreign_b2m: bool = False
    discarded: tuple[tuple[str, str], ...] = ()

    @property
    def has_b2m(self) -> bool:
        """Whether there is anything for a card to be about."""
        pool = self.observations
        if self.under_review is not None:
            pool = tuple(r for i, r in enumerate(pool) if i in self.under_review)
        return any(is_b2m(resource) for resource in pool)


def is_b2m(resource: Json) -> bool:
    """Whether an Observation carries a LOINC code of beta-2 microglobulin."""
    return any(analyte.is_b2m for analyte, _ in observation.meanings(resource))


def gather(call: HookRequest, *, max_entries: int) -> Chart:
    """Opens a call's ``results`` and prefetch.

    Raises:
        MalformedCall: too many entries, or the prefetched Patient is not the context's.
        DataUnavailable: patient or B2M data were neither given nor known to be none.
    """
    prefetch: Mapping[str, Any] = call.prefetch or {}
    _check_size(call, prefetch, max_entries)
    results = _results(call)
    if results is not None and not results.lacking and not any(_may_hold_b2m(r) for r in results.resources):
        return Chart(call.context.patientId, None, under_review=frozenset())
    groups = {key: _open_key(prefetch, key) for key in dict.fromkeys([*prefetch, "patient", "b2m", *_COMPANION_KEYS])}
    patient = _patient(groups["patient"], call.context.patientId)
    bundles = (call.context.results, *prefetch.values())
    urls = dict(pair for value in bundles for pair in bundle.references_by_url(value))
    chart = _Sorting(call.context.patientId, urls).chart(results, groups, patient)
    _require(chart, groups)
    return chart


def _open_key(prefetch: Mapping[str, Any], key: str) -> Group:
    """The group under a prefetch key; ABSENT where it was not sent, not had where it holds something else."""
    if key not in prefetch:
        return ABSENT
    group = bundle.open_group(prefetch[key], _PAGE_SIZES.get(key, PAGE_SIZE))
    expected = {"patient": "Patient", "conditions": "Condition"}.get(key, "Observation")
    if group.resources and not any(r.get("resourceType") == expected for r in group.resources):
        return Group(group.resources, Reason.UNAVAILABLE)
    return group


def _check_size(call: HookRequest, prefetch: Mapping[str, Any], max_entries: int) -> None:
    entries = bundle.entry_count(call.context.results) + sum(bundle.entry_count(value) for value in prefetch.values())
    if entries > max_entries:
        raise MalformedCall(
            f"{entries} Bundle entries, at most {max_entries} are accepted; send fewer results per call.",
            path="prefetch",
        )


def _results(call: HookRequest) -> Group | None:
    if call.context.results is None:
        return None
    group = bundle.open_group(call.context.results)
    if group.lacking is Reason.UNAVAILABLE:
        raise MalformedCall("expected a FHIR Bundle (collection) of the results under review", path="context.results")
    return group


def _may_hold_b2m(resource: Json) -> bool:
    """A B2M Observation, or a report whose results are held elsewhere."""
    return is_b2m(resource) or bool(_referred_to(resource))


def _referred_to(resource: Json) -> list[str]:
    """The references of a report to its results; none of one that does not stand."""
    stands = text(resource, "status") not in ("entered-in-error", "cancelled")
    if resource.get("resourceType") != "DiagnosticReport" or not stands:
        return []
    return [text(result, "reference") for result in objects(resource, "result") if text(result, "reference")]


def _patient(group: Group, patient_id: str) -> Json | None:
    found = next((r for r in group.resources if r.get("resourceType") == "Patient"), None)
    if found is not None and text(found, "id") != patient_id:
        raise MalformedCall(
            "The prefetched Patient is not the patient of the context; send the Patient with context.patientId.",
            path="prefetch.patient",
        )
    return found


class _Sorting:
    """Sorts what was given into the patient's own resources, each in its newest version, and the rest."""

    def __init__(self, patient_id: str, urls: Mapping[str, str]) -> None:
        self.patient_id, self.urls = patient_id, urls
        self.kept: dict[str, Json] = {}
        self.ignored: Counter[str] = Counter()
        self.missing: list[MissingData] = []
        self.foreign_b2m = False
        self.discarded: list[tuple[str, str]] = []
        self._from_results: set[str] = set()

    def chart(self, results: Group | None, groups: Mapping[str, Group], patient: Json | None) -> Chart:
        """The patient's chart: ``results`` first, then the groups in their order."""
        under_review: frozenset[int] | None = None
        given = results.resources if results else ()
        for resource in given:
            self._keep(resource, from_results=True)
        for group in groups.values():
            for resource in group.resources:
                self._keep(resource, from_results=False)
        observations = {key: r for key, r in self.kept.items() if r["resourceType"] == "Observation"}
        if results is not None:
            reviewed = {key for resource in given for key in self._reviewed_keys(resource)}
            under_review = frozenset(n for n, key in enumerate(observations) if key.split(_ALSO)[0] in reviewed)
            if results.lacking and not any(is_b2m(observations[key]) for key in reviewed & observations.keys()):
                under_review = None
        lacking = [MissingData(k, groups[k].lacking or Reason.INVALID) for k in _COMPANION_KEYS if groups[k].lacking]
        return Chart(
            patient_id=self.patient_id,
            patient=patient,
            observations=tuple(observations.values()),
            conditions=tuple(r for r in self.kept.values() if r["resourceType"] == "Condition"),
            under_review=under_review,
            missing=(*lacking, *self.missing),
            ignored=dict(self.ignored),
            foreign_b2m=self.foreign_b2m,
            discarded=tuple(self.discarded),
        )

    def _keep(self, resource: Json, *, from_results: bool) -> None:
        if resource.get("resourceType") not in ("Observation", "Condition"):
            return
        reference = text(resource, "subject", "reference")
        if self.patient_id not in (bundle.patient_id_of(reference), bundle.patient_id_of(self.urls.get(reference, ""))):
            self._ignore(resource, reference)
            return
        key = _key(resource)
        other = self.kept.get(key)
        newer = resource if other is None else bundle.newer_version(other, resource)
        if newer is None and (from_results or key not in self._from_results):
            key = f"{key}{_ALSO}{id(resource)}"  # which one is newer cannot be told: both are read, and may conflict
            newer = resource
        if other is not None and key in self.kept:
            self._discard(other, "same-resource" if other == resource else "older-version")
        self.kept[key] = newer or other or resource
        if from_results:
            self._from_results.add(key)

    def _discard(self, resource: Json, reason: str) -> None:
        if resource.get("resourceType") == "Observation":
            self.discarded.append((bundle.reference_of(resource), reason))

    def _ignore(self, resource: Json, reference: str) -> None:
        reason = "another-patient" if reference else str(Reason.NO_SUBJECT)
        self.ignored[reason] += 1
        self._discard(resource, reason)
        self.foreign_b2m = self.foreign_b2m or is_b2m(resource)
        item = "" if reference else _item(resource)
        if item:
            self.missing.append(MissingData(item, Reason.NO_SUBJECT, reference=bundle.reference_of(resource)))

    def _reviewed_keys(self, resource: Json) -> Iterator[str]:
        yield _key(resource)
        for reference in _referred_to(resource):
            known = self.urls.get(reference, reference)
            yield "/".join(known.split("/_history/", 1)[0].split("/")[-2:])


_ALSO = "/also/"


def _key(resource: Json) -> str:
    return bundle.reference_of(resource) or f"unnamed/{id(resource)}"


def _item(resource: Json) -> str:
    """What a resource would have told of: an analyte, the problem list, or nothing that we know."""
    if resource.get("resourceType") == "Condition":
        return "conditions" if condition.meanings(resource) else ""
    return next((analyte.key for analyte, _ in observation.meanings(resource)), "")


def _require(chart: Chart, groups: Mapping[str, Group]) -> None:
    lacking = []
    known_none = groups["patient"].lacking is None and not groups["patient"].resources
    if chart.patient is None and not known_none:
        lacking.append("patient")
    if not chart.has_b2m and (groups["b2m"].lacking or chart.foreign_b2m):
        lacking.append("b2m")
    if lacking:
        raise DataUnavailable(
            f"Not prefetched, and not to be fetched: {', '.join(lacking)}. Send these prefetch keys as the discovery "
            "document describes them; null stands for 'known: nothing'.",
            keys=tuple(lacking),
        )
