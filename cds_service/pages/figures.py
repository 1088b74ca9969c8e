"""The feedback report as pages show it: the same that ``cds-service feedback report`` prints."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cds_service.cards.markdown import plain
from cds_service.cards.override_reasons import REASONS
from cds_service.errors import MalformedCall, StoreUnavailable
from cds_service.record.report import Line, Report, report
from cds_service.record.store import Store

_REASONS = {reason.coding.code: reason.coding.display for reason in REASONS}
_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Figures:
    """The report, or None where the store cannot be had."""

    report: Report | None

    @property
    def lines(self) -> tuple[Line, ...]:
        """What became of the cards, by rule, version and month."""
        return self.report.lines if self.report else ()

    def fired(self, rule_id: str) -> list[tuple[str, int, int]]:
        """By month: how many decisions there were, and in how many of them the rule found something."""
        if self.report is None:
            return []
        found = self.report.fired.get(rule_id, {})
        return [(month, count, found.get(month, 0)) for month, count in sorted(self.report.decisions_by_month.items())]


def figures(store: Store, since: datetime | None = None, rule: str | None = None) -> Figures:
    """What the store says now, of one rule or of all."""
    try:
        with store.reading() as connection:
            return Figures(report(connection, since, rule))
    except StoreUnavailable:
        return Figures(None)


def since(text: str) -> datetime | None:
    """The beginning of the month that a form names, None where it names none.

    Raises:
        MalformedCall: it is no month.
    """
    if not text.strip():
        return None
    try:
        return datetime.strptime(text.strip(), "%Y-%m").replace(tzinfo=UTC)
    except ValueError:
        raise MalformedCall("since: expected a month such as 2026-01, or nothing for all.", path="since") from None


def share(part: int, whole: int) -> str:
    """How many of how many, and in percent where there are any."""
    return f"{part} ({part / whole:.0%})" if whole else f"{part}"


def reasons(line: Line) -> list[tuple[str, int]]:
    """Why cards were set aside, in words, the most frequent first; a code that is none of ours is cut."""
    return [
        (_REASONS.get(code, plain(code)[:_SHOWN]) or "no reason given", count)
        for code, count in line.reasons.most_common()
    ]


def filters() -> dict[str, Any]:
    """What templates need of this module, by name."""
    return {"share": share, "reasons": reasons}
