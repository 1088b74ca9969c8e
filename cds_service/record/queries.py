"""What is asked of the store in a transaction that is open."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from sqlalchemy import Connection, Select, Subquery, func, insert, select, text

from cds_service.record import tables
from cds_service.rules_in_force import Change

#: Any number but the one of migrations: PostgreSQL lets one worker at a time note changes.
_LOCK = 5_291_953


@dataclass(frozen=True, slots=True)
class LastShown:
    """When a saying was last sent to a user; whether they have reacted to that card; why they set it aside, if so."""

    said: str
    at: datetime
    answered: bool
    reason_system: str | None = None
    reason_code: str | None = None


def last_shown(
    connection: Connection, users: Sequence[str], said: Sequence[str], instances: Sequence[str]
) -> list[LastShown]:
    """The last time of each of the sayings that was sent to one of these pseudonyms of a user.

    What was sent in one of the ``instances`` does not count: a call that is sent again got no answer the first time.
    """
    card, decision = tables.card, tables.decision
    reaction = last_reactions(select(card.c.uuid).where(card.c.said_pseudonym.in_(said)))
    asked = (
        select(
            card.c.said_pseudonym, decision.c.at, reaction.c.outcome, reaction.c.reason_system, reaction.c.reason_code
        )
        .join(decision, card.c.decision == decision.c.id)
        .outerjoin(reaction, (reaction.c.card == card.c.uuid) & (reaction.c.client == decision.c.client))
        .where(card.c.said_pseudonym.in_(said), decision.c.user_pseudonym.in_(users))
        .where(decision.c.instance_pseudonym.is_(None) | decision.c.instance_pseudonym.not_in(instances))
        .order_by(decision.c.at)
    )
    newest = {row.said_pseudonym: row for row in connection.execute(asked)}
    return [
        LastShown(name, row.at, row.outcome is not None, row.reason_system, row.reason_code)
        for name, row in newest.items()
    ]


def last_reactions(cards: Select[tuple[str]] | None = None) -> Subquery:
    """Of each of these cards, of all without, the reaction of each client that came last."""
    feedback = tables.feedback
    place = func.row_number().over(
        partition_by=(feedback.c.card, feedback.c.client),
        order_by=(feedback.c.received_at.desc(), feedback.c.outcome_at.desc()),
    )
    asked = select(feedback, place.label("place"))
    ranked = (asked if cards is None else asked.where(feedback.c.card.in_(cards))).subquery()
    return select(ranked).where(ranked.c.place == 1).subquery()


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
