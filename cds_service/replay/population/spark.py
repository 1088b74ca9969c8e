"""A population on Apache Spark: the same rows, the same joins and the same decisions, by what a data platform runs.

The workers need this package installed. Spark tries again what fails by itself, so nothing is kept to go on with.
"""

import json
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from cds_service.config import Settings, SiteProfile
from cds_service.errors import CdsServiceError, ConfigurationError
from cds_service.replay.inputs import EXPECTED
from cds_service.replay.population import queries
from cds_service.replay.population.deciding import Basis, Result, decider
from cds_service.replay.population.export import MOST_BYTES, Line, Unusable
from cds_service.replay.population.run import DIFFERENCES, FINDINGS, QUARANTINE, SUMMARY, Progress, Run
from cds_service.replay.population.staging import Row, stage
from cds_service.replay.population.state import RUN, Identity, since
from cds_service.replay.population.summary import Summary, summarise

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_STAGED = "patient string, kind string, key string, b2m boolean, body string"
_UNUSABLE = "file string, line bigint, problem string"
_FOUND = f"{_STAGED}, {_UNUSABLE}"
_RESULTS = ", ".join(f"{name} string" for name in Result._fields)
_ON_ONE_MACHINE = {
    "ui.enabled": "false",
    "driver.host": "127.0.0.1",
    "driver.bindAddress": "127.0.0.1",
    "sql.shuffle.partitions": "16",
}
#: Deciding takes far longer than moving: Spark would put into one part what is small in bytes.
_PARTS_A_CORE = 4
_NO_ROW, _NOTHING_UNUSABLE = (None,) * 5, (None,) * 3


def run_spark(run: Run, master: str, progress: Progress) -> Summary:
    """Decides an export by the Spark of ``master``. Paths and folders are what Spark reaches.

    Raises:
        ConfigurationError: pyspark or Java is not there, or the site's profile cannot be used.
        CdsServiceError: Spark gave up, as when it cannot reach a path or the folder is there already.
    """
    decider(run.basis)
    session = _session(master)
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        session.sparkContext.setLogLevel("OFF")
        return _run(session, run, progress)
    except PySparkException as error:
        raise CdsServiceError(f"Spark gave up: {type(error).__name__} {error.getCondition() or ''}".rstrip()) from error
    except Py4JError as error:
        raise CdsServiceError(f"Spark gave up: {type(error).__name__}; its own log says why") from error
    finally:
        session.stop()


def _session(master: str) -> "SparkSession":
    try:
        from pyspark.errors import PySparkException
        from pyspark.sql import SparkSession
    except ImportError:
        raise ConfigurationError("pyspark is not installed; pip install 'b2m-cds-service[spark]'") from None
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.master(master).appName("cds-service population")
    builder = builder.config("spark.hadoop.fs.permissions.umask-mode", "077").config(
        "spark.sql.session.timeZone", "UTC"
    )
    builder = builder.config("spark.ui.showConsoleProgress", "false")
    for name, value in _ON_ONE_MACHINE.items() if master.startswith("local") else ():
        builder = builder.config(f"spark.{name}", value)
    try:
        return builder.getOrCreate()
    except PySparkException as error:
        raise ConfigurationError(
            f"Spark cannot be started ({type(error).__name__}); it needs Java 17 or later"
        ) from None


def _run(session: "SparkSession", run: Run, progress: Progress) -> Summary:
    from pyspark import StorageLevel

    who = Identity.of(run.basis, run.paths)
    basis = _to_be_sent(run.basis)
    if run.compare:
        told = session.read.text(f"{run.compare}/{RUN}").collect()
        basis = replace(basis, started=since(run.compare, "".join(row[0] for row in told), who))
    progress("Deciding", 0, 1)
    lines = _lines(session, run.paths)
    found = session.createDataFrame(lines.rdd.mapPartitions(partial(_stage, basis)), _FOUND)
    found = found.persist(StorageLevel.DISK_ONLY)
    found.where("kind IS NOT NULL").createOrReplaceTempView("staged")
    _save(session, found.where("problem IS NOT NULL").select("file", "line", "problem"), run, QUARANTINE)
    parts = run.parts or _PARTS_A_CORE * session.sparkContext.defaultParallelism
    grouped = session.sql(queries.GROUPED).repartition(parts, "patient").sortWithinPartitions("patient")
    decided = grouped.rdd.mapPartitions(partial(_decide, basis))
    _save(session, session.createDataFrame(decided, _RESULTS), run, FINDINGS)
    patients = session.sql(queries.PATIENTS).first()
    found.unpersist()
    session.read.parquet(_table(run, FINDINGS)).createOrReplaceTempView("results")
    session.read.parquet(_table(run, QUARANTINE)).createOrReplaceTempView("unusable")
    if run.compare:
        session.read.parquet(f"{run.compare}/{FINDINGS}.parquet").createOrReplaceTempView("earlier")
        _save(session, session.sql(queries.DIFFERENCES), run, DIFFERENCES)
        session.read.parquet(_table(run, DIFFERENCES)).createOrReplaceTempView("differences")
    summary = summarise(
        lambda query: [tuple(row) for row in session.sql(query).collect()],
        decider(run.basis).rules,
        patients=patients[0] if patients else 0,
        compared=run.compare is not None,
    )
    _write_text(session, f"{run.out}/{SUMMARY}.csv", summary.csv().rstrip("\n"))
    _write_text(session, f"{run.out}/{RUN}", json.dumps(who.begun(basis.started) | summary.counts()))
    progress("Deciding", 1, 1)
    return summary


def _to_be_sent(basis: Basis) -> Basis:
    """What the workers decide by, without what is none of their business: tokens, addresses, passwords."""
    settings = Settings.model_construct(
        max_entries=basis.settings.max_entries,
        propose_stage=basis.settings.propose_stage,
        chart_review_max_age_days=basis.settings.chart_review_max_age_days,
    )
    site = SiteProfile(rule=basis.site.rule, threshold=basis.site.threshold, local_code=basis.site.local_code)
    return replace(basis, settings=settings, site=site)


def _write_text(session: "SparkSession", path: str, value: str) -> None:
    session.createDataFrame([(value,)], "value string").coalesce(1).write.text(path)


def _table(run: Run, name: str) -> str:
    return f"{run.out}/{name}.parquet"


def _save(session: "SparkSession", rows: "DataFrame", run: Run, name: str) -> None:
    """As Parquet, and as CSV from that: folders of files, as Spark writes."""
    rows.write.parquet(_table(run, name))
    session.read.parquet(_table(run, name)).write.csv(f"{run.out}/{name}.csv", header=True, escape='"')


def _lines(session: "SparkSession", paths: Iterable[str]) -> "DataFrame":
    """The lines of NDJSON files and the whole of JSON files: file, where its piece begins, 0 for a document, bytes."""
    reader = session.read.option("recursiveFileLookup", True)
    read = list(paths)
    lines = reader.option("pathGlobFilter", "*.{ndjson,jsonl,ndjson.gz,jsonl.gz}").text(read, lineSep="\n")
    documents = reader.option("pathGlobFilter", "*.{json,json.gz}").text(read, wholetext=True)
    about = "_metadata.file_path AS file", "_metadata.file_block_start AS start"
    return lines.selectExpr(*about, "1 AS first", "CAST(value AS binary) AS body").unionAll(
        documents.where(f"_metadata.file_name <> '{EXPECTED}'").selectExpr(
            *about, "0 AS first", "CAST(value AS binary) AS body"
        )
    )


def _stage(basis: Basis, lines: Iterable[Any]) -> Iterator[tuple[Any, ...]]:
    codes = basis.codes()
    for line in _numbered(lines):
        for found in stage(line, codes) if isinstance(line, Line) else (line,):
            if isinstance(found, Row):
                yield (*found, *_NOTHING_UNUSABLE)
            else:
                yield (*_NO_ROW, found.file, found.line, found.problem)


def _numbered(lines: Iterable[Any]) -> Iterator[Line | Unusable]:
    """Lines by their number. In a piece of a file that Spark cut, counted from the byte where that begins."""
    for (file, start), piece in groupby(lines, key=itemgetter("file", "start")):
        name = f"{file}#byte={start}" if start else file
        for number, line in enumerate(piece, 1):
            place, body = number * line["first"], bytes(line["body"])
            if len(body) > MOST_BYTES:
                yield Unusable(name, place, f"longer than {MOST_BYTES} bytes")
            elif body.strip():
                yield Line(name, place, body)


def _decide(basis: Basis, rows: Iterable[Any]) -> Iterator[Result]:
    for patient, held in groupby(rows, key=itemgetter("patient")):
        yield from decider(basis)(patient, ((row["kind"], row["body"]) for row in held))
