"""The store on a real SQLite and a real PostgreSQL: what is kept, by how many, and what happens while it is down."""

import logging
import multiprocessing
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed, wait
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from click.testing import CliRunner, Result
from sqlalchemy import Table, event, inspect, select, text
from sqlalchemy.engine import make_url

from cds_service.app import create_app
from cds_service.cli.main import cli
from cds_service.config import Settings, SiteProfile
from cds_service.errors import StoreUnavailable
from cds_service.record import tables, upkeep
from cds_service.record.engine import open_engine
from cds_service.record.schema import REVISION, migrate, revision_of
from cds_service.record.store import Store
from cds_service.replay.calls import dump_json
from tests.failure_matrix import row
from tests.functional.run import NOW, RULES
from tests.functional.tokens import BASE, Ehr
from tests.functional.writers import AT, EXPIRES, account, name, told, write
from tests.unit.fhir.make import bundle, call, observation

WORKERS, TIMES = 4, 25
REVIEW = "/cds-services/b2m-result-review"


def rows(url: str, table: Table) -> list[dict[str, Any]]:
    engine = open_engine(url)
    with engine.connect() as connection:
        found = [dict(found) for found in connection.execute(select(table)).mappings()]
    engine.dispose()
    return found


def counted(url: str) -> dict[str, int]:
    with upkeep.reaching(url) as engine:
        return upkeep.status(engine).rows


# ------------------------------------------------------------------ revisions


def test_models_and_migrations_agree(database: str) -> None:
    engine = open_engine(database)
    with engine.connect() as connection:
        assert revision_of(connection) == REVISION
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, tables.metadata) == []
    engine.dispose()


def test_a_migration_can_be_taken_back_and_repeated(database: str) -> None:
    engine = open_engine(database)
    migrate(engine)
    migrate(engine, "base")
    with engine.connect() as connection:
        assert set(inspect(connection).get_table_names()) <= {"alembic_version"}
        assert revision_of(connection) is None
    migrate(engine)
    engine.dispose()
    assert counted(database)["decision"] == 0


def test_a_new_sqlite_file_is_made_once_by_workers_that_start_together(sqlite_url: str) -> None:
    with ProcessPoolExecutor(WORKERS, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert list(pool.map(write, [sqlite_url] * WORKERS, range(WORKERS), [1] * WORKERS)).count((1, {})) == 1
    path = Path(make_url(sqlite_url).database or "")
    assert path.stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(REVISION,)]


def test_an_empty_postgresql_is_left_as_it_is_and_named(postgresql_url: str, caplog: pytest.LogCaptureFixture) -> None:
    store = Store(postgresql_url)
    with pytest.raises(StoreUnavailable):
        store.ping()
    assert "at revision none" in caplog.text
    assert "run `cds-service store migrate`" in caplog.text
    assert counted(postgresql_url) == {}
    store.close()


def test_a_revision_that_this_version_does_not_know_is_left_alone(
    database: str, caplog: pytest.LogCaptureFixture
) -> None:
    engine = open_engine(database)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    store = Store(database)
    with pytest.raises(StoreUnavailable):
        store.ping()
    assert "at revision 9999" in caplog.text
    store.close()
    for asked in ("migrate", "status"):
        assert "a later version made it; run that version again" in command(database, asked).output
    checked = check(database)
    assert (checked.exit_code, "a later version made it" in checked.output) == (1, True)


# ------------------------------------------------------------------ what is kept


def test_four_processes_lose_nothing_and_double_nothing(database: str) -> None:
    with ProcessPoolExecutor(WORKERS, mp_context=multiprocessing.get_context("spawn")) as pool:
        done = list(pool.map(write, [database] * WORKERS, range(WORKERS), [TIMES] * WORKERS))
    own = WORKERS * TIMES
    assert counted(database) == {
        "decision": own,
        "card": own,
        "card_rule": 2 * own,
        "feedback": own + TIMES,
        "site_change": 0,
        "seen_token": own + TIMES,
    }
    assert sum(first for first, _ in done) == TIMES
    assert [lost for _, lost in done] == [{}] * WORKERS


def test_what_is_kept_comes_back_as_it_was(database: str) -> None:
    store, kept = Store(database), account("1", NOW)
    store.remember(kept)
    store.remember(replace(account("2"), cards=(), card_rules=()))
    assert kept.decision in rows(database, tables.decision)
    assert rows(database, tables.card)[0]["decision"] == name("decision", "1")
    assert store.feedback([told("1"), told("1", outcome="accepted"), told("1"), told("unknown")]) == 1
    assert store.feedback([told("1", outcome_at=AT + timedelta(microseconds=1))]) == 0
    assert [found["outcome"] for found in rows(database, tables.feedback)].count("overridden") == 3
    store.close()


def test_a_token_is_new_once_and_forgotten_when_it_expires(database: str) -> None:
    now = [AT]
    store = Store(database, clock=lambda: now[0])
    assert store.first_use("a", "1", AT + timedelta(minutes=5))
    assert not store.first_use("a", "1", AT + timedelta(minutes=5))
    assert store.first_use("b", "1", AT + timedelta(minutes=5))
    now[0] += timedelta(minutes=6)
    assert store.first_use("a", "2", AT + timedelta(minutes=12))
    assert counted(database)["seen_token"] == 1
    store.close()


# ------------------------------------------------------------------ the command


def command(url: str, *arguments: str, **environment: str) -> Result:
    return CliRunner(env={"DATABASE_URL": url, "COLUMNS": "200"} | environment).invoke(cli, ["store", *arguments])


def test_an_empty_database_is_migrated_and_described(empty_database: str) -> None:
    before = command(empty_database, "status").output
    assert "revision none (this version needs 0001: run `cds-service store migrate`)" in before
    assert "no PSEUDONYM_KEYS" in before
    refused = command(empty_database, "purge")
    assert (refused.exit_code, "run `cds-service store migrate`" in refused.output) == (1, True)
    assert command(empty_database, "migrate").output.endswith("is at revision 0001.\n")
    after = command(empty_database, "status").output
    assert "revision 0001\n" in after
    assert "oldest decision: none" in after


def test_the_status_names_the_keys_and_the_oldest_decision(database: str, tmp_path: Path) -> None:
    store = Store(database)
    store.remember(account("1"))
    store.close()
    keys = tmp_path / "keys"
    keys.write_text("k2:" + "ab" * 32 + "\nk1:" + "cd" * 32)
    shown = command(database, "status", PSEUDONYM_KEYS=str(keys)).output
    assert "decision: 1" in shown
    assert "oldest decision: 2026-03-03T09:00:00+00:00" in shown
    assert "key in force: k2; kept to recognise old rows: k1" in shown
    assert "abab" not in shown


def test_what_is_old_is_removed_with_all_that_hangs_on_it(database: str) -> None:
    now = datetime.now(UTC)
    store = Store(database)
    for number, days in (("old", 400), ("new", 300)):
        at = now - timedelta(days=days)
        store.remember(account(number, at))
        store.feedback([told(number, received=at)])
    store.first_use("a", "kept", EXPIRES)
    store.close()
    assert "older than RETENTION_DAYS=365: run" in command(database, "status").output
    assert "! It holds what is older than RETENTION_DAYS=365" in check(database).output
    assert "decision 1, feedback 1, seen_token 0" in command(database, "purge").output
    assert "RETENTION_DAYS=365:" not in command(database, "status").output + check(database).output
    kept = {"decision": 1, "card": 1, "card_rule": 2, "feedback": 1, "site_change": 0, "seen_token": 1}
    assert counted(database) == kept
    assert "Removed, older than 299 days: decision 1" in command(database, "purge", "--older-than", "299").output
    assert counted(database) == dict.fromkeys(kept, 0) | {"seen_token": 1}


def test_a_purge_says_what_is_still_in_the_log(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "open_engine", lambda url: open_engine(url, patience_seconds=0.05))
    store = Store(sqlite_url)
    store.remember(account("1"))
    store.close()
    with closing(sqlite3.connect(make_url(sqlite_url).database or "", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM decision").fetchall()
        busy = command(sqlite_url, "purge", "--older-than", "0")
        assert "Removed, older than 0 days: decision 1" in busy.output
        assert (busy.exit_code, "not yet out of the log" in busy.output) == (1, True)
    assert command(sqlite_url, "purge").exit_code == 0


def test_a_store_moves_to_another_database(sqlite_url: str, postgresql_url: str) -> None:
    command(sqlite_url, "migrate")
    store = Store(sqlite_url)
    store.remember(account("1"))
    store.feedback([told("1")])
    store.close()
    assert "run `cds-service store migrate`" in command(sqlite_url, "copy", postgresql_url).output
    command(postgresql_url, "migrate")
    assert "decision 1, feedback 1" in command(sqlite_url, "copy", postgresql_url).output
    for table in tables.metadata.sorted_tables:
        assert rows(sqlite_url, table) == rows(postgresql_url, table)
    again = command(sqlite_url, "copy", postgresql_url)
    assert (again.exit_code, "holds rows; expected an empty database" in again.output) == (1, True)


def check(url: str, **environment: str) -> Result:
    return CliRunner(env={"DATABASE_URL": url, "COLUMNS": "200"} | environment).invoke(cli, ["check"])


def test_check_tells_of_the_store(sqlite_url: str, postgresql_url: str, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("k1:" + "ab" * 32)
    shown = check(sqlite_url, PSEUDONYM_KEYS=str(keys))
    assert "Store: made, or brought up to date, at the first start" in shown.output
    assert "Pseudonyms: key k1 in force, 0 older" in shown.output
    assert not Path(make_url(sqlite_url).database or "").exists()
    shown = check(postgresql_url)
    assert (shown.exit_code, "is at revision none; run `cds-service store migrate`" in shown.output) == (1, True)
    command(postgresql_url, "migrate")
    shown = check(postgresql_url)
    assert (shown.exit_code, "Store: at revision 0001" in shown.output) == (0, True)
    keys.write_text("k1:short")
    assert check(sqlite_url, PSEUDONYM_KEYS=str(keys)).exit_code == 1
    shown = check("sqlite:////nowhere/at/all/x.sqlite")
    assert "at the first start" in shown.output
    shown = check(f"sqlite:///{tmp_path}")
    assert (shown.exit_code, "cannot be used: OperationalError" in shown.output) == (0, True)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://u:SECRET@h/d", "expected sqlite:///file or postgresql+psycopg://"),
        ("SECRET", "DATABASE_URL is no database URL"),
        ("sqlite:////nowhere/at/all.sqlite", "cannot be used: FileNotFoundError"),
        ("postgresql://u:SECRET@127.0.0.1:1/d?connect_timeout=2", "cannot be used: OperationalError"),
    ],
)
def test_a_database_that_cannot_be_used_is_named_without_its_password(url: str, said: str) -> None:
    refused = command(url, "migrate")
    assert refused.exit_code == 1
    assert said in refused.output
    assert "SECRET" not in refused.output


# ------------------------------------------------------------------ down and back


@contextmanager
def sqlite_gone(url: str) -> Iterator[None]:
    """The file moved away, and a directory in its place."""
    path = Path(make_url(url).database or "")
    path.rename(path.with_suffix(".away"))
    path.mkdir()
    try:
        yield
    finally:
        path.rmdir()
        path.with_suffix(".away").rename(path)


@contextmanager
def postgresql_stopped(server: Any) -> Iterator[None]:
    server.stop()
    try:
        yield
    finally:
        server.ensure_postgres_running()


@pytest.fixture
def down(request: pytest.FixtureRequest, database: str) -> Callable[[], Any]:
    """Takes the database away for a while."""
    if database.startswith("sqlite"):
        return lambda: sqlite_gone(database)
    server = request.getfixturevalue("postgresql")
    return lambda: postgresql_stopped(server)


@row(
    "store down",
    "200, cards as ever; a token's jti in this worker's memory only; the loss counted and logged once; feedback 503 "
    "with Retry-After; all is kept again when it is back",
)
def test_cards_go_out_while_the_store_is_down(
    database: str, down: Callable[[], Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ehr = Ehr(tmp_path)
    settings = Settings(public_base_url=BASE, database_url=database)
    site = SiteProfile(client=(ehr.client(),))
    client = create_app(settings, rules=RULES, clock=lambda: NOW, site=site).test_client()

    def post(path: str, document: Any, token: str = "") -> Any:
        head = {"Authorization": f"Bearer {token or ehr.token(path)}"}
        return client.post(path, data=dump_json(document), content_type="application/json", headers=head)

    def cards(token: str = "") -> Any:
        return post(REVIEW, call(bundle(observation())), token)

    def feedback(uuid: str) -> Any:
        told = {"card": uuid, "outcome": "overridden", "outcomeTimestamp": "2026-03-03T09:00:00Z"}
        return post(f"{REVIEW}/feedback", {"feedback": [told]})

    kept = cards().get_json()["cards"][0]["uuid"]
    with down(), caplog.at_level(logging.WARNING):
        token = ehr.token(REVIEW)
        answers = [cards(token), cards()]
        assert [len(answer.get_json()["cards"]) for answer in answers] == [1, 1]
        assert cards(token).status_code == 401
        refused = feedback(kept)
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "30")
        assert refused.get_json()["issue"][0]["code"] == "transient"
        assert caplog.text.count("the store cannot be used") == 1
    assert feedback(kept).status_code == 200
    assert "can be used again; not kept since the start: decision 2, feedback 1, token 4" in caplog.text
    assert feedback(answers[0].get_json()["cards"][0]["uuid"]).status_code == 200
    assert len(cards().get_json()["cards"]) == 1
    found = counted(database)
    assert (found["decision"], found["feedback"]) == (2, 2)


@row("store down when the service starts, or not migrated", "it starts, and answers as above")
def test_a_service_starts_without_its_store(
    database: str, down: Callable[[], Any], caplog: pytest.LogCaptureFixture
) -> None:
    with down():
        client = create_app(Settings(database_url=database), rules=RULES, clock=lambda: NOW).test_client()
        assert "the store cannot be used" in caplog.text
        answer = client.post(REVIEW, data=dump_json(call(bundle(observation()))), content_type="application/json")
        assert len(answer.get_json()["cards"]) == 1


def test_feedback_does_not_queue_for_a_store_that_is_down(sqlite_url: str) -> None:
    store = Store(sqlite_url, seconds=lambda: 0.0, patience_seconds=30)
    store.ping()
    store._circuit.fail("OperationalError")
    with closing(sqlite3.connect(make_url(sqlite_url).database or "", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with ThreadPoolExecutor(4) as threads:
            tries = as_completed([threads.submit(store.feedback, [told(str(number))]) for number in range(4)], 20)
            assert [type(next(tries).exception()) for _ in range(3)] == [StoreUnavailable] * 3, "while one waits"
            other.execute("COMMIT")
            assert next(tries).result() == 1
    store.close()


def test_threads_of_a_process_do_not_wait_in_sqlite(sqlite_url: str) -> None:
    store, asked = watched(Store(sqlite_url))
    with ThreadPoolExecutor(4) as threads:
        with store._transaction(None):
            writes = [threads.submit(store.remember, account(str(number))) for number in range(4)]
            assert not wait(writes, 0.2).done
            assert len(asked) == 1, "they have not asked the database yet"
        assert [write.result(20) for write in writes] == [None] * 4
    assert counted(sqlite_url)["decision"] == 4
    store.close()


def test_who_waits_while_another_fails_does_not_try_too(sqlite_url: str) -> None:
    store, asked = watched(Store(sqlite_url, seconds=lambda: 0.0, patience_seconds=1))
    with closing(sqlite3.connect(make_url(sqlite_url).database or "", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with ThreadPoolExecutor(4) as threads:
            writes = [threads.submit(store.remember, account(str(number))) for number in range(4)]
            assert [type(write.exception(20)) for write in writes] == [StoreUnavailable] * 4
        assert len(asked) == 1
    assert store.lost == {"decision": 4}
    store.close()


def watched(store: Store) -> tuple[Store, list[object]]:
    """A store that is ready, and who takes a connection to its database from now on."""
    store.ping()
    asked: list[object] = []
    event.listen(store._engine, "checkout", lambda *who: asked.append(who))
    return store, asked


def test_a_locked_store_is_waited_for_and_then_left_alone(sqlite_url: str) -> None:
    seconds = [0.0]
    store = Store(sqlite_url, seconds=lambda: seconds[0], patience_seconds=0.05)
    store.ping()
    with closing(sqlite3.connect(make_url(sqlite_url).database or "", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable):
            store.remember(account("1"))
        other.execute("COMMIT")
    with pytest.raises(StoreUnavailable):
        store.remember(account("2"))
    seconds[0] += 11
    store.remember(account("3"))
    assert store.lost == {"decision": 2}
    assert counted(sqlite_url)["decision"] == 1
    store.close()
