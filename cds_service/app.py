"""The application factory: the only place that wires things together."""

import contextlib
import gc
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial

from flask import Flask

from cds_service import __version__
from cds_service.config import Settings, SiteProfile, load_settings, load_site
from cds_service.decide import decide
from cds_service.errors import StoreUnavailable
from cds_service.fhir.client import FhirClient
from cds_service.fhir.local_codes import LocalCodes
from cds_service.hooks import access_log, cors, operation_outcome, operators, routes, security_headers
from cds_service.hooks.trust import Gate, log_mode
from cds_service.knowledge import model
from cds_service.knowledge.model import Rule
from cds_service.models import HookRequest
from cds_service.pages import knowledge, operations
from cds_service.pages import rules as rule_pages
from cds_service.record import logs
from cds_service.record.metrics import Metrics
from cds_service.record.pseudonyms import load_pseudonyms
from cds_service.record.store import Store
from cds_service.rules_in_force import Change, RulesInForce

#: Who may call the routes of each blueprint; one that is not named here is for operators only.
AUDIENCES: dict[str, operators.Audience] = {
    "hooks": "clients",
    "knowledge": "operators",
    "metrics": "operators",
    "pages": "operators",
    "probes": "anybody",
    "workbench": "operators",
}

#: A serum B2M of nobody.
_REHEARSED = {
    "hook": "lab-result-review",
    "hookInstance": "00000000-0000-4000-8000-000000000000",
    "context": {"userId": "Practitioner/nobody", "patientId": "nobody"},
    "prefetch": {
        "patient": {"resourceType": "Patient", "id": "nobody", "birthDate": "1960-01-01"},
        "conditions": {
            "resourceType": "Condition",
            "subject": {"reference": "Patient/nobody"},
            "code": {"coding": [{"system": "http://snomed.info/sct", "code": "109989006"}]},
        },
        "b2m": {
            "resourceType": "Observation",
            "status": "final",
            "subject": {"reference": "Patient/nobody"},
            "effectiveDateTime": "2026-03-02T08:00:00Z",
            "code": {"coding": [{"system": "http://loinc.org", "code": "1952-1"}]},
            "valueQuantity": {"value": Decimal("4.0"), "unit": "mg/L"},
        },
    },
}


def _now() -> datetime:
    return datetime.now(UTC)


def _open_store(settings: Settings, metrics: Metrics) -> Store:
    """The store of the settings; it logs what is wrong where it cannot be had, and the service starts without."""
    pseudonyms = load_pseudonyms(settings.pseudonym_keys)
    store = Store(settings.database_url, pseudonyms=pseudonyms, on_lost=metrics.lost)
    _answers(store)
    return store


def _answers(store: Store) -> bool:
    """Whether the store takes a transaction now."""
    try:
        store.ping()
    except StoreUnavailable:
        return False
    return True


def _note_changes(store: Store, changes: Sequence[Change]) -> None:
    with contextlib.suppress(StoreUnavailable):
        store.note_site_changes(changes)


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
    logs.silence_what_quotes()
    metrics = Metrics()
    store = _open_store(settings, metrics)
    gate = Gate(settings, site, store, on_no_keys=metrics.without_keys)
    log_mode(gate.mode, site.client)
    rules = model.load() if rules is None else rules
    running = RulesInForce(rules, site, settings.site_profile, partial(_note_changes, store), now=clock)
    service = routes.Wiring(
        settings=settings,
        rules=running,
        clock=clock,
        fetch=metrics.counting(FhirClient(site, settings).open),
        codes=LocalCodes(site.local_codes),
        gate=gate,
        store=store,
        metrics=metrics,
    )
    ready = operations.Readiness(
        {"store": lambda: _answers(store), "knowledge": lambda: bool(rules), "keys": gate.has_keys}
    )
    app = Flask("cds_service", static_folder=None)
    app.extensions |= {"ready": ready, "store": store, "rehearse": partial(_rehearse, rules, settings)}
    access_log.register(app, metrics)
    app.register_blueprint(routes.blueprint(service))
    app.register_blueprint(knowledge.blueprint(running))
    app.register_blueprint(rule_pages.blueprint(running, store, workbench=settings.workbench))
    app.register_blueprint(operations.probes(ready))
    app.register_blueprint(operations.measures(metrics, ready, __version__))
    if settings.workbench:
        from cds_service.pages import workbench  # a sixth of the start, for what most never serve

        is_open = gate.mode != "registered clients"
        app.register_blueprint(workbench.blueprint(workbench.Bench(settings, running, clock, service.codes, is_open)))
    operation_outcome.register(app)
    security_headers.register(app)
    cors.register(app, settings.allowed_origins)
    operators.register(app, settings, AUDIENCES)
    return app


def before_fork(app: Flask) -> None:
    """Does once what each worker would have to do, and closes what may not be used on both sides of a fork."""
    app.extensions["ready"]()
    app.extensions["rehearse"]()
    app.extensions["store"].disconnect()
    gc.collect()
    gc.freeze()  # what is there now stays: looking it over again would copy its memory to each worker


def _rehearse(rules: Sequence[Rule], settings: Settings) -> None:
    """Decides about an invented patient: tables are read and models are built that the first call would wait for."""
    at = datetime(2026, 3, 2, 9, tzinfo=UTC)
    decide(HookRequest.model_validate(_REHEARSED), rules=rules, as_of=at, settings=settings)
