"""Numbers and dates that may stand for more than one: intervals, and moments no more precise than they were printed."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

_LEGIBLE_DIGITS = 7
_SHOWN_DIGITS = 3
_COLLECTED_WITHIN = timedelta(days=2)


def legible(number: Decimal) -> str:
    """A number for reading, never for comparing: as it is, or to seven significant digits where it has more."""
    shown = f"{number:f}"
    if len(shown) <= _LEGIBLE_DIGITS or len(number.as_tuple().digits) <= _LEGIBLE_DIGITS:
        return shown
    return f"{number.quantize(Decimal((0, (1,), number.adjusted() - _LEGIBLE_DIGITS + 1))).normalize():f}"


def to_digits(converted: Decimal, printed: Decimal) -> str:
    """``converted`` for reading, with the significant digits of ``printed``, at least three."""
    if converted.is_zero():
        return "0"
    digits = max(len(printed.as_tuple().digits), _SHOWN_DIGITS)
    return legible(converted.quantize(Decimal((0, (1,), converted.adjusted() - digits + 1))))


@dataclass(frozen=True, slots=True)
class Interval:
    """A range of numbers that a result may stand for; a plain value has both ends equal.

    ``None`` as an end is unbounded. Comparisons answer True or False only where the whole interval agrees, else None.
    """

    low: Decimal | None
    high: Decimal | None
    low_open: bool = False
    high_open: bool = False

    @classmethod
    def exactly(cls, value: Decimal) -> "Interval":
        """The interval that holds ``value`` alone."""
        return cls(value, value)

    def is_below(self, limit: Decimal) -> bool | None:
        """Whether every value is < ``limit``; None where some are and some are not."""
        if self.high is not None and (self.high < limit or (self.high == limit and self.high_open)):
            return True
        if self.low is not None and self.low >= limit:
            return False
        return None

    def is_above(self, limit: Decimal) -> bool | None:
        """Whether every value is > ``limit``; None where some are and some are not."""
        if self.low is not None and (self.low > limit or (self.low == limit and self.low_open)):
            return True
        if self.high is not None and self.high <= limit:
            return False
        return None


@dataclass(frozen=True, slots=True)
class Moment:
    """A FHIR date or dateTime, no more precise than it was printed.

    ``first`` and ``last`` are the days it may stand for, in its own offset. ``instant`` is set only where the text
    gives a time and a zone: no time zone is ever invented. ``issued``: when the result was issued, for want of when
    the sample was taken.
    """

    printed: str
    first: date
    last: date
    instant: datetime | None = None
    issued: bool = False

    @classmethod
    def at(cls, instant: datetime) -> "Moment":
        """The moment of an instant, which has a zone."""
        return cls(instant.isoformat(), instant.date(), instant.date(), instant)

    @property
    def is_precise(self) -> bool:
        """Whether the text names a day or a collection of up to two days, and not only a month or a year."""
        return self.last - self.first <= _COLLECTED_WITHIN

    def days_until(self, other: "Moment") -> int:
        """Calendar days between this and ``other``: the most that the two texts allow.

        Two instants are compared in this one's offset, so that one instant in two offsets is no day apart.
        """
        if self.instant and other.instant:
            return abs((other.instant.astimezone(self.instant.tzinfo).date() - self.last).days)
        return max(abs((other.last - self.first).days), abs((self.last - other.first).days))

    def days_old(self, as_of: datetime) -> int:
        """Whole calendar days from the last day this may stand for to ``as_of``, seen in this moment's own offset."""
        today = as_of.astimezone(self.instant.tzinfo).date() if self.instant else as_of.date()
        return max((today - self.last).days, 0)

    def distance(self, other: "Moment") -> tuple[int, timedelta]:
        """Orders moments by how near they lie to ``other``: by calendar days, then by time where both have one."""
        apart = abs(self.instant - other.instant) if self.instant and other.instant else timedelta(0)
        return self.days_until(other), apart

    def is_after(self, as_of: datetime, tolerance: timedelta) -> bool:
        """Whether this lies after ``as_of`` in every time zone, clocks allowed to differ by ``tolerance``."""
        if self.instant:
            return self.instant > as_of + tolerance
        furthest_east = timedelta(hours=14)
        return self.first > (as_of.astimezone(UTC) + furthest_east).date()

    def sort_key(self) -> datetime:
        """Orders moments in time; one without a time of day stands for noon of its last day, UTC."""
        return self.instant or datetime.combine(self.last, time(12), UTC)
