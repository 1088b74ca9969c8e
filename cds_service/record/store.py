"""The store: what is kept of calls and feedback, and which tokens were used. Cards go out without it too."""

import logging
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from threading import Lock
from typing import Any

from sqlalchemy import Connection, delete, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from cds_service.errors import StoreUnavailable
from cds_service.record import tables
from cds_service.record.account import Account
from cds_service.record.circuit import Circuit
from cds_service.record.engine import FAILURES, PATIENCE_SECONDS, file_of, open_engine, reason
from cds_service.record.pseudonyms import Pseudonyms
from cds_service.record.queries import LastShown, last_shown, note_site_changes
from cds_service.record.schema import REVISION, NotMigrated, make_in_memory, migrate, revision_of
from cds_service.rules_in_force import Change

_log = logging.getLogger(__name__)
_FORGET_EVERY = timedelta(minutes=1)
#: How many cards are asked for in one query, far below what a database takes.
_AT_ONCE = 500
#: Made once: SQLAlchemy then knows again what it has compiled.
_ADD_DECISION, _ADD_CARDS, _ADD_CARD_RULES = map(insert, (tables.decision, tables.card, tables.card_rule))


class Store:
    """A database that all workers share. Every method raises ``StoreUnavailable`` where it cannot be had.

    After a failure the store is left alone for some seconds and then tried by one at a time; feedback tries within them
    too, one at a time. An SQLite file is made and brought up to date by whoever comes first; PostgreSQL is by
    ``cds-service store migrate``.

    Args:
        url: DATABASE_URL.
        pseudonyms: what stands for ids.
        clock: the present time, with its zone.
        seconds: seconds that only go forward, for the cool-down.
        patience_seconds: how long to wait for a lock or an answer.
        on_lost: told the kind of each thing that is not kept.

    Raises:
        ConfigurationError: the URL cannot be used.
    """

    def __init__(
        self,
        url: str,
        *,
        pseudonyms: Pseudonyms = Pseudonyms(),  # noqa: B008 - frozen
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        seconds: Callable[[], float] = time.monotonic,
        patience_seconds: float = PATIENCE_SECONDS,
        on_lost: Callable[[str], None] = lambda kind: None,
    ) -> None:
        self.pseudonyms = pseudonyms
        self._engine = open_engine(url, patience_seconds)
        self._insert = sqlite.insert if self._engine.dialect.name == "sqlite" else postgresql.insert
        self._circuit = Circuit(seconds, on_lost=on_lost)
        self._writing = Lock() if self._engine.dialect.name == "sqlite" else None
        self._patience_seconds = patience_seconds
        self._clock = clock
        self._ready = False
        self._forgot_at: datetime | None = None
        self.close = weakref.finalize(self, self._engine.dispose)

    @property
    def lost(self) -> Mapping[str, int]:
        """How much was not kept since the start, by kind: decision, token; feedback that was refused."""
        return self._circuit.lost

    def ping(self) -> None:
        """Asks whether the store answers, takes a transaction and is at the revision of this version.

        Raises:
            StoreUnavailable: it does not, or was found so within the cool-down.
        """
        with self._transaction(None):
            pass

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection for what only reads and may take long: that it failed keeps no call from the store.

        Raises:
            StoreUnavailable: the store cannot be had, also where it is lost in the middle.
        """
        if not self._ready:
            self.ping()
        if self._circuit.is_open:
            raise StoreUnavailable
        try:
            with self._engine.connect().execution_options(reads=True) as connection:
                yield connection
        except FAILURES as error:
            _log.warning("a report could not be read from the store: %s", reason(error))
            raise StoreUnavailable from None

    def disconnect(self) -> None:
        """Closes all connections; the next use opens its own. Before a fork: none may be used on both sides of it."""
        self._engine.dispose()
        self._ready = False  # what is in memory went with its connection

    def first_use(self, issuer: str, token_id: str, expires: datetime) -> bool:
        """Notes a token until it expires; whether no worker has seen it before.

        Raises:
            StoreUnavailable: the store cannot be had.
        """
        digest = sha256(f"{issuer}\0{token_id}".encode("utf-8", "surrogatepass")).hexdigest()
        with self._transaction("token") as connection:
            self._forget_tokens(connection)
            add = self._insert(tables.seen_token).on_conflict_do_nothing().returning(tables.seen_token.c.digest)
            return connection.execute(add, {"digest": digest, "expires": expires}).first() is not None

    def remember(self, account: Account) -> None:
        """Keeps what was decided in one call, and the cards that went out.

        Raises:
            StoreUnavailable: the store cannot be had.
        """
        with self._transaction("decision") as connection:
            connection.execute(_ADD_DECISION, [account.decision])
            if account.cards:
                connection.execute(_ADD_CARDS, account.cards)
            if account.card_rules:
                connection.execute(_ADD_CARD_RULES, account.card_rules)

    def shown(self, users: Sequence[str], said: Sequence[str], instances: Sequence[str]) -> list[LastShown]:
        """When each of these sayings was last sent to a user, but for some calls; all by their pseudonyms.

        Raises:
            StoreUnavailable: the store cannot be had.
        """
        with self._transaction(None) as connection:
            return last_shown(connection, users, said, instances)

    def note_site_changes(self, changes: Sequence[Change]) -> None:
        """Keeps what the site has set of its rules where that is not what was kept last, and what it no longer sets.

        Raises:
            StoreUnavailable: the store cannot be had.
        """
        with self._transaction("site change") as connection:
            note_site_changes(connection, changes, self._clock())

    def feedback(self, rows: Sequence[Mapping[str, Any]]) -> int:
        """Keeps feedback, once however often it is sent; how many of the rows are about cards that are not known.

        Raises:
            StoreUnavailable: the store cannot be had.
        """
        cards = sorted({row["card"] for row in rows})
        with self._transaction("feedback", at_once=True) as connection:
            connection.execute(self._insert(tables.feedback).on_conflict_do_nothing(), sorted(rows, key=_in_order))
            known = {
                uuid for at in range(0, len(cards), _AT_ONCE) for uuid in _known(connection, cards[at:][:_AT_ONCE])
            }
        return sum(row["card"] not in known for row in rows)

    def _forget_tokens(self, connection: Connection) -> None:
        now = self._clock()
        if self._forgot_at is None or now - self._forgot_at >= _FORGET_EVERY:
            self._forgot_at = now
            connection.execute(delete(tables.seen_token).where(tables.seen_token.c.expires < now))

    @contextmanager
    def _transaction(self, kind: str | None, *, at_once: bool = False) -> Iterator[Connection]:
        """A transaction that is committed at the end; what is lost without it counts as ``kind``, if there is any."""
        with self._circuit.attempt(at_once=at_once) as may_try:
            if not may_try:
                self._circuit.lose(kind)
                raise StoreUnavailable
            try:
                if not self._ready:
                    self._make_ready()
                    self._ready = True
                with self._turn(at_once), self._engine.begin() as connection:
                    yield connection
            except (*FAILURES, NotMigrated) as error:
                self._ready = False
                self._circuit.lose(kind)
                self._circuit.fail(str(error) if isinstance(error, NotMigrated) else reason(error))
                raise StoreUnavailable from None
            self._circuit.succeed()

    @contextmanager
    def _turn(self, at_once: bool) -> Iterator[None]:
        """One writer at a time of this process, for SQLite: those that wait in it sleep, longer each time, and the one
        that happens to ask in the right moment goes first. Who waited while the one before failed does not try too.
        """
        if not self._writing:
            yield
            return
        if not self._writing.acquire(timeout=self._patience_seconds):
            raise TimeoutError
        try:
            if self._circuit.is_open and not at_once:
                raise TimeoutError
            yield
        finally:
            self._writing.release()

    def _make_ready(self) -> None:
        if self._engine.dialect.name == "sqlite" and file_of(self._engine) is None:
            make_in_memory(self._engine)
            return
        found = self._revision()
        if found != REVISION and file_of(self._engine):
            migrate(self._engine)
            found = self._revision()
        if found != REVISION:
            raise NotMigrated(found)

    def _revision(self) -> str | None:
        with self._engine.connect().execution_options(reads=True) as connection:
            return revision_of(connection)


def _in_order(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """Two that write the same rows in two orders would wait for one another."""
    return row["card"], row["outcome"], row["outcome_at"]


def _known(connection: Connection, cards: Sequence[str]) -> Iterator[str]:
    yield from connection.scalars(select(tables.card.c.uuid).where(tables.card.c.uuid.in_(cards)))
