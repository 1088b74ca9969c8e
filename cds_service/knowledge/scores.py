"""Prognostic indices: what each item may be worth, every total that the data leave possible, the risk groups of those.

An index is never completed by a guess. What is not known counts both ways, and the index is a range of points and a set
of groups. Items are three-valued (yes, no, not known); points are Decimal and come from the rule's own TOML.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from cds_service.facts import CodedResult, Facts, Interval, Moment, Presence, Reason, Result

#: What an item is worth in the indices that count each alike.
ONE_POINT = Decimal(1)
_NO_POINT = Decimal(0)
#: How many totals that follow on one another are listed one by one beside others: "0, 1, 4 or 5".
_LISTED = 2
_NOT_A_RESULT = (Reason.ENTERED_IN_ERROR, Reason.STATUS)


# ------------------------------------------------------------------ points, totals, groups


@dataclass(frozen=True, slots=True)
class Item:
    """One item of an index: its name for reading, every number of points it may give, the results it rests on.

    ``results`` are numbers, ``coded`` are codes.
    """

    name: str
    points: frozenset[Decimal]
    results: tuple[Result, ...] = ()
    coded: tuple[CodedResult, ...] = ()

    @property
    def is_known(self) -> bool:
        """Whether the data leave one number of points only."""
        return len(self.points) == 1


@dataclass(frozen=True, slots=True)
class Stated:
    """What coded results say of an item, None where they do not tell, and the results that count."""

    holds: bool | None
    coded: tuple[CodedResult, ...] = ()


def yes_or_no(name: str, holds: bool | None, worth: Decimal = ONE_POINT, results: tuple[Result, ...] = ()) -> Item:
    """An item that gives ``worth`` points or none; both are possible where ``holds`` is None."""
    given = {True: {worth}, False: {_NO_POINT}, None: {_NO_POINT, worth}}[holds]
    return Item(name, frozenset(given), results)


def of_codes(item: Item, *said: Stated) -> Item:
    """The item with the coded results that it rests on, where they leave one number of points."""
    return replace(item, coded=tuple(c for one in said for c in one.coded)) if item.is_known else item


def graded(name: str, *reached: bool | None) -> Item:
    """An item that gives one point for each step that is reached, the lowest step first.

    A step implies those below it. Steps that contradict one another leave every number of points possible.
    """
    lowest = max((place for place, step in enumerate(reached, 1) if step), default=0)
    highest = next((place for place, step in enumerate(reached) if step is False), len(reached))
    if lowest > highest:
        lowest, highest = 0, len(reached)
    return Item(name, frozenset(Decimal(points) for points in range(lowest, highest + 1)))


def totals(items: Iterable[Item]) -> frozenset[Decimal]:
    """Every total over all completions of what is not known."""
    sums = frozenset({_NO_POINT})
    for item in items:
        sums = frozenset(total + points for total in sums for points in item.points)
    return sums


def groups(sums: Iterable[Decimal], limits: Sequence[Decimal], lowest: int = 0) -> frozenset[int]:
    """The risk groups of ``sums``, from 0: each of ``limits`` that a total reaches lifts it by one group.

    ``lowest`` is the group below which none of these totals can come.
    """
    return frozenset(max(sum(total >= limit for limit in limits), lowest) for total in sums)


def span(sums: Iterable[Decimal]) -> str:
    """Whole totals in words: "4", "0 to 3" where each between is possible, "0 or 4" where none is."""
    runs: list[list[Decimal]] = []
    for total in sorted(set(sums)):
        if runs and total - runs[-1][-1] == ONE_POINT:
            runs[-1].append(total)
        else:
            runs.append([total])
    few = _LISTED if len(runs) > 1 else 1
    return one_of([words for run in runs for words in _run(run, few)])


def _run(run: Sequence[Decimal], few: int) -> list[str]:
    """Totals that follow on one another: each by itself if they are no more than ``few``, else from first to last."""
    return [f"{total:f}" for total in run] if len(run) <= few else [f"{run[0]:f} to {run[-1]:f}"]


def one_of(names: Sequence[str]) -> str:
    """Alternatives in words: "low", "low or high", "low, intermediate or high"."""
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last


# ------------------------------------------------------------------ three-valued answers


def any_of(answers: Collection[bool | None]) -> bool | None:
    """Whether at least one holds; None where none is known to hold and not all are known."""
    if True in answers:
        return True
    return None if None in answers else False


def agreed(answers: Iterable[bool | None]) -> bool | None:
    """What all of them say; None where they differ, or there are none."""
    said = set(answers)
    return said.pop() if len(said) == 1 else None


def negated(answer: bool | None) -> bool | None:
    """The opposite of an answer; what is not known stays so."""
    return None if answer is None else not answer


# ------------------------------------------------------------------ what the chart says of an item


def age(facts: Facts, when: Moment) -> Interval:
    """The patient's age in completed years on ``when``, as far as the birth date tells; unbounded where it does not."""
    known = facts.patient.age_on(when)
    return Interval(Decimal(known[0]), Decimal(known[1])) if known else Interval(None, None)


def above_own_limit(result: Result) -> bool | None:
    """Whether a result exceeds the upper limit that came with it; None where none did. No default ever stands in."""
    return result.reference_range.is_exceeded_by(result.central) if result.reference_range else None


def beside(facts: Facts, analyte: str, when: Moment, days: Decimal, until: Moment | None = None) -> tuple[Result, ...]:
    """All final results of ``analyte`` of the one day that lies nearest to ``when``, no further off than ``days``.

    ``until``: from when on they no longer count, treatment having begun.
    """
    near = [r for r in facts.within((analyte,), when, days) if is_before(r.when, until)]
    return tuple(r for r in near if r.when.last == near[0].when.last)


def is_before(when: Moment | None, until: Moment | None) -> bool:
    """Whether ``when`` lies on a day before ``until``, as far as both are known."""
    return when is None or until is None or when.last < until.first


def stated(
    facts: Facts,
    item: str,
    when: Moment,
    days: Decimal | None = None,
    *,
    lasting: bool = False,
    until: Moment | None = None,
) -> Stated:
    """What the final coded results of ``item`` say, none further than ``days`` from ``when`` (None: of any time).

    ``lasting``: once present it stays, so that an earlier answer of that kind counts as well. ``until``: from when on
    they no longer count. None where they contradict one another, where one is unclear or could not be read and none
    says present, or where there is none.
    """
    final = [c for c in facts.coded if c.item == item and not c.provisional and is_before(c.when, until)]
    near = [c for c in final if days is None or (c.when and c.when.days_until(when) <= days)]
    earlier = [c for c in final if lasting and (c.when is None or c.when.first <= when.last)]
    counting = tuple(dict.fromkeys([*near, *(c for c in earlier if c.presence is Presence.PRESENT)]))
    found = {c.presence for c in counting}
    if Presence.PRESENT in found:
        return Stated(None if Presence.ABSENT in found else True, counting)
    unread = any(m.item == item and m.reason not in _NOT_A_RESULT for m in facts.missing)
    return Stated(False if found == {Presence.ABSENT} and not unread else None, counting)


def long_before(facts: Facts, item: str, when: Moment, days: Decimal, until: Moment | None) -> CodedResult | None:
    """The newest final answer to ``item`` where all of them lie further than ``days`` before ``when``.

    ``until``: from when on they no longer count. None where there is none, or one is near.
    """
    dated = [
        (c.when, c)
        for c in facts.coded
        if c.item == item and c.when and c.presence is not Presence.UNCLEAR and not c.provisional
    ]
    counting = [(day, c) for day, c in dated if is_before(day, until)]
    if any(day.days_until(when) <= days for day, _ in counting):
        return None
    before = [(day.last, c) for day, c in counting if day.first <= when.last]
    return max(before, key=lambda found: found[0], default=(None, None))[1]


def is_near(result: Result, limit: Decimal, percent: Decimal) -> bool:
    """Whether a plain value, clearly on one side of ``limit``, lies no further from it than ``percent`` of it."""
    on_it = result.interval.is_above(limit) is None
    return not (result.comparator or on_it) and abs(result.value - limit) <= limit * percent / 100
