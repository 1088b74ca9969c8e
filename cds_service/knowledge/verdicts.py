"""What results near a B2M say for or against a cause: by their own laboratories' limits, or by being found at all."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

from cds_service.facts import Facts, Moment, ReferenceRange, Result
from cds_service.knowledge import context, terms


class Side(Enum):
    """Where a result has to lie to speak for a cause: above or below its range, outside it, or above none."""

    HIGH = "high"
    LOW = "low"
    EITHER = "either"
    FOUND = "found"


@dataclass(frozen=True, slots=True)
class Companion:
    """The analytes that stand for one test, the best first and the plainest last, and the side that speaks for a cause.

    ``asked``: whether it is worth saying that there is none.
    """

    analytes: tuple[str, ...]
    side: Side
    asked: bool = True

    @property
    def key(self) -> str:
        """The analyte by which it is named."""
        return self.analytes[-1]


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a result lies, and whether that speaks for the cause; None: neither for nor against."""

    words: str
    speaks_for: bool | None


@dataclass(frozen=True, slots=True)
class Judged:
    """A test, the final result of it nearest to the B2M (None: none near enough), and what that says."""

    companion: Companion
    result: Result | None
    verdict: Verdict

    @property
    def speaks_for(self) -> bool:
        """Whether there is a result that speaks for the cause."""
        return self.verdict.speaks_for is True

    def in_words(self) -> str:
        """The result: "M-protein 41 g/L", "" where there is none."""
        return f"{terms.analytes()[self.result.analyte].short} {self.result.quantity}" if self.result else ""

    def with_side(self) -> str:
        """The result and how it lies: "calcium 2.9 mmol/L (high)"; what is found at all needs no such word."""
        return self.in_words() if self.companion.side is Side.FOUND else f"{self.in_words()} ({self.verdict.words})"

    def with_verdict(self) -> str:
        """The result and what it says: "calcium 2.9 mmol/L (high, for)"."""
        said = {True: ", for", False: ", against", None: ""}[self.verdict.speaks_for]
        return f"{self.in_words()} ({self.verdict.words}{said})"

    def with_distance(self, when: Moment) -> str:
        """The result, how far it lies from ``when``, and its side where it is known: "CRP 12 mg/L (same day), high"."""
        side = f", {self.verdict.words}" if self.verdict.speaks_for is not None else ""
        return f"{context.in_words((self.result,), when)}{side}" if self.result else ""


def near(facts: Facts, b2m: Result, within_days: Decimal, companions: Iterable[Companion]) -> tuple[Judged, ...]:
    """Each test with its result nearest to the B2M, none further off than ``within_days``."""
    found = ((c, next(iter(context.beside(facts, b2m.when, within_days, *c.analytes)), None)) for c in companions)
    return tuple(Judged(one, result, _of(result, one.side)) for one, result in found)


#: What is high in inflammation, and often in infection.
CRP, ESR, FERRITIN = (Companion((key,), Side.HIGH) for key in ("crp", "esr", "ferritin"))

_OPEN = Verdict("open", None)
_NO_LIMIT = Verdict("no limit given", None)


def _of(result: Result | None, side: Side) -> Verdict:
    """By the result's own range; one without the limit that matters has no verdict."""
    if result is None:
        return _OPEN
    if side is Side.FOUND:
        found = result.central.is_above(Decimal(0))
        return _OPEN if found is None else Verdict("present" if found else "none found", found)
    given = result.reference_range
    limits = {Side.HIGH: given and given.high, Side.LOW: given and given.low}
    asked = (Side.HIGH, Side.LOW) if side is Side.EITHER else (side,)
    beyond = {s: _is_beyond(result, given, s) for s in asked if given and limits[s] is not None}
    if not beyond:
        return _NO_LIMIT
    if True in beyond.values():
        return Verdict(next(s.value for s, is_so in beyond.items() if is_so), True)
    if None in beyond.values() or len(beyond) < len(asked):
        return _OPEN
    return Verdict("within its range" if side is Side.EITHER else f"not {side.value}", False)


def _is_beyond(result: Result, given: ReferenceRange, side: Side) -> bool | None:
    if side is Side.HIGH or given.low is None:
        return given.is_exceeded_by(result.central)
    return result.central.is_below(given.low)
