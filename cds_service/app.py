"""The application factory: the only place that wires things together."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from flask import Flask

from cds_service.config import Settings, SiteProfile, load_settings, load_site
from cds_service.fhir.client import FhirClient
from cds_service.fhir.local_codes import LocalCodes
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
    site: SiteProfile | None = None,
) -> Flask:
    """The WSGI application.

    Args:
        settings: those of the environment by default.
        rules: all that the package brings by default.
        clock: answers with the present time, with its zone.
        site: the profile that the settings name by default.

    Raises:
        ConfigurationError, KnowledgeError: a setting or a rule cannot be used.
    """
    settings = settings or load_settings()
    site = load_site(settings.site_profile) if site is None else site
    service = routes.Wiring(
        settings=settings,
        rules=model.load() if rules is None else rules,
        clock=clock,
        fetch=FhirClient(site, settings).open,
        codes=LocalCodes(site.local_codes),
    )
    app = Flask("cds_service", static_folder=None)
    app.register_blueprint(routes.blueprint(service))
    operation_outcome.register(app)
    return app
