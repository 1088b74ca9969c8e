"""Constant load while nothing fails: whether the workers' memory stays flat."""

import time
from collections.abc import Sequence
from statistics import linear_regression, median

from bench.faults import Fault, Times, loaded, outcome_of
from bench.load import percentile
from bench.processes import memory, workers_of
from bench.report import circumstances, note, table, tell

_SAMPLES_A_MINUTE = 12
#: Of the time, in which caches fill.
_WARM_UP = 0.2


def measure_soak(minutes: float, times: Times) -> bool:
    """Loads the service for so many minutes and tells; whether nothing happened that never may.

    Args:
        minutes: of load.
        times: its rate, and how many workers there are.
    """
    samples: list[tuple[float, float]] = []
    note(f"soak of {minutes:g} minutes")
    with loaded(Fault("soak"), times) as (at, load):
        with load.running():
            began = time.monotonic()
            while (passed := time.monotonic() - began) < 60 * minutes:
                time.sleep(min(60 / _SAMPLES_A_MINUTE, 6 * minutes))
                uss = [one.uss for worker in workers_of(at.process) if (one := memory(worker))]
                samples.append((passed / 60, sum(uss) / max(len(uss), 1) / 1024))
        found = outcome_of(at, load, began, time.monotonic(), replayed=False)
    kept = samples[int(len(samples) * _WARM_UP) :]
    fifth = max(1, len(kept) // 5)
    answered = [event.seconds for event in found.events if event.outcome == "right"]
    tell(circumstances())
    rows = [
        ["calls a second, sent", f"{len(found.events) / (60 * minutes):.1f}"],
        ["sent", str(len(found.events))],
        *([outcome, str(found.counts[outcome])] for outcome in ("right", "incomplete", "refused", "lost", "wrong")),
        ["feedback acknowledged / stored", f"{found.acknowledged} / {found.stored}"],
        ["p50, p99 ms", f"{1000 * percentile(answered, 50):.1f}, {1000 * percentile(answered, 99):.1f}"],
        ["USS of a worker after the warm-up, MiB", f"{_mean(kept[:fifth]):.1f}"],
        ["at the end, MiB", f"{_mean(kept[-fifth:]):.1f}"],
        ["slope, KiB a minute and worker", f"{_slope(kept):.0f}"],
    ]
    tell(table([f"{times.workers} workers, {minutes:g} minutes", ""], rows))
    return not found.is_bad


def _mean(samples: Sequence[tuple[float, float]]) -> float:
    return median(mib for _, mib in samples)


def _slope(samples: Sequence[tuple[float, float]]) -> float:
    minutes, mib = zip(*samples, strict=True)
    return 1024 * linear_regression(minutes, mib).slope if len(samples) > 1 else 0.0
