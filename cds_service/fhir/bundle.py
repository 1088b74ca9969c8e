"""What a prefetch key or a Bundle holds: its resources, and whether they are all there are."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cds_service.facts import Reason
from cds_service.fhir.dates import read_moment
from cds_service.fhir.shape import Json, element, objects, text

#: A FHIR id; of a contained resource, its container's, a hash and its own.
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}(#[A-Za-z0-9\-.]{1,64}){0,2}")
_REFERENCE = re.compile(r"[A-Za-z]{1,64}/[A-Za-z0-9\-.]{1,64}(#[A-Za-z0-9\-.]{1,64}){0,2}")
#: Under this name, which no FHIR element has, a part taken out of a resource keeps the reference to where it lay.
REFERENCE = "#reference"
#: Likewise, the resource that contains an Observation.
CONTAINER = "#container"
#: How deep Bundles in Bundles are opened; what lies deeper was not had.
_DEEPEST = 5
_COUNT = re.compile(r"[?&]_count=(\d{1,6})(?:&|$)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Group:
    """The resources under one prefetch key. ``lacking`` says why "not in it" would not mean "none"; None if it does."""

    resources: tuple[Json, ...] = ()
    lacking: Reason | None = None


ABSENT = Group(lacking=Reason.NOT_GIVEN)


def open_group(value: object, page_size: int | None = None) -> Group:
    """Opens the value of a prefetch key.

    ``null`` is "known: nothing". A Bundle is incomplete where it has a next link, says it holds fewer than there are,
    is as long as ``page_size`` or as the page that its server says it gave (a collection is no page of a search), holds
    an OperationOutcome, or has an entry that cannot be read. What is no FHIR resource could not be had.
    """
    if value is None:
        return Group()
    kind = text(value, "resourceType")
    if not isinstance(value, dict) or not kind or kind == "OperationOutcome":
        return Group(lacking=Reason.UNAVAILABLE)
    if kind != "Bundle":
        return Group(tuple(with_contained(value)))
    found = tuple(resources_of(value))
    useful = tuple(r for r in found if r.get("resourceType") != "OperationOutcome")
    if found and not useful:
        return Group() if _says_none(value, found) else Group(lacking=Reason.UNAVAILABLE)
    return Group(useful, Reason.INCOMPLETE if is_incomplete(value, page_size) else None)


def _says_none(bundle: Json, outcomes: Iterable[Json]) -> bool:
    """Whether a search found nothing and its OperationOutcome only remarks on that, as some servers do."""
    severities = {text(issue, "severity") for outcome in outcomes for issue in objects(outcome, "issue")}
    linked = any(text(link, "relation") == "next" for link in objects(bundle, "link"))
    return bundle.get("total") == 0 and not linked and bool(severities) and severities <= {"information", "warning"}


def is_incomplete(bundle: Json, page_size: int | None, depth: int = 0) -> bool:
    """Whether "not in this Bundle" does not mean "none" (see ``open_group``)."""
    entries = bundle.get("entry")
    if entries is not None and not isinstance(entries, list):
        return True
    entries = entries or []
    matches = [entry for entry in entries if text(entry, "search", "mode") not in ("include", "outcome")]
    total = bundle.get("total")
    return (
        any(text(link, "relation") == "next" for link in objects(bundle, "link"))
        or any(_is_unread(entry, depth) for entry in entries)
        or (isinstance(total, int) and total > len(matches))
        or (text(bundle, "type") != "collection" and _is_full(bundle, len(matches), page_size))
    )


def _is_full(bundle: Json, matches: int, page_size: int | None) -> bool:
    """Whether a page is as long as was asked for, or as its server says that it gives."""
    link = next((text(link, "url") for link in objects(bundle, "link") if text(link, "relation") == "self"), "")
    given = _COUNT.search(link)
    sizes = [size for size in (page_size, int(given[1]) if given else None) if size]
    return bool(sizes) and matches >= min(sizes)


def _is_unread(entry: object, depth: int) -> bool:
    """Whether an entry tells of something that was not had, or holds nothing that can be read."""
    resource = element(entry, "resource")
    kind = text(resource, "resourceType")
    if kind != "Bundle":
        return kind in ("", "OperationOutcome")
    return depth >= _DEEPEST or is_incomplete(resource, None, depth + 1)


def resources_of(bundle: Json, depth: int = 0) -> Iterator[Json]:
    """The resources of a Bundle's entries, those in Bundles and containers inside it included."""
    for entry in objects(bundle, "entry"):
        resource = entry.get("resource")
        if isinstance(resource, dict):
            yield from with_contained(resource, depth)


def with_contained(resource: Json, depth: int = 0) -> Iterator[Json]:
    """A resource, then the Observations it contains; these take its subject where they have none of their own.

    What else it contains goes with each of them, so that their references into it still lead somewhere, and so does the
    resource itself: what it contains stands no better than it does.
    """
    if resource.get("resourceType") == "Bundle":
        if depth < _DEEPEST:
            yield from resources_of(resource, depth + 1)
        return
    yield resource
    if "contained" not in resource:
        return
    contained = list(objects(resource, "contained"))
    for inner in contained:
        if inner.get("resourceType") == "Observation":
            yield {**inner, **_taken_over(inner, resource, contained), **_inside(resource, text(inner, "id"))}


def _taken_over(inner: Json, container: Json, contained: Iterable[Json]) -> Json:
    """What a contained Observation has of its container: subject, specimen, and a status that is no better."""
    status, specimens = text(container, "status"), list(objects(container, "specimen"))
    worse = status in ("entered-in-error", "cancelled") or (
        status == "preliminary" and text(inner, "status") == "final"
    )
    return {
        "subject": inner.get("subject") or container.get("subject"),
        "specimen": inner.get("specimen") or (specimens[0] if len(specimens) == 1 else None),
        "status": status if worse else inner.get("status"),
        "contained": [other for other in contained if other.get("resourceType") == "Specimen"],
        CONTAINER: container,
    }


def _inside(container: Json, identity: str) -> Json:
    """The id of what lies in ``container`` under ``identity``, and the reference to it."""
    if not identity or not identity_of(container):
        return {"id": None}
    return {"id": f"{text(container, 'id')}#{identity}", REFERENCE: f"{identity_of(container)}#{identity}"}


def with_component_id(part: Json, whole: Json, place: int) -> Json:
    """A component as an Observation of its own: told apart by its place, referred to as the whole."""
    inside = _inside(whole, f"component-{place}")
    return {**part, **inside, REFERENCE: reference_of(whole)} if inside["id"] else {**part, "id": None}


def entries_of(bundle: object, depth: int = 0) -> Iterator[Json]:
    """The entries of a Bundle, then of the Bundles inside it."""
    for entry in objects(bundle, "entry"):
        yield entry
        if text(entry, "resource", "resourceType") == "Bundle" and depth < _DEEPEST:
            yield from entries_of(entry["resource"], depth + 1)


def references_by_url(bundle: object) -> Iterator[tuple[str, str]]:
    """The (fullUrl, reference) pairs of a Bundle's entries, those of the Bundles inside it included."""
    for entry in entries_of(bundle):
        url, resource = text(entry, "fullUrl"), entry.get("resource")
        reference = reference_of(resource) if url and isinstance(resource, dict) else ""
        if reference:
            yield url, reference


def entry_count(value: object, depth: int = 0) -> int:
    """How many entries a Bundle has, with those of the Bundles inside it and the resources that they contain."""
    if depth > _DEEPEST:
        return 0
    entries = list(objects(value, "entry"))
    inner = [entry.get("resource") for entry in entries]
    contained = sum(len(list(objects(resource, "contained"))) for resource in inner if element(resource, "contained"))
    deeper = sum(entry_count(resource, depth + 1) for resource in inner if text(resource, "resourceType") == "Bundle")
    return len(entries) + contained + deeper


def patient_id_of(reference: str) -> str:
    """The Patient id of a relative, absolute or versioned reference, or ""."""
    parts = reference.split("/_history/", 1)[0].split("/")
    return parts[-1] if len(parts) >= 2 and parts[-2] == "Patient" else ""


def base_of(reference: str) -> str:
    """The server's base in an absolute reference, in small letters; "" in a relative one."""
    whole = reference.split("/_history/", 1)[0].rsplit("/", 2)[0]
    return whole.lower() if "://" in whole else ""


def newer_version(first: Json, second: Json) -> Json | None:
    """The newer of two versions of one resource by lastUpdated, versionId, then issued; None where none tells."""
    for age in (_last_updated, _version, _issued):
        left, right = age(first), age(second)
        if left and right and left != right:
            return first if left > right else second
    return first if first == second else None


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


def identity_of(resource: Json) -> str:
    """ "Observation/abc", or "" where the resource has no id that FHIR allows."""
    identity = text(resource, "id")
    return f"{resource.get('resourceType')}/{identity}" if _ID.fullmatch(identity) else ""


def reference_of(resource: Json) -> str:
    """How a card refers to a resource: "Observation/abc", a contained one as "DiagnosticReport/abc#its-own"."""
    inside = text(resource, REFERENCE)
    return inside if inside and _REFERENCE.fullmatch(inside) else identity_of(resource)
