"""Each request as one line of the log and one count, under an id that the answer carries too."""

import logging
import re
from time import perf_counter
from uuid import uuid4

from flask import Flask, Response, g, request

from cds_service.record.logs import request_id
from cds_service.record.metrics import Metrics

_log = logging.getLogger(__name__)
_HEADER = "X-Request-Id"
#: A UUID or a random number. Of anything else a stranger could make a name, or the number of a patient.
_RANDOM = re.compile(r"[0-9a-fA-F]{16,64}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_CALL = "hooks.call"
#: What is asked every few seconds by machines is no news.
_UNLOGGED = ("probes", "metrics")


def register(app: Flask, metrics: Metrics) -> None:
    """Logs and counts every request. Before all else of ``app``: what comes first sees it first, and answers last."""

    @app.before_request
    def begin() -> None:
        g.began = perf_counter()
        given = request.headers.get(_HEADER, "")
        request_id.set(given if _RANDOM.fullmatch(given) else uuid4().hex)

    @app.after_request
    def end(answer: Response) -> Response:
        answer.headers[_HEADER] = request_id.get()
        seconds = perf_counter() - g.began
        if request.endpoint == _CALL:
            metrics.answered(g.get("service", ""), answer.status_code, seconds)
        if answer.status_code == 401:
            metrics.refused(g.get("refused", ""))
        if request.blueprint not in _UNLOGGED:
            _log.info("answered", extra={"fields": _fields(answer, seconds)})
        return answer

    @app.teardown_request
    def forget(error: BaseException | None) -> None:
        request_id.set("")


def _fields(answer: Response, seconds: float) -> dict[str, object]:
    """What is known of the request and may be told: the route's template, never the path."""
    return {
        "method": request.method if request.url_rule else None,
        "route": request.url_rule.rule if request.url_rule else None,
        "status": answer.status_code,
        "ms": round(seconds * 1000, 1),
        "service": g.get("service"),
        "client": (g.caller.name or None) if "caller" in g else None,
        "cards": g.get("cards"),
    }
