"""Routes for the people who run the service: to anybody else they do not exist."""

import hmac
from collections.abc import Mapping
from typing import Literal

from flask import Flask, abort, request
from werkzeug.exceptions import MethodNotAllowed

from cds_service.config import Settings
from cds_service.hooks.peers import is_local, peer

#: By it a trusted proxy says that the caller is an operator. No setting: a proxy takes this name off, and no other.
HEADER = "X-Operator"
#: Who may call. The token of "clients" is asked for by ``trust``.
Audience = Literal["anybody", "clients", "operators"]


def register(app: Flask, settings: Settings, audiences: Mapping[str, Audience]) -> None:
    """Answers 404, as for an unknown address, to whoever asks for an operators' route and is none.

    Args:
        app: has all its blueprints.
        settings: how an operator is known: OPERATOR_TOKEN, or X-Operator from one of TRUSTED_PROXIES.
        audiences: who may call the routes of a blueprint, by its name. Where nothing is stated, operators only: what
            was forgotten is hidden, not open.
    """
    app.extensions["audiences"] = audiences
    app.url_map.merge_slashes = False  # a redirect from //metrics would tell that /metrics is there

    @app.before_request
    def hide() -> None:
        endpoint = _endpoint(app)
        if endpoint is not None and audience_of(app, endpoint) == "operators" and not _is_operator(settings):
            abort(404)


def audience_of(app: Flask, endpoint: str) -> Audience:
    """Who may call the routes of this endpoint."""
    audiences: Mapping[str, Audience] = app.extensions["audiences"]
    return audiences.get(endpoint.partition(".")[0], "operators")


def _endpoint(app: Flask) -> str | None:
    """What the address leads to, also where it does not take this method: 405 would tell that something is there."""
    fault = request.routing_exception
    if isinstance(fault, MethodNotAllowed) and fault.valid_methods:
        endpoint, _ = app.url_map.bind("").match(request.path, method=next(iter(fault.valid_methods)))
        return str(endpoint)
    return request.endpoint


def _is_operator(settings: Settings) -> bool:
    return is_local(request, settings) or _bears_the_token(settings) or _is_vouched_for(settings)


def _bears_the_token(settings: Settings) -> bool:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if settings.operator_token is None or scheme.lower() != "bearer":
        return False
    return hmac.compare_digest(given.strip().encode(), settings.operator_token.get_secret_value().encode())


def _is_vouched_for(settings: Settings) -> bool:
    """Whether a trusted proxy says that this is an operator."""
    return peer(request) in settings.trusted_proxies and bool(request.headers.get(HEADER, "").strip())
