"""CDS Hooks over HTTP: discovery and the services."""

import json
import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from flask import Blueprint, Response, request

from cds_service.config import Settings
from cds_service.decide import PATIENT_VIEW, decide
from cds_service.errors import MalformedCall, NothingDecided, UnknownService
from cds_service.hooks.body import parse_call, read_json
from cds_service.hooks.services import Service, services
from cds_service.knowledge.model import Rule
from cds_service.models import HookRequest

_log = logging.getLogger(__name__)


def blueprint(settings: Settings, rules: Sequence[Rule], clock: Callable[[], datetime]) -> Blueprint:
    """The routes of CDS Hooks for one installation. ``clock`` answers with the present time, with its zone."""
    offered = services(settings)
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
        hook_request = _for_service(service, parse_call(read_json(request, settings.max_body_bytes)))
        try:
            decision = decide(hook_request, rules=rules, as_of=clock(), settings=settings)
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
