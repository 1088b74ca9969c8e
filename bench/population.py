"""What a population costs: ``python -m bench.population``. See docs/population.md.

Made-up exports of one, ten and a hundred times as many patients (``--scale``), each through ``cds-service population``
in processes of its own, whose memory the kernel adds up; then the same patients through ``decide`` alone.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from bench.processes import cpu_of_family, family, memory
from cds_service.config import SiteProfile, load_settings
from cds_service.decide import decide
from cds_service.hooks.body import parse_call
from cds_service.replay.population.deciding import Basis, Decider, chart_request
from tests import population_export

_PATIENTS, _SEED = 2000, 1
_ALONE = 300


class _Measured(NamedTuple):
    """One run: how long it took, by the clock and of all processors; memory at most; what it read and decided."""

    seconds: float
    cpu: float
    peak_mb: float
    read_mb: float
    patients: int
    decided: int


def main() -> None:
    """Measures and prints."""
    arguments = _arguments()
    table = Table(title="cds-service population", box=SIMPLE)
    for heading in (
        "engine",
        "patients",
        "read MB",
        "with B2M",
        "s",
        "CPU s",
        "patients/CPU s",
        "with B2M/CPU s",
        "MB",
    ):
        table.add_column(heading, justify="right")
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        for scale in arguments.scale:
            export = Path(folder, f"x{scale}")
            population_export.write(export, scale * _PATIENTS, _SEED)
            for engine in arguments.engine:
                found = _measure(export, engine, arguments.jobs)
                table.add_row(engine, str(found.patients), f"{found.read_mb:.1f}", *_figures(found))
            shutil.rmtree(export)
    Console(width=120).print(table)
    alone, with_reading = _alone()
    print(  # noqa: T201
        f"decide alone {alone:.2f} ms a patient; from rows to rows of results {with_reading:.2f} ms, "
        f"{with_reading / alone:.2f} times as long"
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.population", description=__doc__)
    parser.add_argument("--scale", type=int, nargs="+", default=[1, 10], help="times 2,000 patients")
    parser.add_argument("--engine", nargs="+", default=["local"], choices=["local", "spark"])
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--folder", help="where the exports and results lie meanwhile")
    return parser.parse_args()


def _figures(found: _Measured) -> Iterator[str]:
    yield str(found.decided)
    yield f"{found.seconds:.1f}"
    yield f"{found.cpu:.1f}"
    yield f"{found.patients / found.cpu:.0f}"
    yield f"{found.decided / found.cpu:.0f}"
    yield f"{found.peak_mb:.0f}"


def _measure(export: Path, engine: str, jobs: int) -> _Measured:
    out = export.with_name(f"{export.name}-{engine}")
    how = ["--jobs", str(jobs)] if engine == "local" else ["--engine", "spark", "--master", f"local[{jobs}]"]
    command = [sys.executable, "-m", "cds_service", "population", str(export), "--out", str(out), *how]
    begun = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:  # noqa: S603
        watch = _Watch(process)
        told = process.communicate()[0].splitlines()[-1]
    seconds = time.monotonic() - begun
    patients, decided = (int(word) for word in (told.split()[0], told.split()[2]))
    read = sum(file.stat().st_size for file in export.iterdir()) / 1e6
    shutil.rmtree(out)
    return _Measured(seconds, watch.cpu, watch.peak_kb / 1e3, read, patients, decided)


class _Watch:
    """What a process and all below it have of memory, what they share counted once, and what they computed."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.peak_kb = 0
        self._seconds: dict[int, float] = {}
        threading.Thread(target=self._look, args=(process,), daemon=True).start()

    @property
    def cpu(self) -> float:
        """Seconds of all processors, to the last look at each process."""
        return sum(self._seconds.values())

    def _look(self, process: "subprocess.Popen[str]") -> None:
        while process.poll() is None:
            found = (memory(member) for member in family(process.pid))
            self.peak_kb = max(self.peak_kb, sum(one.pss for one in found if one))
            self._seconds |= cpu_of_family(process.pid)
            time.sleep(0.2)


def _alone() -> tuple[float, float]:
    """Milliseconds a patient: of ``decide`` on calls that are ready, and from rows to rows of results."""
    basis = Basis(load_settings(), SiteProfile(), datetime.now(UTC))
    decider = Decider(basis)
    charts = [population_export.patient(_SEED, 4 * number) for number in range(_ALONE)]
    rows = [(chart[0]["id"], [("own", json.dumps(resource)) for resource in chart]) for chart in charts]
    read = [(patient, decider._resources(patient, [body for _, body in bodies])) for patient, bodies in rows]
    calls = [(parse_call(chart_request(patient, found)), decider._times(found)[0]) for patient, found in read]

    def once_alone() -> None:
        for call, as_of in calls:
            decide(call, rules=decider.rules, as_of=as_of, settings=basis.settings)

    def once_whole() -> None:
        for patient, bodies in rows:
            list(decider(patient, bodies))

    times: dict[str, list[float]] = {"alone": [], "whole": []}
    for _ in range(5):  # in turns, so that what else the machine does hits both
        for name, work in (("alone", once_alone), ("whole", once_whole)):
            begun = time.process_time()
            work()
            times[name].append(1000 * (time.process_time() - begun) / len(calls))
    return min(times["alone"]), min(times["whole"])


if __name__ == "__main__":
    main()
