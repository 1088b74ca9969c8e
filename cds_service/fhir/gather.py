"""What a call brought with it: the results under review, the patient, and the prefetched chart.

Prefetch is all there is in this version: what was not prefetched is not fetched.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from cds_service.errors import DataUnavailable, MalformedCall
from cds_service.facts import MissingData, Reason
from cds_service.fhir import bundle
from cds_service.fhir.bundle import ABSENT, Group
from cds_service.fhir.shape import Json, codings, objects, text
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
    hook named none. ``foreign_b2m``: a B2M result was ignored because it is not the patient's.
    """

    patient_id: str
    patient: Json | None
    observations: tuple[Json, ...] = ()
    conditions: tuple[Json, ...] = ()
    under_review: frozenset[int] | None = None
    missing: tuple[MissingData, ...] = ()
    ignored: dict[str, int] = field(default_factory=dict)
    foreign_b2m: bool = False

    @property
    def has_b2m(self) -> bool:
        """Whether there is anything for a card to be about."""
        pool = self.observations
        if self.under_review is not None:
            pool = tuple(r for i, r in enumerate(pool) if i in self.under_review)
        return any(is_b2m(resource) for resource in pool)


def is_b2m(resource: Json) -> bool:
    """Whether an Observation carries a LOINC code of beta-2 microglobulin."""
    known = terms.analyte_of_loinc()
    return any(
        system == terms.LOINC and code in known and known[code][0].is_b2m for system, code in codings(resource, "code")
    )


def gather(call: HookRequest, *, max_entries: int) -> Chart:
    """Opens a call's ``results`` and prefetch.

    Raises:
        MalformedCall: too many entries, or the prefetched Patient is not the context's.
        DataUnavailable: patient or B2M data were neither given nor known to be none.
    """
    prefetch: Mapping[str, Any] = call.prefetch or {}
    _check_size(call, prefetch, max_entries)
    patient_id = call.context.patientId
    results = _results(call)
    if results is not None and not any(_may_hold_b2m(r) for r in results):
        return Chart(patient_id, None, under_review=frozenset())
    groups = {key: open_key(prefetch, key) for key in {*prefetch, "patient", "b2m", *_COMPANION_KEYS}}
    patient = _patient(groups["patient"], patient_id)
    urls = _patient_urls(call, prefetch, patient_id)
    belongs = _Belongs(patient_id, urls)
    chart = _sorted(results, groups, belongs, patient)
    _require(chart, groups)
    return chart


def open_key(prefetch: Mapping[str, Any], key: str) -> Group:
    """The group under a prefetch key; ABSENT where the key was not sent."""
    return bundle.open_group(prefetch[key], _PAGE_SIZES.get(key, PAGE_SIZE)) if key in prefetch else ABSENT


def _check_size(call: HookRequest, prefetch: Mapping[str, Any], max_entries: int) -> None:
    entries = bundle.entry_count(call.context.results) + sum(bundle.entry_count(value) for value in prefetch.values())
    if entries > max_entries:
        raise MalformedCall(
            f"{entries} Bundle entries, at most {max_entries} are accepted; send fewer results per call.",
            path="prefetch",
        )


def _results(call: HookRequest) -> tuple[Json, ...] | None:
    given = call.context.results
    if given is None:
        return None
    group = bundle.open_group(given)
    if group.lacking is Reason.UNAVAILABLE:
        raise MalformedCall("expected a FHIR Bundle (collection) of the results under review", path="context.results")
    return group.resources


def _may_hold_b2m(resource: Json) -> bool:
    """A B2M Observation, or a report whose results are held elsewhere."""
    report = resource.get("resourceType") == "DiagnosticReport" and any(objects(resource, "result"))
    return report or is_b2m(resource)


def _patient(group: Group, patient_id: str) -> Json | None:
    found = next((r for r in group.resources if r.get("resourceType") == "Patient"), None)
    if found is not None and text(found, "id") != patient_id:
        raise MalformedCall(
            "The prefetched Patient is not the patient of the context; send the Patient with context.patientId.",
            path="prefetch.patient",
        )
    return found


def _patient_urls(call: HookRequest, prefetch: Mapping[str, Any], patient_id: str) -> frozenset[str]:
    bundles = [call.context.results, *prefetch.values()]
    return frozenset(
        text(entry, "fullUrl")
        for value in bundles
        for entry in objects(value, "entry")
        if text(entry, "resource", "resourceType") == "Patient" and text(entry, "resource", "id") == patient_id
    )


@dataclass(frozen=True, slots=True)
class _Belongs:
    patient_id: str
    urls: frozenset[str]

    def __call__(self, resource: Json) -> bool | None:
        """Whether a resource is about the patient; None where it does not say about whom it is."""
        reference = text(resource, "subject", "reference")
        if not reference:
            return None
        return bundle.patient_id_of(reference) == self.patient_id or reference in self.urls


def _sorted(
    results: tuple[Json, ...] | None, groups: Mapping[str, Group], belongs: _Belongs, patient: Json | None
) -> Chart:
    ignored: Counter[str] = Counter()
    foreign_b2m = False
    kept: dict[str, Json] = {}
    reviewed = _reviewed_keys(results)
    for resource in [*(results or ()), *(r for group in groups.values() for r in group.resources)]:
        if resource.get("resourceType") not in ("Observation", "Condition"):
            continue
        if not belongs(resource):
            ignored["another-patient" if belongs(resource) is False else Reason.NO_SUBJECT] += 1
            foreign_b2m = foreign_b2m or is_b2m(resource)
            continue
        key = _key(resource)
        kept[key] = bundle.newer_version(kept[key], resource) if key in kept else resource
    observations = {key: r for key, r in kept.items() if r["resourceType"] == "Observation"}
    under_review = None
    if reviewed is not None:
        under_review = frozenset(index for index, key in enumerate(observations) if key in reviewed)
    return Chart(
        patient_id=belongs.patient_id,
        patient=patient,
        observations=tuple(observations.values()),
        conditions=tuple(r for r in kept.values() if r["resourceType"] == "Condition"),
        under_review=under_review,
        missing=tuple(
            MissingData(k, groups[k].lacking or Reason.NOT_GIVEN) for k in _COMPANION_KEYS if groups[k].lacking
        ),
        ignored=dict(ignored),
        foreign_b2m=foreign_b2m,
    )


def _key(resource: Json) -> str:
    return bundle.reference_of(resource) or f"unnamed/{id(resource)}"


def _reviewed_keys(results: tuple[Json, ...] | None) -> frozenset[str] | None:
    """The Observations under review: those in ``results``, and those that a report in it refers to."""
    if results is None:
        return None
    return frozenset(_iterate_reviewed(results))


def _iterate_reviewed(results: tuple[Json, ...]) -> Iterator[str]:
    for resource in results:
        yield _key(resource)
        for referred in objects(resource, "result") if resource.get("resourceType") == "DiagnosticReport" else ():
            parts = text(referred, "reference").split("/_history/", 1)[0].split("/")
            yield "/".join(parts[-2:])


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
