"""Where things lie in a chart: heights of values, places of moments on a time axis, ticks, labels beside each other."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from unicodedata import east_asian_width

from cds_service.facts import Moment

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = _EPOCH.toordinal()
_MOST_TICKS = 6
_VALUE_STEPS = 4
_HEADROOM = Decimal("1.08")
_ALONE_PAD = 15.0
_PAD = 0.04
_HOUR = 1 / 24
_A_FEW_DAYS = 2.0
_MONTHS = 12
_LONGEST_NUMBER = 6
#: How wide a letter is, in shares of the font size: wider than most, so that text ends where it may.
_LETTER, _WIDE_LETTER = 0.56, 1.0
_NEAR = 5.0


@dataclass(frozen=True, slots=True)
class ValueScale:
    """Heights of values from 0 (at ``bottom``) to ``most`` (at ``top``), both in the units of the drawing."""

    most: Decimal
    step: Decimal
    top: float
    bottom: float

    def y(self, value: Decimal) -> float:
        """The height of ``value``; one outside the scale lies on its edge."""
        share = min(max(value / self.most, Decimal(0)), Decimal(1))
        return self.bottom - (self.bottom - self.top) * float(share)

    def ticks(self) -> list[tuple[float, str]]:
        """Heights with the numbers written beside them."""
        values = [self.step * n for n in range(int(self.most / self.step) + 1)]
        return [(self.y(value), _number(value)) for value in values]


def value_scale(values: Iterable[Decimal], top: float, bottom: float) -> ValueScale:
    """A scale from 0 that holds ``values``, with room above the highest."""
    highest = max(values, default=Decimal(0)) * _HEADROOM or Decimal(1)
    rough = highest / _VALUE_STEPS
    power = Decimal(1).scaleb(rough.adjusted())
    step = next(power * n for n in (1, 2, 5, 10) if power * n >= rough).normalize()
    return ValueScale((highest / step).to_integral_value(ROUND_CEILING) * step, step, top, bottom)


def _number(value: Decimal) -> str:
    written = f"{value:f}"
    return written if len(written) <= _LONGEST_NUMBER else f"{value:.1e}"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a moment lies, in days since 1970: its middle, and the ends of what it may stand for."""

    first: float
    middle: float
    last: float


@dataclass(frozen=True, slots=True)
class TimeScale:
    """Places of moments between ``start`` and ``end`` (days since 1970) from ``left`` to ``right``.

    ``offset``: from UTC, in which all of them are read, so that instants keep their order.
    """

    start: float
    end: float
    left: float
    right: float
    offset: timedelta

    def x(self, days: float) -> float:
        """The place of a time; one outside the scale lies on its edge."""
        share = (days - self.start) / (self.end - self.start)
        return self.left + (self.right - self.left) * min(max(share, 0.0), 1.0)

    def at(self, when: Moment) -> float:
        """The place of the middle of a moment."""
        return self.x(place(when, self.offset).middle)

    def ticks(self) -> list[tuple[float, str]]:
        """Places with the hour, day, month or year written beside them: the finest of which there is room for."""
        span = self.end - self.start
        made = (make(self.start, self.end) for days, make in _TICKS if span / days <= _MOST_TICKS)
        found = next((ticks for ticks in made if len(ticks) <= _MOST_TICKS), [])
        return [(self.x(days), words) for days, words in found]


def place(when: Moment, offset: timedelta) -> Place:
    """A day without a time lies at its noon, a month or year in its middle."""
    if when.instant:
        days = (when.instant - _EPOCH + offset) / timedelta(days=1)
        return Place(days, days, days)
    first, last = (day.toordinal() - _EPOCH_DAY for day in (when.first, when.last))
    middle = (first + last + 1) / 2
    return Place(middle, middle, middle) if first == last else Place(first, middle, last + 1)


def time_scale(moments: Sequence[Moment], left: float, right: float) -> TimeScale:
    """A scale that holds ``moments``, one at least, all read in the offset of the last one that has any."""
    offsets = (m.instant.utcoffset() for m in reversed(moments) if m.instant)
    offset = next(offsets, None) or timedelta(0)
    places = [place(moment, offset) for moment in moments]
    start, end = min(p.first for p in places), max(p.last for p in places)
    if end - start < _HOUR:
        start, end = start - _ALONE_PAD, end + _ALONE_PAD
    elif end - start <= _A_FEW_DAYS:
        start, end = math.floor(start), math.floor(end) + 1
    else:
        pad = (end - start) * _PAD
        start, end = start - pad, end + pad
    return TimeScale(start, end, left, right, offset)


def _day(number: float) -> date:
    return date.fromordinal(math.floor(number) + _EPOCH_DAY)


_Ticks = Callable[[float, float], list[tuple[float, str]]]


def _hours(every: int) -> _Ticks:
    def make(start: float, end: float) -> list[tuple[float, str]]:
        hours = range(math.ceil(start * 24 / every) * every, math.floor(end * 24) + 1, every)
        return [(h / 24, f"{h % 24:02}:00" if h % 24 else _day(h / 24).isoformat()) for h in hours]

    return make


def _days(every: int) -> _Ticks:
    def make(start: float, end: float) -> list[tuple[float, str]]:
        days = range(math.ceil(start / every) * every, math.floor(end) + 1, every)
        return [(float(day), _day(day).isoformat()) for day in days]

    return make


def _months(every: int) -> _Ticks:
    """Every so many months, from January on; whole years are named by their number alone."""
    length = len("2026") if every % _MONTHS == 0 else len("2026-03")

    def make(start: float, end: float) -> list[tuple[float, str]]:
        first, last = _day(start), _day(end)
        months = range(first.year * _MONTHS // every * every, last.year * _MONTHS + last.month, every)
        firsts = [date(month // _MONTHS, month % _MONTHS + 1, 1) for month in months]
        ticks = [(float(day.toordinal() - _EPOCH_DAY), day.isoformat()[:length]) for day in firsts]
        return [(days, words) for days, words in ticks if start <= days]

    return make


#: The kinds of ticks from the finest to the coarsest, each with the days from one to the next.
_TICKS: tuple[tuple[float, _Ticks], ...] = (
    *((hours / 24, _hours(hours)) for hours in (1, 2, 3, 6, 12)),
    *((float(days), _days(days)) for days in (1, 2, 7, 14)),
    *((30.0 * months, _months(months)) for months in (1, 2, 3, 6)),
    *((365.0 * years, _months(_MONTHS * years)) for years in (1, 2, 5, 10, 20, 50, 100)),
)


# ------------------------------------------------------------------ text


def width_of(text: str, size: float) -> float:
    """About how wide ``text`` is in a font of ``size``, rather too wide than too narrow."""
    wide = sum(east_asian_width(letter) in "WF" for letter in text)
    return size * (wide * _WIDE_LETTER + (len(text) - wide) * _LETTER)


def cut(text: str, size: float, room: float) -> str:
    """``text`` as far as there is room for it, with an ellipsis where it goes on."""
    if width_of(text, size) <= room:
        return text
    shown = text
    while shown and width_of(f"{shown}…", size) > room:
        shown = shown[:-1]
    return f"{shown.rstrip()}…"


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of the drawing."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: "Box") -> bool:
        """Whether the two have any point in common."""
        across = self.left < other.right and other.left < self.right
        return across and self.top < other.bottom and other.top < self.bottom

    def lies_in(self, other: "Box") -> bool:
        """Whether no part of it lies outside ``other``."""
        across = other.left <= self.left and self.right <= other.right
        return across and other.top <= self.top and self.bottom <= other.bottom


def along(x1: float, y1: float, x2: float, y2: float) -> list[Box]:
    """Small boxes that cover a straight line."""
    steps = max(math.ceil(math.hypot(x2 - x1, y2 - y1) / _NEAR), 1)
    points = ((x1 + (x2 - x1) * n / steps, y1 + (y2 - y1) * n / steps) for n in range(steps + 1))
    return [Box(x - 1, y - 1, x + 1, y + 1) for x, y in points]


@dataclass(slots=True)
class Room:
    """What is free of an area: labels go where nothing else is, or nowhere."""

    area: Box
    taken: list[Box] = field(default_factory=list)

    def claim(self, candidates: Iterable[Box]) -> Box | None:
        """The first of ``candidates`` that is free, which it then no longer is."""
        free = (b for b in candidates if b.lies_in(self.area) and not any(b.meets(other) for other in self.taken))
        found = next(free, None)
        self.taken += [found] if found else []
        return found


def spread(heights: Sequence[float], gap: float, top: float, bottom: float) -> list[float]:
    """``heights``, in rising order, moved no more than it takes to lie ``gap`` apart between ``top`` and ``bottom``."""
    gap = min(gap, (bottom - top) / max(len(heights), 1))
    moved: list[float] = []
    for height in heights:
        moved.append(max(height, moved[-1] + gap if moved else top))
    limit = bottom
    for n in reversed(range(len(moved))):
        moved[n] = min(moved[n], limit)
        limit = moved[n] - gap
    return moved
