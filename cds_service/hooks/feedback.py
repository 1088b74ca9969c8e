"""What users did with cards: kept before it is answered."""

from datetime import datetime

from flask import Request, Response

from cds_service.config import Settings
from cds_service.errors import StoreUnavailable
from cds_service.hooks.body import parse_feedback, read_json
from cds_service.record.account import feedback_rows
from cds_service.record.metrics import Metrics
from cds_service.record.store import Store


def take_feedback(
    request: Request,
    store: Store | None,
    *,
    settings: Settings,
    service: str,
    client: str,
    received: datetime,
    metrics: Metrics,
) -> Response:
    """Keeps the feedback of a request. Cards that are not known are kept as they are named.

    Raises:
        WrongContentType, TooLarge, MalformedCall: it is no feedback.
        StoreUnavailable: it cannot be kept now; the client has to send it again.
    """
    given = parse_feedback(read_json(request, settings.max_body_bytes)).feedback
    if store is None:
        raise StoreUnavailable
    comments = settings.keep_comments
    store.feedback(feedback_rows(given, service=service, client=client, received=received, keep_comments=comments))
    metrics.given(service, (one.outcome for one in given))
    return Response("{}", content_type="application/json")
