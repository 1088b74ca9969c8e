"""GET /livez, /readyz, /version and /metrics: what machines ask that keep the service running."""

from collections.abc import Callable, Mapping
from typing import Any

from flask import Blueprint, Response, jsonify

from cds_service.knowledge.identity import knowledge_hash, source
from cds_service.record import metrics
from cds_service.record.metrics import Metrics


class Readiness:
    """Whether calls may be sent here: each of the checks has been passed once.

    Once, since cards go out without the store too, and keys serve on while they cannot be renewed: if what all
    instances share failed, taking all of them out of service would be the outage.
    """

    def __init__(self, checks: Mapping[str, Callable[[], bool]]) -> None:
        self._checks = checks
        self._passed: set[str] = set()

    def __call__(self) -> dict[str, bool]:
        """Which checks were passed; those that were not yet are tried."""
        self._passed |= {name for name, check in self._checks.items() if name not in self._passed and check()}
        return {name: name in self._passed for name in self._checks}


def probes(ready: Readiness) -> Blueprint:
    """For what starts and stops the service, which bears no token: nothing is told but yes or no."""
    routes = Blueprint("probes", __name__)

    @routes.get("/livez")
    def live() -> Response:
        return jsonify(live=True)

    @routes.get("/readyz")
    def is_ready() -> tuple[Response, int]:
        checks = ready()
        return jsonify(ready=all(checks.values()), checks=checks), 200 if all(checks.values()) else 503

    return routes


def measures(counted: Metrics, ready: Readiness, version: str) -> Blueprint:
    """For operators: the metrics of all workers, and which version runs."""
    routes = Blueprint("metrics", __name__)

    @routes.get("/metrics")
    def expose() -> Response:
        return Response(counted.exposition(ready()), content_type=metrics.CONTENT_TYPE)

    @routes.get("/version")
    def name_version() -> dict[str, Any]:
        return {"version": version, "knowledge": {"version": source().version, "hash": knowledge_hash()}}

    return routes
