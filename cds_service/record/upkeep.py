"""What an operator does with the store: looks at it, removes what is old, copies it to another database."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Column, ColumnElement, Engine, delete, func, insert, inspect, select

from cds_service.errors import ConfigurationError
from cds_service.record import tables
from cds_service.record.engine import FAILURES, file_of, masked, open_engine, reason
from cds_service.record.schema import REVISION, NotMigrated, revision_of
from cds_service.record.tables import metadata

#: How many rows go in one transaction: nobody who writes waits long for it.
_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Status:
    """What a database holds: its revision (None where it is empty), rows by table, the time of its oldest decision."""

    revision: str | None
    rows: dict[str, int]
    oldest: datetime | None

    def is_overdue(self, days: int, now: datetime) -> bool:
        """Whether anything is older than so many days and one more: purges run once a day."""
        return self.oldest is not None and now - self.oldest > timedelta(days=days + 1)

    @property
    def is_current(self) -> bool:
        """Whether it is at the revision that this version needs."""
        return self.revision == REVISION


@contextmanager
def reaching(url: str) -> Iterator[Engine]:
    """The engine of a database, closed at the end.

    Raises:
        ConfigurationError: it cannot be used; the message names it without its password, and the kind of error.
    """
    engine = open_engine(url)
    try:
        yield engine
    except NotMigrated as error:
        raise ConfigurationError(f"DATABASE_URL={masked(url)}: {error}") from None
    except FAILURES as error:
        raise ConfigurationError(
            f"DATABASE_URL={masked(url)} cannot be used: {reason(error)}; expected a database that this machine "
            "reaches and may write to"
        ) from None
    finally:
        engine.dispose()


def status(engine: Engine) -> Status:
    """What a database holds now. An SQLite file that is not there is not made."""
    path = file_of(engine)
    if path and not path.exists():
        return Status(None, {}, None)
    with engine.connect().execution_options(reads=True) as connection:
        there = set(inspect(connection).get_table_names())
        known = [table for table in metadata.sorted_tables if table.name in there]
        rows = {t.name: connection.scalar(select(func.count()).select_from(t)) or 0 for t in known}
        oldest = connection.scalar(select(func.min(tables.decision.c.at))) if "decision" in rows else None
        return Status(revision_of(connection), rows, oldest)


def purge(engine: Engine, before: datetime, now: datetime) -> dict[str, int]:
    """Removes decisions with their cards, and feedback, from before a time, and tokens that have expired.

    Answers with how many of each.
    """
    _is_current(engine)
    return {
        "decision": _delete(engine, tables.decision.c.id, tables.decision.c.at < before),
        "feedback": _delete(engine, tables.feedback.c.card, tables.feedback.c.received_at < before),
        "seen_token": _delete(engine, tables.seen_token.c.digest, tables.seen_token.c.expires < now),
    }


def empty_log(engine: Engine) -> bool:
    """Has SQLite overwrite what was removed and empty its log; False where somebody who reads kept it from that."""
    if engine.dialect.name != "sqlite":
        return True
    with closing(engine.raw_connection()) as connection:
        busy, _, _ = connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy


def _delete(engine: Engine, key: Column[str], old: ColumnElement[bool]) -> int:
    total = 0
    statement = delete(key.table).where(key.in_(select(key).where(old).limit(_AT_ONCE)), old)
    while True:
        with engine.begin() as connection:
            removed = connection.execute(statement).rowcount
        if not removed:
            return total
        total += removed


def copy(source: Engine, target: Engine) -> dict[str, int]:
    """Copies every row into another, empty database, in one transaction; answers with how many, by table.

    Raises:
        NotMigrated: one of the two is not at the revision of this version.
        ConfigurationError: the target is not empty.
    """
    for engine in (source, target):
        _is_current(engine)
    copied = {}
    with source.connect().execution_options(reads=True) as reading, target.begin() as writing:
        for table in metadata.sorted_tables:
            if writing.scalar(select(func.count()).select_from(table)):
                raise ConfigurationError(f"The target's table {table.name} holds rows; expected an empty database.")
            copied[table.name] = 0
            for rows in reading.execution_options(yield_per=_AT_ONCE).execute(select(table)).mappings().partitions():
                writing.execute(insert(table), [dict(row) for row in rows])
                copied[table.name] += len(rows)
    return copied


def _is_current(engine: Engine) -> None:
    found = status(engine).revision
    if found != REVISION:
        raise NotMigrated(found)
