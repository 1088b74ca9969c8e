"""FHIR dates to Moments. No time zone is invented, and a partial date stays as partial as it was printed."""

import calendar
import re
from datetime import date, datetime, timedelta

from cds_service.facts import Moment
from cds_service.fhir.shape import Json, element, text

_MOMENT = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d{2})(?:-(?P<day>\d{2})"
    r"(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?P<zone>Z|[+-]\d{2}:\d{2})?)?)?)?",
    re.ASCII,
)
_NO_ABATEMENT: tuple[object, ...] = (None, False, "", {})
_EARLIEST_YEAR, _LATEST_YEAR = 1850, 2200
#: How far the clocks of an EHR and of this service may differ.
CLOCK_TOLERANCE = timedelta(minutes=10)


def read_moment(printed: str, *, issued: bool = False) -> Moment | None:
    """The Moment that a FHIR date, dateTime or instant stands for; None where it cannot be read as one.

    A time without a zone, or one that no clock shows, keeps its day only.
    """
    parts = _MOMENT.fullmatch(printed)
    if not parts or not _EARLIEST_YEAR <= int(parts["year"]) <= _LATEST_YEAR:
        return None
    try:
        first, last = _days(int(parts["year"]), int(parts["month"] or 0), int(parts["day"] or 0))
    except ValueError:
        return None
    return Moment(printed, first, last, _instant(printed) if parts["zone"] else None, issued)


def _instant(printed: str) -> datetime | None:
    try:
        return datetime.fromisoformat(printed)
    except ValueError:
        return None


def _days(year: int, month: int, day: int) -> tuple[date, date]:
    if not month:
        return date(year, 1, 1), date(year, 12, 31)
    if not day:
        return date(year, month, 1), date(year, month, calendar.monthrange(year, month)[1])
    only = date(year, month, day)
    return only, only


def read_period(period: object) -> Moment | None:
    """The Moment of a FHIR Period: from its start to its end, or the end that it has."""
    start, end = read_moment(text(period, "start")), read_moment(text(period, "end"))
    return _span(start, end) if start and end else start or end


def observed_at(observation: Json) -> Moment | None:
    """When an Observation's sample was taken: effectiveDateTime, Period, Instant, Timing, else when it was issued."""
    return (
        read_moment(text(observation, "effectiveDateTime"))
        or read_period(observation.get("effectivePeriod"))
        or read_moment(text(observation, "effectiveInstant"))
        or _read_timing(observation.get("effectiveTiming"))
        or (None if _says_when(observation) else read_moment(text(observation, "issued"), issued=True))
    )


def _says_when(observation: Json) -> bool:
    """Whether a time of sampling is given at all: one that cannot be read is not replaced by the time of the report."""
    return any(name.startswith("effective") and value is not None for name, value in observation.items())


def _read_timing(timing: object) -> Moment | None:
    """The Moment of a FHIR Timing: from its first event to its last, else the period that bounds it."""
    events = element(timing, "event")
    found = [read_moment(event) for event in events if isinstance(event, str)] if isinstance(events, list) else []
    known = sorted((event for event in found if event), key=Moment.sort_key)
    if not known or len(known) < len(found):
        return read_period(element(timing, "repeat", "boundsPeriod"))
    return _span(known[0], known[-1])


def _span(start: Moment, end: Moment) -> Moment:
    if start.printed == end.printed:
        return start
    return Moment(f"{start.printed} to {end.printed}", start.first, max(start.last, end.last))


def onset_of(condition: Json) -> Moment | None:
    """When a Condition began: onsetDateTime, else the onsetPeriod."""
    return read_moment(text(condition, "onsetDateTime")) or read_period(condition.get("onsetPeriod"))


def is_over(condition: Json, as_of: datetime) -> bool:
    """Whether a Condition has abated by ``as_of`` (STU3's ``abatementBoolean: false`` is no abatement)."""
    ended = read_moment(text(condition, "abatementDateTime"))
    if ended:
        return not ended.is_after(as_of, timedelta(0))
    return any(name.startswith("abatement") and value not in _NO_ABATEMENT for name, value in condition.items())
