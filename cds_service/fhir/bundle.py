"""What a prefetch key or a Bundle holds: its resources, and whether they are all there are."""

from collections.abc import Iterator
from dataclasses import dataclass

from cds_service.facts import Reason
from cds_service.fhir.dates import read_moment
from cds_service.fhir.shape import Json, element, objects, text


@dataclass(frozen=True, slots=True)
class Group:
    """The resources under one prefetch key. ``lacking`` says why "not in it" would not mean "none"; None if it does."""

    resources: tuple[Json, ...] = ()
    lacking: Reason | None = None


ABSENT = Group(lacking=Reason.NOT_GIVEN)


def open_group(value: object, page_size: int | None = None) -> Group:
    """Opens the value of a prefetch key.

    ``null`` is "known: nothing". A Bundle is incomplete where it has a next link, says it holds fewer than there are,
    is as long as ``page_size``, or holds an OperationOutcome. Anything that is no FHIR resource could not be had.
    """
    if value is None:
        return Group()
    kind = text(value, "resourceType")
    if not isinstance(value, dict) or not kind or kind == "OperationOutcome":
        return Group(lacking=Reason.UNAVAILABLE)
    if kind != "Bundle":
        return Group((value,))
    found = tuple(resources_of(value))
    useful = tuple(r for r in found if r.get("resourceType") != "OperationOutcome")
    if not useful and len(found) > 0:
        return Group(lacking=Reason.UNAVAILABLE)
    return Group(useful, Reason.INCOMPLETE if _is_incomplete(value, found, page_size) else None)


def _is_incomplete(bundle: Json, found: tuple[Json, ...], page_size: int | None) -> bool:
    matches = [
        entry for entry in objects(bundle, "entry") if text(entry, "search", "mode") not in ("include", "outcome")
    ]
    total = bundle.get("total")
    return (
        any(text(link, "relation") == "next" for link in objects(bundle, "link"))
        or any(r.get("resourceType") == "OperationOutcome" for r in found)
        or (isinstance(total, int) and total > len(matches))
        or (page_size is not None and len(matches) >= page_size)
    )


def resources_of(bundle: Json) -> Iterator[Json]:
    """The resources of a Bundle's entries, those in Bundles and containers inside it included."""
    for entry in objects(bundle, "entry"):
        resource = entry.get("resource")
        if isinstance(resource, dict):
            yield from with_contained(resource)


def with_contained(resource: Json) -> Iterator[Json]:
    """A resource, then the Observations it contains; these take its subject where they have none of their own."""
    if resource.get("resourceType") == "Bundle":
        yield from resources_of(resource)
        return
    yield resource
    for inner in objects(resource, "contained"):
        if inner.get("resourceType") == "Observation":
            subject = inner.get("subject") or resource.get("subject")
            yield {**inner, "subject": subject, "id": f"{resource.get('id', '')}#{text(inner, 'id')}"}


def entry_count(value: object) -> int:
    """How many entries a Bundle and the Bundles inside it have."""
    entries = list(objects(value, "entry"))
    return len(entries) + sum(
        entry_count(entry["resource"]) for entry in entries if text(entry, "resource", "resourceType") == "Bundle"
    )


def patient_id_of(reference: str) -> str:
    """The Patient id of a relative, absolute or versioned reference, or ""."""
    parts = reference.split("/_history/", 1)[0].split("/")
    return parts[-1] if len(parts) >= 2 and parts[-2] == "Patient" else ""


def newer_version(first: Json, second: Json) -> Json:
    """The newer of two versions of one resource by lastUpdated, versionId, then issued; ``first`` where none tells."""
    for age in (_last_updated, _version, _issued):
        left, right = age(first), age(second)
        if left and right and left != right:
            return first if left > right else second
    return first


def _last_updated(resource: Json) -> float:
    return _instant(text(resource, "meta", "lastUpdated"))


def _issued(resource: Json) -> float:
    return _instant(text(resource, "issued"))


def _instant(printed: str) -> float:
    """Seconds since 1970, 0 where there is no instant."""
    moment = read_moment(printed)
    return moment.instant.timestamp() if moment and moment.instant else 0.0


def _version(resource: Json) -> float:
    version = text(resource, "meta", "versionId")
    return float(version) if version.isascii() and version.isdigit() and len(version) < 16 else 0.0


def reference_of(resource: Json) -> str:
    """ "Observation/abc", or "" where the resource has no id."""
    identity = text(resource, "id")
    return f"{element(resource, 'resourceType')}/{identity}" if identity else ""
