"""Which databases are taken, and what their errors may say."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from cds_service.errors import ConfigurationError
from cds_service.record import engine as module
from cds_service.record.engine import file_of, masked, open_engine, reason


@pytest.mark.parametrize("url", ["oracle://u:SECRET@h/d", "postgresql+psycopg2://u:SECRET@h/d", "SECRET", ""])
def test_other_databases_are_refused_without_their_password(url: str) -> None:
    with pytest.raises(ConfigurationError, match="expected sqlite:///file or postgresql") as caught:
        open_engine(url)
    assert "SECRET" not in str(caught.value)
    assert "SECRET" not in masked(url)


def test_what_may_hold_a_password_is_not_shown() -> None:
    url = "postgresql://u:SECRET@h/d?password=SECRET&passfile=/SECRET&sslpassword=SECRET&sslmode=require&host=a&host=b"
    assert (
        masked(url) == "postgresql://u:***@h/d?host=a&host=b&passfile=***&password=***&sslmode=require&sslpassword=***"
    )


def test_postgresql_needs_its_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*_: Any, **__: Any) -> None:
        raise ModuleNotFoundError

    monkeypatch.setattr(module, "create_engine", absent)
    with pytest.raises(ConfigurationError, match=r"b2m-cds-service\[postgresql\]"):
        open_engine("postgresql://h/d")


def test_the_reason_of_an_error_is_its_kind_and_never_its_text() -> None:
    inner = sqlite3.OperationalError("SECRET")
    assert reason(OperationalError("INSERT SECRET", {"x": "SECRET"}, inner)) == "OperationalError"
    inner.sqlite_errorname = "SQLITE_BUSY"
    assert reason(OperationalError("INSERT", None, inner)) == "OperationalError SQLITE_BUSY"
    assert reason(OSError("SECRET")) == "OSError"


def test_a_database_in_memory_has_no_file(tmp_path: Path) -> None:
    for url in ("sqlite://", "sqlite:///:memory:"):
        engine = open_engine(url)
        assert file_of(engine) is None
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE kept (x)"))
        with engine.connect() as connection:
            assert connection.execute(text("SELECT * FROM kept")).all() == []
        engine.dispose()
    assert file_of(open_engine(f"sqlite:///{tmp_path}/x")) == tmp_path / "x"


def test_sqlite_is_set_to_lose_nothing(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/x", patience_seconds=0.25)
    expected = {"journal_mode": "wal", "synchronous": 2, "busy_timeout": 250, "foreign_keys": 1, "secure_delete": 1}
    with engine.connect().execution_options(reads=True) as connection:
        found = {name: connection.execute(text(f"PRAGMA {name}")).scalar() for name in expected}
    engine.dispose()
    assert found == expected


def test_a_file_that_was_replaced_is_noticed(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/x")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE kept (x)"))
    (tmp_path / "x").rename(tmp_path / "away")
    with pytest.raises(OperationalError), engine.begin() as connection:
        connection.execute(text("INSERT INTO kept VALUES (1)"))
    engine.dispose()
