"""``python -m bench``: measures both servers in turns and prints what was found, ratios first."""

import argparse
import signal
import sys
import time
from collections import defaultdict
from datetime import UTC, datetime
from http.client import HTTPException
from statistics import median, quantiles
from typing import NamedTuple

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from bench.bodies import SIZES, Size, bodies
from bench.measure import MeasureError, Server, Turn, check_cards, check_echo, running, take_turn

_MOST_SECONDS = 600.0
_WARM_UP_REQUESTS = 20


class _Round(NamedTuple):
    """Both servers' turns with the same bodies."""

    ours: Turn
    echo: Turn


def main() -> int:
    """Runs the benchmark; the exit code."""
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # an exit that stops the servers on its way
    try:
        with (
            running("cds_service.app:create_app()", check_cards) as ours,
            running("bench.echo:app", check_echo) as echo,
        ):
            rounds = _measure(ours, echo, arguments)
    except (MeasureError, OSError, HTTPException) as error:
        sys.stderr.write(f"bench: {type(error).__name__}: {error}\n")
        return 1
    _show(rounds)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--requests", type=_count, default=25, help="requests a turn (default %(default)s)")
    parser.add_argument("--rounds", type=_count, default=40, help="turns of each server and size (default %(default)s)")
    parser.add_argument("--seed", default="1", help="of the bodies (default %(default)s)")
    return parser.parse_args()


def _count(printed: str) -> int:
    number = int(printed)
    if not 1 <= number <= 500:
        raise argparse.ArgumentTypeError("expected 1 to 500")
    return number


def _measure(ours: Server, echo: Server, arguments: argparse.Namespace) -> dict[Size, list[_Round]]:
    """Rounds of every size, until there are enough or time is up; who begins changes with each."""
    deadline = time.monotonic() + _MOST_SECONDS
    found: dict[Size, list[_Round]] = defaultdict(list)
    for size in SIZES:
        _round(ours, echo, bodies(size, _WARM_UP_REQUESTS, f"{arguments.seed} warm-up", datetime.now(UTC)), True)
    for number in range(arguments.rounds):
        for size in SIZES:
            if time.monotonic() < deadline or not found[size]:
                sent = bodies(size, arguments.requests, f"{arguments.seed} {number}", datetime.now(UTC))
                found[size].append(_round(ours, echo, sent, number % 2 == 0))
    return found


def _round(ours: Server, echo: Server, sent: list[bytes], ours_first: bool) -> _Round:
    order = (ours, echo) if ours_first else (echo, ours)
    turns = {server.port: take_turn(server, sent) for server in order}
    return _Round(turns[ours.port], turns[echo.port])


def _show(found: dict[Size, list[_Round]]) -> None:
    fewest = min(map(len, found.values()))
    title = "Our service / a bare Flask echo, one gunicorn worker each"
    caption = f"CPU: user + system of the worker, a request. Ratio: median of {fewest} rounds."
    table = Table(title=title, caption=caption, box=SIMPLE, pad_edge=False)
    table.add_column("body", no_wrap=True)
    for heading in ("CPU ratio", "lowest-highest", "CPU ms", "p50 ms", "p99 ms"):
        table.add_column(heading, justify="right", no_wrap=True)
    for size, rounds in found.items():
        ratios = [both.ours.cpu / both.echo.cpu for both in rounds]
        ratio, spread = f"{median(ratios):.1f}", f"{min(ratios):.1f}-{max(ratios):.1f}"
        table.add_row(size.name, ratio, spread, _cpu(rounds), _latency(rounds, 50), _latency(rounds, 99))
    Console().print(table)


def _cpu(rounds: list[_Round]) -> str:
    ours, echo = (1000 * median(cpu) for cpu in ([r.ours.cpu for r in rounds], [r.echo.cpu for r in rounds]))
    return f"{ours:.1f} / {echo:.1f}"


def _latency(rounds: list[_Round], percent: int) -> str:
    both = ([t for r in rounds for t in r.ours.latencies], [t for r in rounds for t in r.echo.latencies])
    ours, echo = (1000 * _percentile(latencies, percent) for latencies in both)
    return f"{ours:.1f} / {echo:.1f}"


def _percentile(latencies: list[float], percent: int) -> float:
    """Of one latency only, that one."""
    return quantiles(latencies, n=100, method="inclusive")[percent - 1] if len(latencies) > 1 else latencies[0]


if __name__ == "__main__":
    sys.exit(main())
