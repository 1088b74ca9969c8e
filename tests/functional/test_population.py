"""``cds-service population`` as it is run: processes killed and taken up again, files for their owner, Apache Spark."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner

from cds_service.cli.main import cli
from cds_service.replay.population.deciding import Result
from tests import population_export

_MOST_SECONDS = 240
_PATIENTS = 400
_BROKEN = len(population_export.BROKEN)


def command(*options: object) -> list[str]:
    return [sys.executable, "-m", "cds_service", "population", *map(str, options)]


def run(*options: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603
        command(*options), env={**os.environ, **environment}, capture_output=True, text=True, timeout=_MOST_SECONDS
    )


def rows_of(folder: Path, table: str = "findings") -> list[Any]:
    path = folder / f"{table}.parquet"
    inside = "/*.parquet" if path.is_dir() else ""
    return duckdb.execute(f"FROM read_parquet('{path}{inside}') ORDER BY ALL").fetchall()


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of made-up patients, with lines that cannot be used."""
    folder = tmp_path_factory.mktemp("population") / "export"
    population_export.write(folder, _PATIENTS, seed=5, lines_a_file=150)
    return folder


@pytest.fixture(scope="module")
def whole(export: Path) -> Path:
    """What an undisturbed run makes of it."""
    out = export.parent / "whole"
    found = run(export, "--out", out, "--jobs", 2)
    assert found.returncode == 3, found.stderr
    assert f"{_PATIENTS} patients, {_PATIENTS // 4} with a B2M result" in found.stdout
    return out


def test_every_patient_with_a_b2m_result_is_there_once(whole: Path) -> None:
    expected = {population_export.patient(5, number)[0]["id"] for number in range(0, _PATIENTS, 4)}
    rows = [Result(*row) for row in rows_of(whole)]
    assert {row.patient for row in rows} == expected
    assert len({(row.patient, row.rule, row.specimen, row.finding) for row in rows}) == len(rows)


def test_what_was_put_aside_is_named_by_file_and_line(whole: Path, export: Path) -> None:
    found = rows_of(whole, "quarantine")
    file = export / "broken.00000.ndjson.gz"
    assert [row[:2] for row in found] == [(str(file), number) for number in range(1, _BROKEN + 1)]


def test_csv_and_parquet_hold_the_same(whole: Path) -> None:
    with (whole / "findings.csv").open(newline="", encoding="utf-8") as file:
        names, *rows = csv.reader(file)
    assert tuple(names) == Result._fields
    assert sorted(map(tuple, rows)) == rows_of(whole)


def test_what_is_written_is_for_its_owner_only_and_nothing_is_left_over(whole: Path) -> None:
    names = {path.name: path.stat().st_mode & 0o777 for path in whole.iterdir()}
    tables = {f"{table}.{kind}" for table in ("findings", "quarantine") for kind in ("csv", "parquet")}
    assert names == dict.fromkeys({*tables, "summary.csv", "run.json"}, 0o600)
    assert whole.stat().st_mode & 0o777 == 0o700


def processes_of(parent: int) -> set[int]:
    """The processes below another, by the kernel's own list."""
    below = Path(f"/proc/{parent}/task/{parent}/children")
    return {int(number) for number in below.read_text().split()} if below.exists() else set()


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition: Any) -> None:
    deadline = time.monotonic() + _MOST_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


@pytest.mark.parametrize("stage", ["staged", "decided"])
def test_a_run_that_is_killed_goes_on_and_loses_and_doubles_nothing(
    whole: Path, export: Path, tmp_path: Path, stage: str
) -> None:
    out = tmp_path / "out"
    options = (export, "--out", out, "--jobs", 2, "--parts", 40)
    with subprocess.Popen(command(*options), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as killed:  # noqa: S603
        wait_until(lambda: len(list((out / "work").glob(f"{stage}/*0*.ndjson"))) >= (1 if stage == "staged" else 4))
        workers = processes_of(killed.pid)
        killed.send_signal(signal.SIGKILL)
    wait_until(lambda: not any(map(is_running, workers)))
    assert not (out / "run.json").exists()
    before = {file: file.stat().st_mtime_ns for file in (out / "work").glob("decided/part*.ndjson")}
    assert len(before) < 40
    found = run(*options)
    assert found.returncode == 3, found.stderr
    assert rows_of(out) == rows_of(whole)
    assert rows_of(out, "quarantine") == rows_of(whole, "quarantine")


def test_a_site_profile_is_compared_with_the_service_as_it_comes(whole: Path, export: Path, tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text('[[rule]]\nid = "kidney-context"\nmode = "off"\nreason = "tried"\n')
    found = run(
        export, "--out", tmp_path / "out", "--jobs", 1, "--compare", whole, SITE_PROFILE=str(tmp_path / "site.toml")
    )
    assert found.returncode == 3, found.stderr
    before = {row[:1] for row in rows_of(whole) if Result(*row).rule == "kidney-context"}
    after = rows_of(tmp_path / "out", "differences")
    gone = {row[:1] for row in after if row[4:6] == ("kidney-context", "gone")}
    assert gone == before
    assert {Result(*row).rule for row in rows_of(tmp_path / "out")}.isdisjoint({"kidney-context"})


def test_exit_codes_say_what_was_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "umask", lambda mask: 0)
    export = tmp_path / "a.ndjson"
    patient = {"resourceType": "Patient", "id": "1", "subject": None}
    context = {"patientId": "1", "userId": "Practitioner/1"}

    def code(line: object, *options: str) -> int:
        export.write_text(f"{json.dumps(line)}\n")
        out = tmp_path / str(len(list(tmp_path.iterdir())))
        return (
            CliRunner().invoke(cli, ["population", str(export), "--out", str(out), "--jobs", "1", *options]).exit_code
        )

    assert code(patient) == 0
    assert code([]) == 3
    assert code({"hook": "patient-view", "context": context}) == 4
    assert code(patient, "--compare", str(tmp_path / "1")) == 0
    assert code(patient, "--pseudonyms", "ehr") == 1
    (tmp_path / "keys").write_text(f"k:{'0f' * 32}")
    monkeypatch.setenv("PSEUDONYM_KEYS", str(tmp_path / "keys"))
    assert code(patient, "--pseudonyms", "ehr") == 0


def test_differences_are_shown_and_make_it_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "umask", lambda mask: 0)
    resource = next(r for r in population_export.patient(1, 0) if "1952-1" in json.dumps(r))
    (tmp_path / "a.ndjson").write_text(json.dumps(resource))
    asked = ["population", str(tmp_path / "a.ndjson"), "--jobs", "1", "--out"]
    assert CliRunner().invoke(cli, [*asked, str(tmp_path / "before")]).exit_code == 0
    (tmp_path / "site.toml").write_text('[[rule]]\nid = "*"\nmode = "off"\nreason = "tried"\n')
    monkeypatch.setenv("SITE_PROFILE", str(tmp_path / "site.toml"))
    found = CliRunner().invoke(cli, [*asked, str(tmp_path / "after"), "--compare", str(tmp_path / "before")])
    assert found.exit_code == 1, found.output
    assert "gone" in found.output


HAS_SPARK = bool(find_spec("pyspark") and shutil.which("java"))


@pytest.mark.spark
@pytest.mark.skipif(not HAS_SPARK, reason="pyspark or Java is not installed: .ci/run installs both")
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")  # py4j's
def test_spark_comes_to_the_same_rows(
    whole: Path, export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "umask", lambda mask: 0)
    asked = ["--engine", "spark", "--master", "local[2]", "--out", tmp_path / "out", "--compare", whole]
    found = CliRunner().invoke(cli, ["population", str(export), *map(str, asked)])
    assert found.exit_code == 3, found.output
    assert rows_of(tmp_path / "out") == rows_of(whole)
    ours = [(Path(file).name, *place) for file, *place in rows_of(whole, "quarantine")]
    assert [(Path(file).name, *place) for file, *place in rows_of(tmp_path / "out", "quarantine")] == ours
    assert rows_of(tmp_path / "out", "differences") == []
    (summary,) = (tmp_path / "out" / "summary.csv").glob("*.txt")
    assert summary.read_text() == (whole / "summary.csv").read_text()
    modes = {path.stat().st_mode & 0o077 for path in (tmp_path / "out").rglob("*")}
    assert modes == {0}


@pytest.mark.spark
@pytest.mark.skipif(not HAS_SPARK, reason="pyspark or Java is not installed: .ci/run installs both")
def test_without_java_it_is_said(tmp_path: Path) -> None:
    found = run(tmp_path, "--out", tmp_path / "out", "--engine", "spark", JAVA_HOME=str(tmp_path))
    assert found.returncode == 1
    assert "needs Java 17" in found.stderr


def test_without_pyspark_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "umask", lambda mask: 0)
    for name in ("pyspark", "pyspark.sql", "pyspark.errors"):
        monkeypatch.setitem(sys.modules, name, None)
    asked = ["population", str(tmp_path), "--out", str(tmp_path / "out"), "--engine", "spark"]
    found = CliRunner().invoke(cli, asked)
    assert found.exit_code == 1
    assert "b2m-cds-service[spark]" in found.output
