"""The servers under measurement: how each is started, what it is sent, and when its answer is right."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from bench.bodies import Size, to_fetch
from bench.load import Request, send
from bench.processes import MeasureError, free_port, serving
from cds_service.cli import gunicorn_conf
from tests.functional.tokens import BASE, ISSUER, Ehr

PATH, CHART_PATH = "/cds-services/b2m-result-review", "/cds-services/b2m-chart-review"
HEALTHCHAIN = "healthchain==0.16.1"
_LARGEST_FETCHED = 500_000

#: Raises MeasureError where an answer (second) to a body (first) is not as it should be.
Check = Callable[[bytes, bytes], None]


class Contender(NamedTuple):
    """A server that is up.

    ``prepare`` makes a request of a body, before it is timed; ``takes`` says which sizes it is sent.
    """

    name: str
    process: int
    port: int
    prepare: Callable[[bytes], Request]
    check: Check
    takes: Callable[[Size], bool] = lambda size: True


@dataclass(frozen=True, slots=True)
class Service:
    """How our service is configured for a bench: in a folder of its own, its environment, its profile."""

    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    profile: str = ""
    workers: int = 1
    module: str = "cds_service"

    def command(self, port: int) -> list[str]:
        """As it is shipped: ``cds-service serve``."""
        return [sys.executable, "-m", self.module, "serve", "--port", str(port), "--workers", str(self.workers)]

    def variables(self) -> dict[str, str]:
        """Its environment; the profile is written beside the store."""
        self.folder.mkdir(exist_ok=True)
        store = self.folder / "store"
        store.mkdir(exist_ok=True)
        found = {"DATABASE_URL": f"sqlite:///{store}/bench.sqlite", **self.environment}
        if self.profile:
            (self.folder / "site.toml").write_text(self.profile)
            found["SITE_PROFILE"] = str(self.folder / "site.toml")
        return found


def registered(ehr: Ehr, keys: str) -> str:
    """The profile entry of a client with tokens; ``keys``: the entry that says where its keys are."""
    return f'[[client]]\nname = "ehr"\niss = "{ISSUER}"\nalgorithms = ["{ehr.algorithm}"]\n{keys}\n'


def allowed(server: str, *, batch: bool = False) -> str:
    """The profile entry of a FHIR server that may be asked."""
    return f'[[fhir_server]]\nurl = "{server}"\nbatch = {str(batch).lower()}\n'


@contextlib.contextmanager
def our_service(service: Service) -> Iterator[tuple[int, int]]:
    """Our service as told; process id and port."""
    port = free_port()
    log = service.folder / "service.log"
    with serving(service.command(port), port, service.variables(), ready="/livez", log=log) as process:
        yield process.pid, port


@contextlib.contextmanager
def under_gunicorn(
    application: str, folder: Path, workers: int = 1, threads: int = gunicorn_conf.threads, **environment: str
) -> Iterator[tuple[int, int]]:
    """A WSGI application of ``bench.applications``, with every setting of gunicorn as our service has it."""
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "--config", str(gunicorn_conf.__file__)]
    command += ["--bind", f"127.0.0.1:{port}", "--workers", str(workers), "--log-level", "warning"]
    command += ["--threads", str(threads), f"bench.applications.{application}:app"]
    with serving(command, port, environment, log=folder / f"{application}.log") as process:
        yield process.pid, port


@contextlib.contextmanager
def fhir_server(folder: Path, delay_ms: float = 0, keys: Path | None = None) -> Iterator[int]:
    """The port of a FHIR server of made-up charts on loopback."""
    delay, key_file = str(delay_ms), str(keys or "")
    with under_gunicorn("fhir_server", folder, threads=64, FHIR_DELAY_MS=delay, JWKS_FILE=key_file) as (_, port):
        yield port


@contextlib.contextmanager
def contenders(folder: Path, workers: int, healthchain: Path | None) -> Iterator[list[Contender]]:
    """All servers side by side; HealthChain's only where there is a Python that has it."""
    with contextlib.ExitStack() as stack:

        def ours(name: str, **given: object) -> tuple[int, int]:
            service = Service(folder / name, workers=workers, **given)  # type: ignore[arg-type]
            return stack.enter_context(our_service(service))

        def under(name: str) -> tuple[int, int]:
            return stack.enter_context(under_gunicorn(name, folder, workers))

        found = [Contender("ours, open access", *ours("open", environment={"OPEN_ACCESS": "1"}), as_sent, check_cards)]
        remembering = {"OPEN_ACCESS": "1", "PSEUDONYM_KEYS": str(pseudonym_keys(folder))}
        found.append(Contender("ours, with history", *ours("history", environment=remembering), as_sent, check_cards))
        for algorithm in ("RS384", "ES384"):
            ehr = Ehr(_made(folder / algorithm), algorithm)
            keys = f'jwks_file = "{_key_file(ehr)}"'
            at = ours(algorithm, environment={"PUBLIC_BASE_URL": BASE}, profile=registered(ehr, keys))
            found.append(Contender(f"ours, {algorithm} token", *at, bearing(ehr), check_cards))
        fhir = stack.enter_context(fhir_server(folder))
        server = f"http://127.0.0.1:{fhir}/fhir"
        at = ours("fetch", environment={"OPEN_ACCESS": "1", "FETCH_DEADLINE_SECONDS": "10"}, profile=allowed(server))
        found.append(Contender("ours, all fetched", *at, fetching(fhir), check_cards, _may_be_fetched))
        found.append(Contender("echo", *under("echo"), as_sent, check_echo))
        found.append(Contender("floor", *under("floor"), as_sent, check_answered))
        found.append(Contender("fhir.resources, whole Bundles", *under("bundles"), as_sent, check_cards))
        if healthchain:
            at = stack.enter_context(_healthchain_service(healthchain, folder, workers))
            found.append(Contender(HEALTHCHAIN.replace("==", " "), *at, _to_healthchain, check_cards))
        yield found


def pseudonym_keys(folder: Path) -> Path:
    """A file of keys, with which the service asks what was shown before."""
    file = folder / "pseudonym-keys"
    file.write_text(f"k1:{'5a' * 32}\n")
    return file


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _key_file(ehr: Ehr) -> Path:
    return ehr.client().jwks_file or ehr.folder


def _may_be_fetched(size: Size) -> bool:
    """What fits the pages that we ask for; the variants tell nothing more of fetching."""
    return sum(size.results.values()) < 200 and not (size.repeated or size.not_asked_for)


def healthchain_python(folder: Path) -> Path | str:
    """The Python of a venv in ``folder`` that has HealthChain, made if need be; else why there is none."""
    python = folder / "bin" / "python"
    if not python.exists():
        made = subprocess.run([sys.executable, "-m", "venv", folder], capture_output=True, text=True)  # noqa: S603
        if made.returncode:
            return f"no venv could be made: {made.stderr or made.stdout}"
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", HEALTHCHAIN]
    installed = subprocess.run(install, capture_output=True, text=True)  # noqa: S603 - pip, with what stands above
    return f"pip could not install it: {installed.stderr[-300:]}" if installed.returncode else python


@contextlib.contextmanager
def _healthchain_service(python: Path, folder: Path, workers: int) -> Iterator[tuple[int, int]]:
    """HealthChain's service under uvicorn, as it documents."""
    port = free_port()
    command = [str(python), "-m", "bench.applications.healthchain_service", str(port), str(workers)]
    with serving(command, port, {}, log=folder / "healthchain.log") as process:
        yield process.pid, port


def as_sent(body: bytes) -> Request:
    """The body, to our service's path."""
    return Request(PATH, body)


def bearing(ehr: Ehr) -> Callable[[bytes], Request]:
    """The body with a token that was never used, signed before anything is timed."""
    return lambda body: Request(PATH, body, {"Authorization": f"Bearer {ehr.token(PATH)}"})


def fetching(fhir: int) -> Callable[[bytes], Request]:
    """The call without its prefetch, which is put where it can be fetched."""

    def prepare(body: bytes) -> Request:
        send(fhir, [Request("/charts", body)], 1)
        return Request(PATH, to_fetch(body, f"http://127.0.0.1:{fhir}/fhir"))

    return prepare


def _to_healthchain(body: bytes) -> Request:
    return Request(f"/cds{PATH}", body)


def check_cards(_: bytes, answer: bytes) -> None:
    """An answer has to hold a card.

    Raises:
        MeasureError: it does not.
    """
    if not json.loads(answer).get("cards"):
        raise MeasureError("answered without a card")


def check_echo(body: bytes, answer: bytes) -> None:
    """The echo's answer has to be what was sent.

    Raises:
        MeasureError: it is not.
    """
    if json.loads(answer) != json.loads(body):
        raise MeasureError("echoed something else")


def check_answered(_: bytes, answer: bytes) -> None:
    """Any JSON will do.

    Raises:
        MeasureError: it is none.
    """
    if not json.loads(answer):
        raise MeasureError("answered with nothing")
