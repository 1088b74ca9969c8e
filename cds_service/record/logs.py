"""Logs: a JSON object a line on stderr, with the id of its request, without anything of a patient.

No path but a route's template, no query, no user, no body, no text of an error that was not written for the log.
"""

import json
import logging
import sys
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

Style = Literal["json", "text"]

#: The id of the request that this thread is answering, "" for none.
request_id: ContextVar[str] = ContextVar("request_id", default="")

#: Libraries whose messages quote the URLs that they were given: an EHR's hold patient ids.
_QUOTING = ("urllib3", "requests")


def configure(style: Style, level: str, stream: TextIO | None = None) -> None:
    """Sends every log of this process to ``stream`` (stderr), in one style, from ``level`` on.

    Args:
        style: JSON for machines, text for terminals.
        level: of this package's own logs; libraries are heard from "warning" on.
        stream: where to.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines() if style == "json" else TextLines())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("cds_service").setLevel(level.upper())


def silence_what_quotes() -> None:
    """Keeps libraries quiet whose messages would quote patient ids."""
    for name in _QUOTING:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def kind_and_place(error: BaseException) -> str:
    """What an unforeseen error may be called in a log: its text may hold anything that the request did."""
    place = [(frame.f_code.co_qualname, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    where = f"{place[-1][0]}:{place[-1][1]}" if place else "unknown"
    return f"{type(error).__name__} in {where}"


class JsonLines(logging.Formatter):
    """A record as one line of JSON. ``extra={"fields": {...}}`` adds members of its own."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        return json.dumps(_members(record))


class TextLines(logging.Formatter):
    """The same for a terminal: what a JSON line holds, in its order."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        members = _members(record)
        head = [members.pop(name) for name in ("time", "level", "logger", "message")]
        return " ".join([*head, *(f"{name}={value}" for name, value in members.items())]).replace("\n", " | ")


def _members(record: logging.LogRecord) -> dict[str, Any]:
    error = record.exc_info[1] if record.exc_info else None
    members = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "message": record.getMessage(),
        "request_id": request_id.get() or None,
        **getattr(record, "fields", {}),
        "error": kind_and_place(error) if error else None,
    }
    return {name: value for name, value in members.items() if value is not None}
