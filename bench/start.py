"""How long the service takes until it is ready, what a new worker's first call costs, and what a worker weighs."""

import compileall
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path

import cds_service
from bench.bodies import USUAL, bodies
from bench.load import post, send
from bench.processes import (
    HOST,
    MeasureError,
    Process,
    bare_environment,
    free_port,
    memory,
    status_of,
    stop,
    wait_for,
    workers_of,
)
from bench.report import circumstances, note, table, tell, with_spread
from bench.servers import Service, as_sent

_POLL_SECONDS = 0.002
_REPLACED_SECONDS = 30.0

Figures = dict[str, list[float]]


def measure_start(starts: int, calls: int, workers: int) -> None:
    """Starts the service so often, and tells the medians.

    Args:
        starts: how often.
        calls: how many calls a start answers before its memory is read.
        workers: of each.

    Raises:
        MeasureError: it does not come up, or does not answer.
    """
    # As pip leaves a wheel: sources that changed since would be compiled anew at each start.
    compileall.compile_dir(Path(cds_service.__file__).parent, quiet=1)
    found: Figures = defaultdict(list)
    for number in range(starts):
        note(f"start {number + 1} of {starts}")
        for what in ("pass", "import cds_service.app"):
            found[what].append(1000 * _python(what))
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            _one_start(Service(Path(folder), {"OPEN_ACCESS": "1"}, workers=workers), calls, found)
    tell(circumstances())
    tell(table(["", "median (lowest-highest)"], _rows(found, calls, workers)))


def _python(what: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", what], check=True, env=bare_environment())  # noqa: S603 - two lines of ours
    return time.perf_counter() - began


def _one_start(service: Service, calls: int, found: Figures) -> None:
    port, environment = free_port(), {**bare_environment(), **service.variables()}
    began = time.perf_counter()
    with (service.folder / "service.log").open("wb") as log:
        process = subprocess.Popen(service.command(port), env=environment, stdout=log, stderr=log)  # noqa: S603
    try:
        if wait_for(port, "/readyz", process, _POLL_SECONDS, status=200) is None:
            raise MeasureError("the service did not become ready")
        found["ready"].append(1000 * (time.perf_counter() - began))
        found["first"].append(_first_call(port, "first"))
        _replace_workers(process, port, service.workers)
        found["replaced"].append(_first_call(port, "replaced"))
        _weigh(process, port, calls, found)
    finally:
        stop(process)


def _first_call(port: int, seed: str) -> float:
    """Milliseconds of one call on a connection of its own; its body was sent to nobody before."""
    with contextlib.closing(HTTPConnection(HOST, port, timeout=30)) as connection:
        connection.connect()
        answer = post(connection, as_sent(bodies(USUAL, 1, seed, datetime.now(UTC))[0]))
    if answer.status != 200:
        raise MeasureError(f"answered with {answer.status}")
    return 1000 * answer.seconds


def _replace_workers(process: Process, port: int, count: int) -> None:
    """Kills all workers and waits until as many others answer."""
    killed = workers_of(process.pid)
    for worker in killed:
        os.kill(worker, signal.SIGKILL)
    until = time.monotonic() + _REPLACED_SECONDS
    while time.monotonic() < until:
        others = set(workers_of(process.pid)) - set(killed)
        if len(others) == count and status_of(port, "/livez") == 200:
            return
        time.sleep(_POLL_SECONDS)
    raise MeasureError("killed workers were not replaced")


def _weigh(process: Process, port: int, calls: int, found: Figures) -> None:
    """Memory in MiB after the calls; what all processes share counts once in their sum."""
    done = 0
    while done < calls:
        sent = [as_sent(body) for body in bodies(USUAL, min(100, calls - done), str(done), datetime.now(UTC))]
        send(port, sent, 8)
        done += len(sent)
    weighed = [one for worker in workers_of(process.pid) if (one := memory(worker))]
    found["pss"] += [one.pss / 1024 for one in weighed]
    found["uss"] += [one.uss / 1024 for one in weighed]
    parent = memory(process.pid)
    found["all"].append((sum(one.pss for one in weighed) + (parent.pss if parent else 0)) / 1024)


def _rows(found: Figures, calls: int, workers: int) -> Sequence[Sequence[str]]:
    imported = [whole - bare for whole, bare in zip(found["import cds_service.app"], found["pass"], strict=True)]
    return [
        [f"start to the first 200 of /readyz, {workers} workers, ms", with_spread(found["ready"], 0)],
        ["of it, Python itself, ms", with_spread(found["pass"], 0)],
        ["of it, `import cds_service.app`, ms", with_spread(imported, 0)],
        ["first call after the start, 40 kB, ms", with_spread(found["first"])],
        ["first call after all workers were killed, ms", with_spread(found["replaced"])],
        [f"a worker after {calls} calls in all, PSS MiB", with_spread(found["pss"])],
        ["the same, USS MiB", with_spread(found["uss"])],
        [f"{workers} workers and their parent, PSS MiB", with_spread(found["all"])],
    ]
