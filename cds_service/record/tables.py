"""The tables of the store. docs/record.md describes each field; ``migrations`` makes them."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, Column, DateTime, Dialect, Float, ForeignKey, Index, MetaData, String, Table, Text
from sqlalchemy.types import TypeDecorator

#: The longest pseudonym: a key's id, a colon, 64 hexadecimal digits.
_PSEUDONYM = String(100)
_UUID = String(36)
_NAME = String(128)


class UtcTime(TypeDecorator[datetime]):
    """A moment, with its zone; SQLite keeps none, so that all are kept in UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """The moment in UTC."""
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """The moment with its zone."""
        if not isinstance(value, datetime):
            return None
        return value if value.tzinfo else value.replace(tzinfo=UTC)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s",
    }
)

decision = Table(
    "decision",
    metadata,
    Column("id", _UUID, primary_key=True),
    Column("at", UtcTime, nullable=False),
    Column("service", _NAME, nullable=False),
    Column("hook", _NAME, nullable=False),
    Column("client", _NAME, nullable=False),
    Column("patient_pseudonym", _PSEUDONYM),
    Column("user_pseudonym", _PSEUDONYM),
    Column("instance_pseudonym", _PSEUDONYM),
    Column("knowledge", _NAME, nullable=False),
    Column("read", JSON, nullable=False),
    Column("found", JSON, nullable=False),
    Column("missing", JSON, nullable=False),
    Column("failures", JSON, nullable=False),
    Column("silent", JSON, nullable=False),
    Column("held", JSON, nullable=False),
    Column("timings", JSON, nullable=False),
    Column("took_ms", Float, nullable=False),
    Index(None, "at"),
    Index(None, "patient_pseudonym", "at"),
)

card = Table(
    "card",
    metadata,
    Column("uuid", _UUID, primary_key=True),
    Column("decision", _UUID, ForeignKey("decision.id", ondelete="CASCADE"), nullable=False),
    Column("indicator", _NAME, nullable=False),
    Column("result_pseudonym", _PSEUDONYM),
    Column("said_pseudonym", _PSEUDONYM),
    Index(None, "decision"),
    Index(None, "said_pseudonym"),
)

card_rule = Table(
    "card_rule",
    metadata,
    Column("card", _UUID, ForeignKey("card.uuid", ondelete="CASCADE"), primary_key=True),
    Column("rule", _NAME, primary_key=True),
    Column("finding", _NAME, primary_key=True),
    Column("version", _NAME, nullable=False),
)

feedback = Table(
    "feedback",
    metadata,
    Column("card", _UUID, primary_key=True),
    Column("outcome", _NAME, primary_key=True),
    Column("outcome_at", UtcTime, primary_key=True),
    Column("digest", String(64), primary_key=True),
    Column("received_at", UtcTime, nullable=False),
    Column("service", _NAME, nullable=False),
    Column("client", _NAME, nullable=False),
    Column("accepted_suggestions", JSON, nullable=False),
    Column("reason_system", String(256)),
    Column("reason_code", _NAME),
    Column("comment", Text),
    Index(None, "received_at"),
)

#: What the site has set of modes and thresholds, as it was noticed; ``value`` is "" where the entry was taken away.
site_change = Table(
    "site_change",
    metadata,
    Column("id", _UUID, primary_key=True),
    Column("at", UtcTime, nullable=False),
    Column("what", _NAME, nullable=False),
    Column("value", _NAME, nullable=False),
    Column("reason", Text, nullable=False),
    Index(None, "at"),
)

seen_token = Table(
    "seen_token",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("expires", UtcTime, nullable=False),
    Index(None, "expires"),
)
