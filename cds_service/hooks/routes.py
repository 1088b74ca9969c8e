"""CDS Hooks over HTTP: discovery and the services."""

import contextlib
import json
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from flask import Blueprint, Response, g, request

from cds_service.config import Settings
from cds_service.decide import PATIENT_VIEW, Decision, Failure, decide
from cds_service.errors import Forbidden, MalformedCall, NothingDecided, StoreUnavailable, UnknownService
from cds_service.fhir.gather import Fetch
from cds_service.fhir.local_codes import NO_LOCAL_CODES, LocalCodes
from cds_service.hooks import openapi
from cds_service.hooks.body import parse_call, read_json
from cds_service.hooks.feedback import take_feedback
from cds_service.hooks.services import Service, services
from cds_service.hooks.trust import Caller, Gate
from cds_service.models import Discovery, HookRequest
from cds_service.record.account import account_of
from cds_service.record.history import ShownBefore
from cds_service.record.metrics import Metrics
from cds_service.record.store import Store
from cds_service.rules_in_force import InForce

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Wiring:
    """What the routes of one installation are wired to. ``clock`` answers with the present time, with its zone."""

    settings: Settings
    rules: Callable[[], InForce]
    clock: Callable[[], datetime]
    fetch: Fetch | None = None
    codes: LocalCodes = NO_LOCAL_CODES
    gate: Gate | None = None
    store: Store | None = None
    metrics: Metrics = field(default_factory=Metrics)

    def fetch_for(self, caller: Caller) -> Fetch | None:
        """The questions that this caller may have asked: to the FHIR servers of its registration."""
        fetch = self.fetch
        return (lambda call: fetch(call) if caller.may_name(call.fhirServer) else None) if fetch else None


def blueprint(wired: Wiring) -> Blueprint:
    """The routes of CDS Hooks for one installation."""
    offered = services(wired.settings, wired.codes)
    routes = Blueprint("hooks", __name__)

    @routes.before_request
    def let_in() -> None:
        with wired.metrics.stage("authenticate"):
            g.caller = wired.gate.caller(request) if wired.gate else Caller()

    @routes.get("/cds-services")
    def discover() -> Response:
        described = [service.described() for service in offered.values() if g.caller.may_call(service.id)]
        return Response(Discovery(services=tuple(described)).model_dump_json(), content_type="application/json")

    @routes.get("/openapi.json")
    def describe() -> Response:
        callable_services = [service for service in offered.values() if g.caller.may_call(service.id)]
        tokens = g.caller.client is not None
        document = openapi.document(callable_services, base_url=wired.settings.public_base_url, tokens=tokens)
        return Response(json.dumps(document), content_type="application/json")

    @routes.post("/cds-services/<service_id>")
    def call(service_id: str) -> Response:
        service, as_of, now = _offered(offered, service_id), wired.clock(), wired.rules()
        hook_request = _for_service(service, parse_call(read_json(request, wired.settings.max_body_bytes)))
        wired.metrics.brought(service.prefetch, hook_request)
        decision = _decided(wired, hook_request, as_of, now)
        wired.metrics.decided(decision, service.id, now.silent)
        _remember(wired, decision, hook_request, service.id, as_of, now.silent)
        cards = [card.model_dump(mode="json", exclude_none=True) for card in decision.cards]
        g.cards = len(cards)
        return Response(json.dumps({"cards": cards}), content_type="application/json")

    @routes.post("/cds-services/<service_id>/feedback")
    def feedback(service_id: str) -> Response:
        service = _offered(offered, service_id)
        return take_feedback(
            request,
            wired.store,
            settings=wired.settings,
            service=service.id,
            client=g.caller.name,
            received=wired.clock(),
            metrics=wired.metrics,
        )

    return routes


def _decided(wired: Wiring, call: HookRequest, as_of: datetime, now: InForce) -> Decision:
    """What is decided for the caller of this request; rules that could not be run are noted."""
    try:
        decision = decide(
            call,
            rules=now.rules,
            silent=now.silent,
            as_of=as_of,
            settings=wired.settings,
            fetch=wired.fetch_for(g.caller),
            codes=wired.codes,
            history=ShownBefore(wired.store, g.caller.scope, call) if wired.store else None,
        )
    except NothingDecided as error:
        _note_failures(wired.metrics, error.failures)
        raise
    _note_failures(wired.metrics, decision.failures)
    return decision


def _offered(services: Mapping[str, Service], service_id: str) -> Service:
    """The service of this id, where this caller may have it.

    Raises:
        UnknownService, Forbidden: there is none; it may not.
    """
    service = services.get(service_id)
    if service is None:
        raise UnknownService("No service of this id is offered; GET /cds-services lists them.")
    g.service = service.id
    if not g.caller.may_call(service.id):
        raise Forbidden("This client is not registered for this service.")
    return service


def _remember(
    wired: Wiring, decision: Decision, call: HookRequest, service_id: str, at: datetime, silent: Collection[str]
) -> None:
    """Keeps what was decided of a B2M. Cards go out all the same where the store is down; it counts what it lost."""
    store = wired.store
    if store and decision.facts:
        with contextlib.suppress(StoreUnavailable), wired.metrics.stage("record"):
            account = account_of(
                decision,
                call,
                service=service_id,
                client=g.caller.name,
                at=at,
                pseudonyms=store.pseudonyms,
                silent=silent,
                scope=g.caller.scope,
            )
            store.remember(account)


def _for_service(service: Service, call: HookRequest) -> HookRequest:
    """The call with the context that its hook defines.

    Raises:
        MalformedCall: the hook is not the one that the service serves.
    """
    if call.hook != service.hook:
        raise MalformedCall(f"hook: this service serves the hook {service.hook}", path="hook")
    if call.hook == PATIENT_VIEW:
        return call.model_copy(update={"context": call.context.model_copy(update={"results": None})})
    return call


def _note_failures(metrics: Metrics, failures: Sequence[object]) -> None:
    metrics.failed(failure for failure in failures if isinstance(failure, Failure))
    for failure in failures:
        _log.error("a rule could not be run: %s", failure)
