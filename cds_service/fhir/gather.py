"""What a call brought with it, and what was fetched because it did not: results under review, patient, chart."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from cds_service.errors import DataUnavailable, MalformedCall
from cds_service.facts import Reason
from cds_service.fhir import bundle, meaning, orders
from cds_service.fhir.bundle import ABSENT, Group
from cds_service.fhir.local_codes import NO_LOCAL_CODES, LocalCodes
from cds_service.fhir.orders import Drafts, read_drafts
from cds_service.fhir.searches import PATIENT, Search, searches
from cds_service.fhir.shape import Json, text
from cds_service.fhir.sorting import Chart, Sorting, key_of, refers_to
from cds_service.models import HookRequest

B2M = "b2m"
_MEDICATIONS = ("MedicationRequest", "MedicationStatement", "MedicationAdministration")
_EXPECTED = {
    PATIENT: ("Patient",),
    "conditions": ("Condition",),
    "medications": _MEDICATIONS,
    "procedures": ("Procedure",),
}
_TO_FETCH = (Reason.NOT_GIVEN, Reason.UNAVAILABLE)


class Fetching(Protocol):
    """One call's questions to its FHIR server."""

    def groups(self, asked: Mapping[str, Search | None]) -> Mapping[str, Group]:
        """The answers by prefetch key. ``None`` stands for the Patient itself."""


#: Opens the questions of a call; None where its FHIR server may not be asked.
Fetch = Callable[[HookRequest], Fetching | None]


def prefetch_templates(codes: LocalCodes = NO_LOCAL_CODES) -> dict[str, str]:
    """The FHIR searches that an EHR is asked to send along with results, by prefetch key."""
    asked = {key: search.template() for key, search in searches(codes).items()}
    return {PATIENT: "Patient/{{context.patientId}}", **asked}


def order_templates(codes: LocalCodes = NO_LOCAL_CODES) -> dict[str, str]:
    """The FHIR searches that an EHR is asked to send along with draft orders, by prefetch key."""
    return {key: query for key, query in prefetch_templates(codes).items() if key in (PATIENT, *orders.KEYS)}


def gather(
    call: HookRequest, *, max_entries: int, fetch: Fetch | None = None, codes: LocalCodes = NO_LOCAL_CODES
) -> Chart:
    """Opens a call's ``results`` or draft orders and its prefetch, and fetches what is not there and may be asked for.

    Args:
        call: the hook's request.
        max_entries: most Bundle entries.
        fetch: opens the questions to the call's FHIR server; nothing is fetched without it.
        codes: the site's own.

    Raises:
        MalformedCall: too many entries, the prefetched Patient is not the context's, or no draft orders on their hooks.
        DataUnavailable: patient or B2M data were neither given, nor known to be none, nor to be fetched; beside draft
            orders nothing is needed.
    """
    prefetch: Mapping[str, Any] = call.prefetch or {}
    _check_size(call, max_entries)
    urls = _urls(call)
    sorting = Sorting(call.context.patientId, urls, _bases(call, urls))
    drafts = read_drafts(call, codes, sorting) if call.hook in orders.HOOKS else None
    results = _results(call, codes) if drafts is None else None
    if not _is_asked(call, results, drafts):
        return replace(sorting.chart(None, {}, None, {}), under_review=frozenset())
    asked = _asked(codes, drafts)
    groups = {key: _open_key(prefetch, key, asked, codes) for key in dict.fromkeys([*prefetch, *asked])}
    _check_patient(groups[PATIENT], call.context.patientId)
    fetching = fetch(call) if fetch else None
    if fetching:
        groups |= _fetched(fetching, groups, results, asked, codes, b2m_first=drafts is None)
    patient = next((r for r in groups[PATIENT].resources if r.get("resourceType") == "Patient"), None)
    chart = sorting.chart(
        results, groups, patient, lacking={key: groups[key].lacking for key in asked if key != PATIENT}
    )
    if drafts:
        return replace(chart, ordered=drafts.ordered, also_ordered=drafts.analytes)
    _require(chart, groups, server_refused=bool(fetch and call.fhirServer and not fetching))
    return chart


def _is_asked(call: HookRequest, results: Group | None, drafts: Drafts | None) -> bool:
    """Whether anything is asked of this service: a B2M is being ordered, or its results may be under review."""
    if drafts is not None:
        return bool(drafts.ordered)
    return results is None or bool(results.lacking) or _may_hold_b2m(results, call)


def _asked(codes: LocalCodes, drafts: Drafts | None) -> dict[str, Search | None]:
    """What is asked of the chart, by prefetch key: all of it, or what matters beside an order."""
    wanted = {key: search for key, search in searches(codes).items() if drafts is None or key in orders.KEYS}
    return {PATIENT: None, **wanted}


def _given(call: HookRequest) -> list[Any]:
    return [call.context.results, call.context.draftOrders, *(call.prefetch or {}).values()]


def _urls(call: HookRequest) -> dict[str, str]:
    """References by the fullUrl under which a Bundle of the call holds them."""
    return dict(pair for value in _given(call) for pair in bundle.references_by_url(value))


def _bases(call: HookRequest, references: Mapping[str, str]) -> frozenset[str]:
    """The base URLs of this patient: the call's FHIR server, and wherever a Bundle of the call holds the Patient."""
    urls = (url for url, reference in references.items() if "Patient/" in reference)
    bases = {bundle.base_of(url) for url in urls} | {(call.fhirServer or "").rstrip("/").lower()}
    return frozenset(bases - {""}) if call.fhirServer else frozenset()


def _open_key(prefetch: Mapping[str, Any], key: str, asked: Mapping[str, Search | None], codes: LocalCodes) -> Group:
    """The group under a prefetch key; ABSENT where it was not sent, not had where it holds something else."""
    if key not in prefetch:
        return ABSENT
    search = asked.get(key)
    group = bundle.open_group(prefetch[key], search.page_size if search else None)
    expected = _EXPECTED.get(key, ("Observation",))
    if group.resources and not any(r.get("resourceType") in expected for r in group.resources):
        return Group(group.resources, Reason.UNAVAILABLE)
    return _in_our_codes(group, codes)


def _in_our_codes(group: Group, codes: LocalCodes) -> Group:
    return Group(tuple(map(codes.translated, group.resources)), group.lacking) if codes.means else group


def _check_size(call: HookRequest, max_entries: int) -> None:
    entries = sum(bundle.entry_count(value) for value in _given(call))
    if entries > max_entries:
        raise MalformedCall(
            f"{entries} Bundle entries, at most {max_entries} are accepted; send fewer results per call.",
            path="prefetch",
        )


def _results(call: HookRequest, codes: LocalCodes) -> Group | None:
    if call.context.results is None:
        return None
    group = bundle.open_group(call.context.results)
    if group.lacking is Reason.UNAVAILABLE:
        raise MalformedCall("expected a FHIR Bundle (collection) of the results under review", path="context.results")
    return _in_our_codes(group, codes)


def _may_hold_b2m(results: Group, call: HookRequest) -> bool:
    """Whether there is a B2M result, or a report or panel some of whose results are held elsewhere."""
    if any(meaning.is_b2m(part) for r in results.resources for part in meaning.with_components(r)):
        return True
    held = {key_of(resource) for resource in results.resources}
    held |= {url for url, reference in bundle.references_by_url(call.context.results) if reference in held}
    named = (reference for resource in results.resources for reference in refers_to(resource))
    return any(not _is_held(reference, held) for reference in named)


def _is_held(reference: str, held: set[str]) -> bool:
    """Whether what a reference names is at hand; what a report contains is at hand with it."""
    unversioned = reference.split("/_history/", 1)[0]
    return reference.startswith("#") or unversioned in held or "/".join(unversioned.split("/")[-2:]) in held


def _check_patient(group: Group, patient_id: str) -> None:
    found = next((r for r in group.resources if r.get("resourceType") == "Patient"), None)
    if found is not None and text(found, "id") != patient_id:
        raise MalformedCall(
            "The prefetched Patient is not the patient of the context; send the Patient with context.patientId.",
            path="prefetch.patient",
        )


def _fetched(
    fetching: Fetching,
    groups: Mapping[str, Group],
    results: Group | None,
    asked: Mapping[str, Search | None],
    codes: LocalCodes,
    *,
    b2m_first: bool,
) -> dict[str, Group]:
    """The groups that were not prefetched, as the FHIR server gives them.

    With ``b2m_first``, where B2M is what is missing it is asked for with the patient: without one no more is needed.
    """
    wanted = {key: search for key, search in asked.items() if groups[key].lacking in _TO_FETCH}
    at_hand = [*(results.resources if results else ()), *groups[B2M].resources]
    at_once = not b2m_first or _has_b2m(at_hand)
    first = wanted if at_once else {key: wanted[key] for key in (PATIENT, B2M) if key in wanted}
    got = dict(fetching.groups(first)) if first else {}
    known = got.get(B2M) or groups[B2M]
    if len(first) < len(wanted) and _has_b2m(_in_our_codes(known, codes).resources):
        got |= fetching.groups({key: search for key, search in wanted.items() if key not in first})
    return {key: _in_our_codes(group, codes) for key, group in got.items()}


def _has_b2m(resources: Iterable[Json]) -> bool:
    return any(meaning.is_b2m(part) for r in resources for part in meaning.with_components(r))


def _require(chart: Chart, groups: Mapping[str, Group], *, server_refused: bool) -> None:
    lacking = []
    known_none = groups[PATIENT].lacking is None and not groups[PATIENT].resources
    if chart.patient is None and not known_none:
        lacking.append(PATIENT)
    if not chart.has_b2m and (groups[B2M].lacking or chart.foreign_b2m):
        lacking.append(B2M)
    if not lacking:
        return
    said = ", ".join(f"{key} ({groups[key].lacking or 'of another patient'})" for key in lacking)
    server = " fhirServer is not on this service's list, so it was not asked." if server_refused else ""
    raise DataUnavailable(
        f"Not prefetched, and not to be fetched: {said}. Send these prefetch keys as the discovery document describes "
        f"them; null stands for 'known: nothing'.{server}",
        keys=tuple(lacking),
    )
