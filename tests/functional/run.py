"""Recorded cases through the whole application, in process."""

from datetime import UTC, datetime
from typing import Any

from werkzeug.test import TestResponse

from cds_service.app import create_app
from cds_service.config import Settings, SiteProfile
from cds_service.knowledge.model import Rule, load
from cds_service.replay.calls import Recorded, dump_json

RULES = load()
NOW = datetime(2026, 3, 3, 9, 0, tzinfo=UTC)


def post(
    service: str,
    request: Any,
    *,
    as_of: datetime = NOW,
    rules: tuple[Rule, ...] = RULES,
    settings: Settings | None = None,
    site: SiteProfile | None = None,
) -> TestResponse:
    """The service's answer to a request at the time ``as_of``."""
    app = create_app(settings or Settings(), rules=rules, clock=lambda: as_of, site=site)
    body = request if isinstance(request, bytes) else dump_json(request)
    return app.test_client().post(f"/cds-services/{service}", data=body, content_type="application/json")


def cards_of(case: Recorded) -> list[dict[str, Any]]:
    """The cards of a recorded case; none where it is refused."""
    answer = post(case.service, case.request, as_of=case.as_of or NOW)
    assert answer.status_code == case.expected["status"], answer.text
    cards: list[dict[str, Any]] = answer.get_json().get("cards", [])
    return cards
