"""A population on one machine: files to rows in every process, rows joined by DuckDB, parts decided in every process.

Each step leaves whole files in the folder's ``work``; what is there is not made again.
"""

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

from cds_service.replay.population import queries, tables
from cds_service.replay.population.deciding import Basis, Result, decider
from cds_service.replay.population.export import Line, export_files, read_lines
from cds_service.replay.population.pool import spread
from cds_service.replay.population.run import DIFFERENCES, FINDINGS, QUARANTINE, Progress, Run
from cds_service.replay.population.staging import Row, stage
from cds_service.replay.population.state import Folder, Identity, listing, read_run, since, write_whole, writing
from cds_service.replay.population.summary import Summary, summarise

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

RESULTS = dict.fromkeys(Result._fields, "VARCHAR")
_BATCH_BYTES, _BATCH_FILES = 4_000_000, 1000
_PATIENTS_A_PART, _MOST_PARTS = 100, 256
_WORKER_MB = 256


def run_local(run: Run, progress: Progress) -> Summary:
    """Decides an export, or goes on with it.

    Raises:
        InputFileError: the export, the folder or the run to compare with cannot be used.
        ConfigurationError: the site's profile cannot be used, or DuckDB is not installed.
        CdsServiceError: a process died, or memory or disk were not enough.
    """
    files = export_files(run.paths)
    folder = Folder(Path(run.out))
    who = Identity.of(run.basis, listing(files))
    started = since(run.compare, read_run(Path(run.compare)), who) if run.compare else run.basis.started
    decider(run.basis)
    tables.connect(folder.work / "spill", run.memory_mb, run.jobs).close()
    with folder.begun(who, started) as begun, tables.failures_named():
        run = replace(run, basis=replace(run.basis, started=begun))
        grouped = folder.work / "grouped"
        if not grouped.is_dir():
            _stage(run, folder, files, progress)
            _group(run, folder, grouped, progress)
        _decide(run, folder, grouped, progress)
        return _write(run, folder, progress)


# ------------------------------------------------------------------ files to rows


def _stage(run: Run, folder: Folder, files: list[Path], progress: Progress) -> None:
    (folder.work / "staged").mkdir(exist_ok=True)
    (folder.work / "unusable").mkdir(exist_ok=True)
    batches = list(enumerate(_batches(files)))
    size = {number: sum(file.stat().st_size for file in batch) for number, batch in batches}
    left = [(n, batch) for n, batch in batches if not _staged(folder.work, n).is_file()]
    total = sum(size.values())
    done = total - sum(size[n] for n, _ in left)
    progress("Reading", done, total)
    for (number, _), _ in spread(partial(_stage_batch, run.basis, folder.work), left, run.jobs):
        done += size[number]
        progress("Reading", done, total)


def _staged(work: Path, number: int) -> Path:
    return work / "staged" / f"{number:06}.ndjson"


def _batches(files: Iterable[Path]) -> Iterator[list[Path]]:
    """Files in lots that are worth a process's while."""
    batch: list[Path] = []
    held = 0
    for file in files:
        batch.append(file)
        held += file.stat().st_size
        if held >= _BATCH_BYTES or len(batch) >= _BATCH_FILES:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


def _stage_batch(basis: Basis, work: Path, task: tuple[int, list[Path]]) -> None:
    """Reads files. That its rows are there says that all of it is, so they get their name last."""
    number, files = task
    codes = basis.codes()
    aside = work / "unusable" / f"{number:06}.ndjson"
    with (
        writing(_staged(work, number)) as rows,
        writing(aside) as unusable,
        rows.open("w", encoding="utf-8") as kept,
        unusable.open("w", encoding="utf-8") as refused,
    ):
        for line in (line for file in files for line in read_lines(file)):
            for found in stage(line, codes) if isinstance(line, Line) else (line,):
                if isinstance(found, Row):
                    kept.write(tables.as_line(found._asdict()))
                else:
                    refused.write(tables.as_line(asdict(found)))


# ------------------------------------------------------------------ rows by patient


def _group(run: Run, folder: Folder, grouped: Path, progress: Progress) -> None:
    progress("Joining by patient", 0, 1)
    unfinished = folder.work / "grouped.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    with tables.connect(folder.work / "spill", run.memory_mb, run.jobs) as connection:
        connection.execute(f"CREATE VIEW staged AS FROM {tables.ndjson(folder.work / 'staged', tables.STAGED)}")
        patients, reviewed = connection.execute(f"SELECT ({queries.PATIENTS}), ({queries.REVIEWED})").fetchall()[0]
        parts = run.parts or min(max(reviewed // _PATIENTS_A_PART, 1), _MOST_PARTS)
        connection.execute(
            f"COPY (FROM ({queries.GROUPED}) SELECT hash(patient) % {parts} AS part, *) TO {tables.quoted(unfinished)} "
            "(FORMAT parquet, COMPRESSION zstd, PARTITION_BY (part), OVERWRITE_OR_IGNORE)"
        )
    write_whole(folder.work / "patients.json", json.dumps(patients))
    unfinished.rename(grouped)
    shutil.rmtree(folder.work / "staged")
    progress("Joining by patient", 1, 1)


# ------------------------------------------------------------------ parts to results


def _decide(run: Run, folder: Folder, grouped: Path, progress: Progress) -> None:
    decided = folder.work / "decided"
    decided.mkdir(exist_ok=True)
    (decided / "nobody.ndjson").touch()
    parts = sorted(grouped.iterdir())
    left = [part for part in parts if not (decided / f"{part.name}.ndjson").is_file()]
    done = len(parts) - len(left)
    progress("Deciding", done, len(parts))
    for _ in spread(partial(_decide_part, run.basis, decided), left, run.jobs):
        done += 1
        progress("Deciding", done, len(parts))


def _decide_part(basis: Basis, decided: Path, part: Path) -> None:
    spill = decided.parent / f"spill-{os.getpid()}"
    with (
        tables.connect(spill, _WORKER_MB, threads=1) as connection,
        writing(decided / f"{part.name}.ndjson") as unfinished,
        unfinished.open("w", encoding="utf-8") as file,
    ):
        rows = tables.streamed(connection, f"FROM {tables.parquet(part)} SELECT patient, kind, body ORDER BY patient")
        for patient, held in groupby(rows, key=itemgetter(0)):
            for result in decider(basis)(patient, ((kind, body) for _, kind, body in held)):
                file.write(tables.as_line(result._asdict()))


# ------------------------------------------------------------------ results to tables


def _write(run: Run, folder: Folder, progress: Progress) -> Summary:
    progress("Writing", 0, 1)
    with tables.connect(folder.work / "spill", run.memory_mb, run.jobs) as connection:
        connection.execute("SET preserve_insertion_order = true")

        def save(query: str, name: str) -> None:
            """As Parquet, and as CSV from that."""
            whole = folder.path / f"{name}.parquet"
            with folder.writing(whole) as file:
                connection.execute(f"COPY ({query}) TO {tables.quoted(file)} (FORMAT parquet, COMPRESSION zstd)")
            with folder.writing(folder.path / f"{name}.csv") as file:
                connection.execute(f"COPY (FROM {tables.parquet(whole)}) TO {tables.quoted(file)} (FORMAT csv, HEADER)")

        save(f"FROM {tables.ndjson(folder.work / 'decided', RESULTS)} ORDER BY ALL", FINDINGS)
        save(f"FROM {tables.ndjson(folder.work / 'unusable', tables.UNUSABLE)} ORDER BY ALL", QUARANTINE)
        _view(connection, "results", folder.path, FINDINGS)
        _view(connection, "unusable", folder.path, QUARANTINE)
        if run.compare:
            _view(connection, "earlier", Path(run.compare), FINDINGS)
            save(queries.DIFFERENCES, DIFFERENCES)
            _view(connection, "differences", folder.path, DIFFERENCES)
        patients = json.loads((folder.work / "patients.json").read_text("utf-8"))
        summary = summarise(
            lambda query: connection.execute(query).fetchall(),
            decider(run.basis).rules,
            patients=patients,
            compared=run.compare is not None,
        )
    folder.finish(summary)
    progress("Writing", 1, 1)
    return summary


def _view(connection: "DuckDBPyConnection", name: str, folder: Path, table: str) -> None:
    connection.execute(f"CREATE VIEW {name} AS FROM {tables.parquet(folder / f'{table}.parquet')}")
