"""What is asked of the store in a transaction that is open."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from sqlalchemy import Connection, func, insert, select, text

from cds_service.record import tables
from cds_service.rules_in_force import Change

#: Any number but the one of migrations: PostgreSQL lets one worker at a time note changes.
_LOCK = 5_291_953


@dataclass(frozen=True, slots=True)
class LastShown:
    """When a saying was last shown to a user; why it was set aside, if it was; whether anybody has reacted to it."""

    said: str
    at: datetime
    answered: bool
    reason_system: str | None = None
    reason_code: str | None = None


def last_shown(connection: Connection, users: Sequence[str], said: Sequence[str]) -> list[LastShown]:
    """The last time of each of the sayings that was shown to one of these pseudonyms of a user."""
    card, decision, feedback = tables.card, tables.decision, tables.feedback
    asked = card.c.said_pseudonym.in_(said)
    shown = (
        select(card.c.said_pseudonym, card.c.uuid, decision.c.at)
        .join(decision, card.c.decision == decision.c.id)
        .where(asked, decision.c.user_pseudonym.in_(users))
        .order_by(decision.c.at)
    )
    newest = {row.said_pseudonym: row for row in connection.execute(shown)}
    reactions = (
        select(card.c.said_pseudonym, card.c.uuid, feedback.c.reason_system, feedback.c.reason_code)
        .join(feedback, feedback.c.card == card.c.uuid)
        .where(asked)
        .order_by(feedback.c.outcome_at)
    )
    answered, last = set(), {}
    for row in connection.execute(reactions):
        answered.add(row.said_pseudonym)
        last[row.uuid] = (row.reason_system, row.reason_code)
    return [
        LastShown(name, row.at, name in answered, *last.get(row.uuid, (None, None))) for name, row in newest.items()
    ]


def note_site_changes(connection: Connection, changes: Sequence[Change], at: datetime) -> None:
    """Notes what has changed since what was noted last; several workers that notice it note it once."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    noted = tables.site_change
    newest = select(noted.c.what, func.max(noted.c.at).label("at")).group_by(noted.c.what).subquery()
    rows = connection.execute(select(noted).join(newest, (noted.c.what == newest.c.what) & (noted.c.at == newest.c.at)))
    before = {row.what: Change(row.what, row.value, row.reason) for row in rows}
    now = {change.what: change for change in changes}
    gone = [Change(what, "", "") for what, change in before.items() if change.to and what not in now]
    for change in (*[change for change in changes if before.get(change.what) != change], *gone):
        row = {"id": str(uuid4()), "at": at, "what": change.what, "value": change.to, "reason": change.reason}
        connection.execute(insert(noted), row)
