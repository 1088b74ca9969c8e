"""What running processes cost, from Linux's /proc and CPU clocks; and how they are started and stopped."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import NamedTuple

from cds_service.config import Settings

HOST = "127.0.0.1"
_START_SECONDS = 60.0
_STOP_SECONDS = 30.0

Process = subprocess.Popen[bytes]


class MeasureError(Exception):
    """What was measured would mean nothing; the message says why."""


class Memory(NamedTuple):
    """Of one process, in KiB: what it shares counted by its share (``pss``), and what it has alone (``uss``)."""

    pss: int
    uss: int


def family(process: int) -> Iterator[int]:
    """A process and all below it, itself first."""
    yield process
    try:
        threads = list(Path(f"/proc/{process}/task").iterdir())
        below = [int(child) for thread in threads for child in (thread / "children").read_text().split()]
    except OSError:
        return
    for child in below:
        yield from family(child)


def workers_of(process: int) -> list[int]:
    """The processes right below a server's."""
    return [one for one in family(process) if one != process]


def cpu_seconds(process: int) -> float | None:
    """User and system time of a process with all its threads, in nanosecond steps; None where it is gone.

    The number of that clock is Linux's ``clock_getcpuclockid``; ``/proc/<pid>/stat`` has the same in steps of 10 ms.
    """
    try:
        return time.clock_gettime((~process << 3) | 2)
    except OSError:
        return None


def cpu_of_family(process: int) -> dict[int, float]:
    """CPU seconds of a server and its workers, by process id."""
    return {one: seconds for one in family(process) if (seconds := cpu_seconds(one)) is not None}


def memory(process: int) -> Memory | None:
    """What a process has of memory; None where it is gone."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return None
    if not lines:
        return None  # it has ended and was not yet taken note of
    found = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines[1:])}
    return Memory(found["Pss"], found["Private_Clean"] + found["Private_Dirty"])


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def bare_environment() -> dict[str, str]:
    """Ours, without what would configure a server: all run with their defaults, but for what a bench sets."""
    settings = {name.upper() for name in Settings.model_fields} | {"GUNICORN_CMD_ARGS", "WEB_CONCURRENCY"}
    return {name: value for name, value in os.environ.items() if name.upper() not in settings}


@contextlib.contextmanager
def serving(
    command: Sequence[str], port: int, environment: Mapping[str, str], *, ready: str = "/", log: Path
) -> Iterator[Process]:
    """A process that serves on ``port``, once it answers ``ready`` at all; stopped by its id at the end.

    What it prints goes to the file ``log``, whose end is shown where it does not come up.

    Raises:
        MeasureError: it did not.
    """
    with log.open("wb") as printed:
        process = subprocess.Popen(command, env={**bare_environment(), **environment}, stdout=printed, stderr=printed)  # noqa: S603
    try:
        if wait_for(port, ready, process) is None:
            told = log.read_text("utf-8", errors="replace")[-2000:]
            raise MeasureError(f"{' '.join(command)} did not come up: {told}")
        yield process
    finally:
        stop(process)


def wait_for(port: int, path: str, process: Process, pause: float = 0.02, status: int | None = None) -> float | None:
    """Seconds until it answered ``path``, with ``status`` if one is given; None where it ended or took too long."""
    began = time.monotonic()
    while time.monotonic() - began < _START_SECONDS and process.poll() is None:
        if (answered := status_of(port, path)) is not None and status in (None, answered):
            return time.monotonic() - began
        time.sleep(pause)
    return None


def status_of(port: int, path: str) -> int | None:
    """The status of an answer to GET; None where there is none."""
    with (
        contextlib.suppress(OSError, HTTPException),
        contextlib.closing(HTTPConnection(HOST, port, timeout=5)) as connection,
    ):
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        return response.status
    return None


def stop(process: Process) -> None:
    """Asks a process to end, and ends it with all below it where it does not."""
    below = workers_of(process.pid)
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        for one in below:
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)
        process.kill()
        process.wait(_STOP_SECONDS)
