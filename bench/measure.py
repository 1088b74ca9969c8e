"""Two servers side by side on loopback, taking turns: what a request costs each in CPU time, and how long it takes."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

from cds_service.config import Settings

_HOST = "127.0.0.1"
_PATH = "/cds-services/b2m-result-review"
_START_SECONDS = 30.0
_ANSWER_SECONDS = 30.0
#: Of both servers. One worker, so that its CPU time is all there is; the rest as ``cds-service serve`` has it.
_OPTIONS = ("--workers=1", "--worker-class=gthread", "--threads=4", "--timeout=30", "--log-level=warning")


class MeasureError(Exception):
    """What was measured would mean nothing; the message says why."""


#: Raises MeasureError where an answer (second) to a body (first) is not as it should be.
Check = Callable[[bytes, bytes], None]


@dataclass(frozen=True, slots=True)
class Server:
    """A server under measurement; ``worker`` is its worker's process id."""

    port: int
    worker: int
    check: Check


@dataclass(frozen=True, slots=True)
class Turn:
    """What one server did with one list of bodies: CPU time a request, and the latency of each, in seconds."""

    cpu: float
    latencies: tuple[float, ...]


@contextlib.contextmanager
def running(application: str, check: Check) -> Iterator[Server]:
    """A WSGI application under gunicorn on a free port of loopback, stopped by its process id at the end."""
    port = _free_port()
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        f"--bind={_HOST}:{port}",
        "--no-control-socket",
        *_OPTIONS,
        application,
    ]
    with tempfile.TemporaryDirectory() as folder:
        environment = _environment() | {"DATABASE_URL": f"sqlite:///{folder}/bench.sqlite"}
        process = subprocess.Popen(command, env=environment)  # noqa: S603 - gunicorn with our own applications
        try:
            _wait_until_up(process, port)
            yield Server(port, _worker_of(process.pid), check)
        finally:
            _stop(process)


def take_turn(server: Server, bodies: Sequence[bytes]) -> Turn:
    """Sends the bodies one after another over one connection.

    Raises:
        MeasureError: an answer is not as it should be, or the server's worker is gone.
    """
    connection = HTTPConnection(_HOST, server.port, timeout=_ANSWER_SECONDS)
    with contextlib.closing(connection):
        connection.connect()
        before = _cpu_seconds(server.worker)
        exchanged = [_post(connection, body) for body in bodies]
        cpu = (_cpu_seconds(server.worker) - before) / len(bodies)
    for body, (_, status, answer) in zip(bodies, exchanged, strict=True):
        if status != 200:
            raise MeasureError(f"answered with {status}")
        server.check(body, answer)
    return Turn(cpu, tuple(latency for latency, _, _ in exchanged))


def check_cards(_: bytes, answer: bytes) -> None:
    """Our answer has to hold a card.

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


def _post(connection: HTTPConnection, body: bytes) -> tuple[float, int, bytes]:
    """Latency until the whole answer is read, status, answer."""
    began = time.perf_counter()
    connection.request("POST", _PATH, body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    answer = response.read()
    return time.perf_counter() - began, response.status, answer


def _environment() -> dict[str, str]:
    """Ours, without what would configure either server: both run with their defaults, but for where it remembers."""
    settings = {name.upper() for name in Settings.model_fields} | {"GUNICORN_CMD_ARGS", "WEB_CONCURRENCY"}
    return {name: value for name, value in os.environ.items() if name.upper() not in settings}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])


def _wait_until_up(process: "subprocess.Popen[bytes]", port: int) -> None:
    """Waits for any HTTP answer."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), contextlib.closing(HTTPConnection(_HOST, port, timeout=5)) as connection:
            connection.request("GET", "/")
            connection.getresponse().read()
            return
        time.sleep(0.05)
    raise MeasureError("the server did not come up")


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()  # its worker stops by itself when it finds its parent gone
        process.wait(20)


def _worker_of(master: int) -> int:
    """The one child of gunicorn's master process, from the ``ppid`` field of ``/proc/<pid>/stat``."""
    children = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # a process that ended meanwhile
            fields = stat.read_text("utf-8", errors="replace").rpartition(")")[2].split()
            children += [int(stat.parent.name)] if int(fields[1]) == master else []
    if len(children) != 1:
        raise MeasureError(f"expected one worker process, found {len(children)}")
    return children[0]


def _cpu_seconds(process: int) -> float:
    """User and system time of a process with all its threads, from its CPU clock, which counts nanoseconds.

    The number of that clock is Linux's ``clock_getcpuclockid``; ``/proc/<pid>/stat`` has the same in steps of 10 ms.
    """
    try:
        return time.clock_gettime((~process << 3) | 2)
    except OSError as error:
        raise MeasureError("the server's worker is gone") from error
