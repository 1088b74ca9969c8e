"""The application factory: the only place that wires things together."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from flask import Flask

from cds_service.config import Settings, load_settings
from cds_service.hooks import operation_outcome, routes
from cds_service.knowledge import model
from cds_service.knowledge.model import Rule


def _now() -> datetime:
    return datetime.now(UTC)


def create_app(
    settings: Settings | None = None,
    *,
    rules: Sequence[Rule] | None = None,
    clock: Callable[[], datetime] = _now,
) -> Flask:
    """The WSGI application.

    Args:
        settings: those of the environment by default.
        rules: all that the package brings by default.
        clock: answers with the present time, with its zone.

    Raises:
        ConfigurationError, KnowledgeError: a setting or a rule cannot be used.
    """
    settings = settings or load_settings()
    app = Flask("cds_service", static_folder=None)
    app.register_blueprint(routes.blueprint(settings, model.load() if rules is None else rules, clock))
    operation_outcome.register(app)
    return app
