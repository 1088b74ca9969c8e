"""What the service should cost at most beside others, and whether it does."""

import os
from collections.abc import Iterator
from statistics import median

from bench.turns import Found, cpu_ratios, of_all

_OURS, _ECHO, _BUNDLES = "ours, open access", "echo", "fhir.resources, whole Bundles"
_UNKNOWN = "40 kB + 180 unknown"
_TWICE_THE_CORES = 2 * (os.cpu_count() or 1)


def aims(found: Found) -> Iterator[list[str]]:
    """Each aim, its limit, and the median of the rounds where it was measured."""
    for size, most in (("40 kB", 4.0), ("400 kB", 1.3), ("4 MB", 1.0)):
        yield _row(f"CPU, ours / echo, {size}", most, cpu_ratios(found, size, _OURS, _ECHO))
    for size, most in (("40 kB", 1 / 3), ("400 kB", 1 / 15)):
        yield _row(f"CPU, ours / whole Bundles, {size}", most, cpu_ratios(found, size, _OURS, _BUNDLES))
    yield _row("CPU, 180 unknown Observations / none", 2.0, cpu_ratios(found, _UNKNOWN, _OURS, _OURS, "40 kB"))
    yield _row("p50 ms, one connection, 40 kB", 3.0, _milliseconds(found, 1, 50))
    yield _row("p99 ms, 8 connections, 40 kB", 50.0, _milliseconds(found, 8, 99))
    p50, p99 = (_milliseconds(found, _TWICE_THE_CORES, percent) for percent in (50, 99))
    ratio = [median(p99) / median(p50)] if p50 and p99 else []
    yield _row(f"p99 / p50, {_TWICE_THE_CORES} connections, 40 kB", 4.0, ratio)


def _milliseconds(found: Found, connections: int, percent: int) -> list[float]:
    turns = found.get(("40 kB", connections, _OURS), [])
    return [1000 * of_all(turns, percent)] if turns else []


def _row(aim: str, most: float, numbers: list[float]) -> list[str]:
    if not numbers:
        return [aim, f"{most:.2f}", "not measured"]
    value = median(numbers)
    return [aim, f"{most:.2f}", f"{value:.2f}{'' if value <= most else ' **missed**'}"]
