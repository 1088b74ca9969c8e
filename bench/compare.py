"""Our service beside others on the same bodies: CPU time, throughput and latency of each, in turns."""

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from bench.aims import aims
from bench.bodies import SIZES, USUAL, Size, bodies
from bench.report import circumstances, note, table, tell, with_spread
from bench.servers import Contender, contenders, healthchain_python
from bench.turns import Found, Turn, cpu_of, cpu_ratios, of_all, take_turn

_WARM_UP_REQUESTS = 20
#: Of the requests a turn, how many of this size are sent, and at the most over how many connections.
_SHARES = {"400 kB": 0.2, "4 MB": 0.04, "40 kB + 180 unknown": 0.4}
#: Twice the cores is where the service should still be even; EHRs keep a handful of connections, or dozens.
LEVELS = tuple(sorted({1, 2 * (os.cpu_count() or 1), 8, 32}))


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured.

    ``rounds``: turns of each server with each size and number of connections. ``requests``: of the small bodies a turn;
    of the large fewer. ``seconds``: no round is begun after them. ``sizes``: names of those to be sent. ``workers``: of
    each server.
    """

    rounds: int
    requests: int
    seconds: float
    sizes: Sequence[str]
    workers: int


def compare(extent: Extent, healthchain: Path | None) -> None:
    """Measures and prints.

    Args:
        extent: how much.
        healthchain: the folder of HealthChain's own venv, made if need be; without it, it is left out.

    Raises:
        MeasureError: a figure would mean nothing.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        python = healthchain_python(healthchain.resolve()) if healthchain else "not asked for (--healthchain)"
        if isinstance(python, str):
            note(f"HealthChain is left out: {python}")
        with contenders(Path(folder), extent.workers, python if isinstance(python, Path) else None) as found:
            taken = _rounds(found, extent)
    if isinstance(python, str):
        tell(f"HealthChain is left out: {python}.\n")
    _tell(taken, extent, [one.name for one in found])


def _rounds(servers: Sequence[Contender], extent: Extent) -> Found:
    """The turns of all, who begins changing with each round."""
    until, found = time.monotonic() + extent.seconds, Found()
    sizes = [size for size in SIZES if size.name in extent.sizes]
    for server in servers:
        take_turn(server, bodies(USUAL, _WARM_UP_REQUESTS, "warm-up", datetime.now(UTC)), 1)
    for number in range(extent.rounds):
        if number and time.monotonic() > until:
            note(f"time is up after {number} rounds")
            break
        note(f"round {number + 1} of {extent.rounds}")
        for size, connections, count in _plan(sizes, extent.requests):
            sent = bodies(size, count, f"{number} {connections}", datetime.now(UTC))
            begins = number % len(servers)
            for server in [*servers[begins:], *servers[:begins]]:
                if server.takes(size):
                    turn = take_turn(server, sent, connections)
                    found.setdefault((size.name, connections, server.name), []).append(turn)
    return found


def _plan(sizes: Sequence[Size], requests: int) -> Iterator[tuple[Size, int, int]]:
    """Every size with every number of connections that its requests can occupy."""
    for size in sizes:
        count = max(2, round(requests * _SHARES.get(size.name, 1)))
        yield from ((size, connections, count) for connections in LEVELS if connections == 1 or connections <= count)


def _tell(found: Found, extent: Extent, names: Sequence[str]) -> None:
    sizes = extent.sizes
    tell(circumstances())
    tell(f"Workers: {extent.workers} each.\n")
    tell("CPU time for a request as a multiple of the echo's (lowest and highest round):\n")
    tell(table(["", *sizes], [[n, *(with_spread(cpu_ratios(found, s, n, "echo")) for s in sizes)] for n in names]))
    tell("CPU milliseconds for a request:\n")
    tell(table(["", *sizes], [[n, *(_milliseconds(cpu_of(found, s, n)) for s in sizes)] for n in names]))
    for size in sizes:
        levels = [one for one in LEVELS if any(key[:2] == (size, one) for key in found)]
        tell(f"{size}: requests a second; p50 and p99 in milliseconds, by the number of connections:\n")
        rows = [[name, *(_served(found.get((size, level, name), [])) for level in levels)] for name in names]
        tell(table(["", *map(str, levels)], [row for row in rows if any(row[1:])]))
    tell("Aims:\n")
    tell(table(["aim", "at most", "found"], aims(found)))


def _milliseconds(seconds: Sequence[float]) -> str:
    return with_spread([1000 * one for one in seconds], 2)


def _served(turns: Sequence[Turn]) -> str:
    if not turns:
        return ""
    p50, p99 = (1000 * of_all(turns, percent) for percent in (50, 99))
    return f"{median(turn.rate for turn in turns):.0f}; {p50:.1f}, {p99:.1f}"
