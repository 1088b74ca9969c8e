"""What became of the cards: shown, accepted, set aside, unanswered, by rule, version and month.

And which rules fire out of their usual range.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import sqrt
from statistics import median
from typing import Any

from sqlalchemy import Connection, func, select

from cds_service.record import tables
from cds_service.record.queries import last_reactions

#: A rate of a month is compared with that of the months before where both rest on so many decisions (service default).
_FEWEST_DECISIONS = 30
#: How many standard errors apart two rates are out of the usual (service default).
_FAR = 3.0
_AT_ONCE = 1000


@dataclass(slots=True)
class Line:
    """One rule in one version and month. ``reasons``: how often it was set aside, by its coded reason, "" for none."""

    rule: str
    version: str
    month: str
    shown: int = 0
    accepted: int = 0
    overridden: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)

    @property
    def unanswered(self) -> int:
        """Cards that nobody has reacted to."""
        return self.shown - self.accepted - self.overridden

    @property
    def time_to_answer(self) -> timedelta | None:
        """The median time from a card to the reaction to it."""
        return timedelta(seconds=median(self.seconds)) if self.seconds else None

    @property
    def answered_after(self) -> str:
        """The same in words, "" where nobody has reacted."""
        waited = self.time_to_answer
        if waited is None:
            return ""
        minutes = round(waited.total_seconds() / 60)
        return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"


@dataclass(frozen=True, slots=True)
class Unusual:
    """A rule that found something much more or less often in a month than in the months before it, per decision."""

    rule: str
    month: str
    rate: float
    usual: float


@dataclass(frozen=True, slots=True)
class Report:
    """What became of the cards since a time, and which rules fire out of their usual range.

    ``fired``: by rule and month, in how many of the ``decisions_by_month`` it found something.
    """

    lines: tuple[Line, ...]
    unusual: tuple[Unusual, ...]
    decisions_by_month: Mapping[str, int]
    fired: Mapping[str, Mapping[str, int]]
    unknown_cards: int

    @property
    def decisions(self) -> int:
        """How many there were."""
        return sum(self.decisions_by_month.values())


def report(connection: Connection, since: datetime | None = None, rule: str | None = None) -> Report:
    """The report of a store, of one rule or of all: every card and its last reaction, by the rules that spoke on it."""
    lines: dict[tuple[str, str, str], Line] = {}
    for row in _cards(connection, since, rule):
        key = (row.rule, row.version, f"{row.at:%Y-%m}")
        line = lines.setdefault(key, Line(*key))
        line.shown += 1
        if row.outcome:
            _count(line, row)
    found, decisions = _found_by_month(connection, since)
    if rule is not None:
        found = {rule: found[rule]}
    known = select(tables.card.c.uuid)
    unknown = select(func.count(tables.feedback.c.card.distinct())).where(tables.feedback.c.card.not_in(known))
    return Report(
        lines=tuple(lines[key] for key in sorted(lines)),
        unusual=tuple(_unusual(found, decisions)),
        decisions_by_month=decisions,
        fired=found,
        unknown_cards=connection.scalar(unknown) or 0,
    )


def _count(line: Line, reaction: Any) -> None:
    if reaction.outcome == "accepted":
        line.accepted += 1
    else:
        line.overridden += 1
        line.reasons[reaction.reason_code or ""] += 1
    line.seconds.append(max((reaction.outcome_at - reaction.at).total_seconds(), 0))


def _cards(connection: Connection, since: datetime | None, only: str | None) -> Iterable[Any]:
    """Each card with each rule that spoke on it, and the last reaction of the client that it was sent to."""
    card, decision, rule, reaction = tables.card, tables.decision, tables.card_rule, last_reactions()
    answer = (reaction.c.outcome, reaction.c.outcome_at, reaction.c.reason_code)
    asked = (
        select(card.c.uuid, decision.c.at, rule.c.rule, rule.c.version, *answer)
        .distinct()
        .join(decision, card.c.decision == decision.c.id)
        .join(rule, rule.c.card == card.c.uuid)
        .outerjoin(reaction, (reaction.c.card == card.c.uuid) & (reaction.c.client == decision.c.client))
    )
    asked = asked.where(decision.c.at >= since) if since else asked
    asked = asked.where(rule.c.rule == only) if only else asked
    return connection.execution_options(yield_per=_AT_ONCE).execute(asked)


def _found_by_month(connection: Connection, since: datetime | None) -> tuple[dict[str, Counter[str]], Counter[str]]:
    """By rule, in how many decisions of a month it found something; and the decisions of each month."""
    asked = select(tables.decision.c.at, tables.decision.c.found)
    asked = asked.where(tables.decision.c.at >= since) if since else asked
    found: dict[str, Counter[str]] = defaultdict(Counter)
    decisions: Counter[str] = Counter()
    for row in connection.execution_options(yield_per=_AT_ONCE).execute(asked):
        month = f"{row.at:%Y-%m}"
        decisions[month] += 1
        for rule in {entry[0] for entry in row.found}:
            found[rule][month] += 1
    return found, decisions


def _unusual(found: dict[str, Counter[str]], decisions: Counter[str]) -> Iterator[Unusual]:
    """Rules whose rate in a month lies three standard errors and more from that of all months before."""
    months = sorted(decisions)
    for rule, counts in sorted(found.items()):
        for place, month in enumerate(months):
            before = sum(decisions[earlier] for earlier in months[:place])
            if min(before, decisions[month]) < _FEWEST_DECISIONS:
                continue
            usual = sum(counts[earlier] for earlier in months[:place]) / before
            rate = counts[month] / decisions[month]
            pooled = (usual * before + rate * decisions[month]) / (before + decisions[month])
            error = sqrt(pooled * (1 - pooled) * (1 / before + 1 / decisions[month]))
            if error and abs(rate - usual) > _FAR * error:
                yield Unusual(rule, month, rate, usual)
