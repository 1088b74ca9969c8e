"""CDS Hooks over HTTP: discovery and the services."""

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, Response, request

from cds_service.config import Settings
from cds_service.decide import PATIENT_VIEW, decide
from cds_service.errors import MalformedCall, NothingDecided, UnknownService
from cds_service.fhir.gather import Fetch
from cds_service.fhir.local_codes import NO_LOCAL_CODES, LocalCodes
from cds_service.hooks.body import parse_call, read_json
from cds_service.hooks.services import Service, services
from cds_service.knowledge.model import Rule
from cds_service.models import HookRequest

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Wiring:
    """What the routes of one installation are wired to. ``clock`` answers with the present time, with its zone."""

    settings: Settings
    rules: Sequence[Rule]
    clock: Callable[[], datetime]
    fetch: Fetch | None = None
    codes: LocalCodes = NO_LOCAL_CODES


def blueprint(wired: Wiring) -> Blueprint:
    """The routes of CDS Hooks for one installation."""
    offered = services(wired.settings, wired.codes)
    discovery = json.dumps({"services": [service.described() for service in offered.values()]})
    routes = Blueprint("hooks", __name__)

    @routes.get("/cds-services")
    def discover() -> Response:
        return Response(discovery, content_type="application/json")

    @routes.post("/cds-services/<service_id>")
    def call(service_id: str) -> Response:
        service = offered.get(service_id)
        if service is None:
            raise UnknownService("No service of this id is offered; GET /cds-services lists them.")
        hook_request = _for_service(service, parse_call(read_json(request, wired.settings.max_body_bytes)))
        try:
            decision = decide(
                hook_request,
                rules=wired.rules,
                as_of=wired.clock(),
                settings=wired.settings,
                fetch=wired.fetch,
                codes=wired.codes,
            )
        except NothingDecided as error:
            _log_failures(error.failures)
            raise
        _log_failures(decision.failures)
        cards = [card.model_dump(mode="json", exclude_none=True) for card in decision.cards]
        return Response(json.dumps({"cards": cards}), content_type="application/json")

    return routes


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


def _log_failures(failures: Sequence[object]) -> None:
    for failure in failures:
        _log.error("a rule could not be run: %s", failure)
