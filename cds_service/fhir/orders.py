"""The draft orders of a call: which B2M tests are being ordered, and what with them."""

from collections.abc import Iterable
from dataclasses import dataclass

from cds_service.errors import MalformedCall
from cds_service.facts import Moment, OrderedTest
from cds_service.fhir import bundle, meaning
from cds_service.fhir.dates import read_moment
from cds_service.fhir.local_codes import LocalCodes
from cds_service.fhir.shape import Json, codings, text
from cds_service.fhir.sorting import Sorting
from cds_service.knowledge.terms import LOINC
from cds_service.knowledge.terms.panels import analytes_of_panel
from cds_service.models import HookRequest

ORDER_SELECT, ORDER_SIGN = "order-select", "order-sign"
HOOKS = (ORDER_SELECT, ORDER_SIGN)
#: What of the chart is read beside an order. Not urine: none of an earlier one tells of the one to be taken.
KEYS = ("b2m", "kidney", "myeloma", "blood", "conditions", "medications", "procedures")
_NO_ORDER = ("entered-in-error", "revoked")


@dataclass(frozen=True, slots=True)
class Drafts:
    """The B2M tests that are being ordered, and the analytes of all the drafts."""

    ordered: tuple[OrderedTest, ...] = ()
    analytes: frozenset[str] = frozenset()


def read_drafts(call: HookRequest, codes: LocalCodes, sorting: Sorting) -> Drafts:
    """The patient's own draft orders; on order-select only those that are selected order a B2M.

    Raises:
        MalformedCall: ``draftOrders`` is missing or no Bundle, or on order-select ``selections`` is missing.
    """
    drafts = call.context.draftOrders
    if text(drafts, "resourceType") != "Bundle":
        raise MalformedCall("context.draftOrders: a FHIR Bundle of drafts is required", path="context.draftOrders")
    if call.hook == ORDER_SELECT and call.context.selections is None:
        raise MalformedCall("context.selections: is required", path="context.selections")
    standing = [r for r in bundle.resources_of(drafts or {}) if _stands(r) and sorting.owns(r)]
    own = [codes.translated(resource) for resource in standing]
    chosen = own if call.hook == ORDER_SIGN else [r for r in own if bundle.identity_of(r) in _selected(call, sorting)]
    tests = {test.analyte: test for r in reversed(chosen) if (test := _ordered(r))}
    return Drafts(tuple(reversed(tests.values())), frozenset(key for r in own for key in _analytes(r)))


def _stands(resource: Json) -> bool:
    """Whether a resource is an order for something to be done, and nothing that we do not know changes its meaning."""
    return (
        resource.get("resourceType") == "ServiceRequest"
        and text(resource, "status") not in _NO_ORDER
        and not resource.get("doNotPerform")
        and not resource.get("modifierExtension")
    )


def _selected(call: HookRequest, sorting: Sorting) -> set[str]:
    """The orders that are selected, as "ServiceRequest/ID", whatever the form of the reference."""
    named: Iterable[str] = call.context.selections or ()
    return {"/".join(sorting.urls.get(n, n).split("/_history/", 1)[0].split("/")[-2:]) for n in named}


def _ordered(resource: Json) -> OrderedTest | None:
    """The B2M test that an order is for; None where it is for none, or its codes are of more than one."""
    tests = {analyte.key: (analyte, code) for analyte, code in meaning.meanings(resource) if analyte.is_b2m}
    if len(tests) != 1:
        return None
    analyte, code = next(iter(tests.values()))
    return OrderedTest(analyte.key, analyte.specimen, code.code, bundle.reference_of(resource), _planned(resource))


def _planned(resource: Json) -> Moment | None:
    """When the sample is to be taken, where the order says so."""
    return read_moment(text(resource, "occurrenceDateTime") or text(resource, "occurrencePeriod", "start"))


def _analytes(resource: Json) -> set[str]:
    """What an order is for, that of a panel included."""
    panels = [code for system, code in codings(resource, "code") if system == LOINC]
    return {analyte.key for analyte, _ in meaning.meanings(resource)}.union(*map(analytes_of_panel, panels))
