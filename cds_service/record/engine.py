"""The connection to the database, SQLite or PostgreSQL, and what its errors may say."""

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, QueuePool, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError, SQLAlchemyError

from cds_service.errors import ConfigurationError

#: How long a call waits for a lock or an answer, in seconds. Four workers that write without pause wait up to two.
PATIENCE_SECONDS = 5.0
#: What a database that is down, locked or not as expected raises; SQLite's own come from ``_configure``.
FAILURES = (SQLAlchemyError, sqlite3.Error, OSError)
#: What may be shown of the part of a URL behind its question mark; a password may stand under any other name.
_HARMLESS = frozenset(
    {"host", "port", "dbname", "user", "sslmode", "connect_timeout", "target_session_attrs", "timeout"}
)
_EXPECTED = "expected sqlite:///file or postgresql+psycopg://user:password@host/database"


def open_engine(url: str, patience_seconds: float = PATIENCE_SECONDS) -> Engine:
    """The engine of a database URL; nothing is connected yet.

    Raises:
        ConfigurationError: the URL is not one of SQLite or PostgreSQL.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise ConfigurationError(f"DATABASE_URL is no database URL; {_EXPECTED}") from None
    if parsed.drivername in ("sqlite", "sqlite+pysqlite"):
        return _sqlite(parsed, patience_seconds)
    if parsed.drivername in ("postgresql", "postgresql+psycopg"):
        return _postgresql(parsed.set(drivername="postgresql+psycopg"), patience_seconds)
    raise ConfigurationError(f"DATABASE_URL={masked(url)}: {_EXPECTED}")


def masked(url: str) -> str:
    """A database URL for reading, without its password or what may hold one; what is no URL is not shown."""
    try:
        parsed = make_url(url)
        query = {name: value if name in _HARMLESS else "***" for name, value in parsed.query.items()}
        return parsed.set(query=query).render_as_string(hide_password=True).replace("%2A%2A%2A", "***")
    except (ArgumentError, ValueError):
        return "***"


def reason(error: BaseException) -> str:
    """The kind of a database error: never its text, which may hold values."""
    origin = error.orig if isinstance(error, DBAPIError) and error.orig else error
    code = getattr(origin, "sqlite_errorname", None) or getattr(origin, "sqlstate", None)
    return f"{type(origin).__name__}{f' {code}' if code else ''}"


def file_of(engine: Engine) -> Path | None:
    """The SQLite file behind an engine; None for one in memory and for PostgreSQL."""
    name = engine.url.database
    return Path(name) if engine.dialect.name == "sqlite" and name and name != ":memory:" else None


def _sqlite(url: URL, patience_seconds: float) -> Engine:
    """A database in memory has one connection, which its users take in turns."""
    pool: dict[str, Any] = {"poolclass": QueuePool, "pool_timeout": patience_seconds}
    if url.database in (None, "", ":memory:"):
        pool |= {"pool_size": 1, "max_overflow": 0}
    engine = create_engine(url, hide_parameters=True, connect_args={"check_same_thread": False}, **pool)
    path = file_of(engine)
    event.listen(engine, "do_connect", _readable_by_nobody_else(path))
    event.listen(engine, "connect", _configure(path, round(patience_seconds * 1000)))
    event.listen(engine, "checkout", _is_still_the_file(path))
    event.listen(engine, "begin", _begin)
    return engine


def _readable_by_nobody_else(path: Path | None) -> Callable[..., None]:
    """A new file is made for its owner alone; SQLite gives its log the same rights."""

    def make(*_: Any) -> None:
        if path and not path.exists():
            os.close(os.open(path, os.O_CREAT, 0o600))

    return make


def _configure(path: Path | None, patience_ms: int) -> Callable[[Any, Any], None]:
    def configure(connection: Any, record: Any) -> None:
        connection.isolation_level = None  # transactions begin where _begin says
        for pragma in (
            f"busy_timeout = {patience_ms}",
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            "secure_delete = ON",  # what retention removes is overwritten, once the log is emptied into the file
        ):
            connection.execute(f"PRAGMA {pragma}")
        record.info["file"] = _identity(path)

    return configure


def _is_still_the_file(path: Path | None) -> Callable[[Any, Any, Any], None]:
    """A file that was moved or deleted would still take writes, and lose them."""

    def check(connection: Any, record: Any, proxy: Any) -> None:
        if record.info["file"] != _identity(path):
            raise DisconnectionError

    return check


def _identity(path: Path | None) -> tuple[int, int] | None:
    try:
        found = os.stat(path) if path else None
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if found else None


def _begin(connection: Connection) -> None:
    """A transaction that may write takes its lock at once: one that took it later could not wait for it."""
    reads = connection.get_execution_options().get("reads", False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _postgresql(url: URL, patience_seconds: float) -> Engine:
    """A server that does not answer, is restarted or gone is noticed within the patience."""
    limits = {
        "connect_timeout": max(2, round(patience_seconds)),
        "options": f"-c statement_timeout={round(patience_seconds * 1000)}",
        "tcp_user_timeout": round(patience_seconds * 1000),
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 2,
    }
    try:
        return create_engine(
            url, hide_parameters=True, connect_args=limits, pool_pre_ping=True, pool_timeout=patience_seconds
        )
    except ModuleNotFoundError:
        raise ConfigurationError(
            "DATABASE_URL names PostgreSQL; expected the extra: b2m-cds-service[postgresql]"
        ) from None
