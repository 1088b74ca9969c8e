"""Moving the dates of a recorded chart by whole days, ages included, so that it reads as of another day."""

import re
from datetime import date, timedelta
from typing import Any

_FULL_DATE = re.compile(r"(\d{4}-\d{2}-\d{2})(T[\d:.]+(?:Z|[+-]\d{2}:\d{2})?)?")


def moved(document: Any, days: int) -> Any:
    """A copy of a JSON document in which every string that is a full FHIR date or dateTime lies ``days`` later.

    Dates of a month or a year only stay as they are: they cannot be moved by days.
    """
    if isinstance(document, dict):
        return {name: moved(value, days) for name, value in document.items()}
    if isinstance(document, list):
        return [moved(value, days) for value in document]
    match = _FULL_DATE.fullmatch(document) if isinstance(document, str) else None
    if not match:
        return document
    try:
        return (date.fromisoformat(match[1]) + timedelta(days=days)).isoformat() + (match[2] or "")
    except (ValueError, OverflowError):
        return document
