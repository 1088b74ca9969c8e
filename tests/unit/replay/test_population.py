"""Populations in this process: what is taken from an export, how patients are joined, as of when, and what is told."""

import gzip
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cds_service.config import Settings, SiteProfile
from cds_service.errors import CdsServiceError, ConfigurationError, InputFileError
from cds_service.fhir.local_codes import NO_LOCAL_CODES
from cds_service.knowledge.model import load
from cds_service.record.pseudonyms import Key, Pseudonyms
from cds_service.replay.calls import SERVICES, fixtures_folder, prepare, read_fixtures
from cds_service.replay.inputs import Fault, Input, parse
from cds_service.replay.outcome import rules_of
from cds_service.replay.population import export, pool, spark, staging
from cds_service.replay.population.deciding import Basis, Decider, Result
from cds_service.replay.population.export import Line, Unusable
from cds_service.replay.population.local import run_local
from cds_service.replay.population.pool import spread
from cds_service.replay.population.run import Run
from cds_service.replay.population.staging import Row, stage
from cds_service.replay.population.summary import Summary
from cds_service.replay.run import decide_here
from tests import population_export

STARTED = datetime(2026, 7, 1, 6, 0, tzinfo=UTC)
BASIS = Basis(Settings(), SiteProfile(), STARTED)
Json = dict[str, Any]


def run(paths: Iterable[Path], out: Path, basis: Basis = BASIS, compare: Path | None = None, **options: Any) -> Summary:
    earlier = str(compare) if compare else None
    return run_local(Run(tuple(map(str, paths)), str(out), basis, compare=earlier, **options), lambda *_: None)


def rows_of(out: Path, table: str = "findings") -> list[Any]:
    return duckdb.execute(f"FROM '{out}/{table}.parquet'").fetchall()


def findings(out: Path) -> list[Result]:
    return [Result(*row) for row in rows_of(out)]


def b2m(patient: str, day: str, value: float = 4.2, **more: Any) -> Json:
    coding = {"system": "http://loinc.org", "code": "1952-1"}
    quantity = {"value": value, "unit": "mg/L", "system": "http://unitsofmeasure.org", "code": "mg/L"}
    return {
        "resourceType": "Observation",
        "id": f"b2m-{patient}-{day[:10]}",
        "status": "final",
        "subject": {"reference": f"Patient/{patient}"},
        "code": {"coding": [coding]},
        "effectiveDateTime": day,
        "valueQuantity": quantity,
        **more,
    }


def written(path: Path, *resources: Json) -> Path:
    path.write_text("".join(f"{json.dumps(resource)}\n" for resource in resources), "utf-8")
    return path


def staged(document: Any) -> list[Row | Unusable]:
    return list(stage(Line("f", 3, json.dumps(document).encode()), NO_LOCAL_CODES))


# ------------------------------------------------------------------ what is taken from an export


@pytest.mark.parametrize(("line", "problem"), population_export.BROKEN, ids=range(len(population_export.BROKEN)))
def test_a_broken_line_is_told_of_by_place_and_kind_and_never_quoted(line: bytes, problem: str) -> None:
    (found,) = stage(Line("export/a.ndjson", 7, line), NO_LOCAL_CODES)
    assert isinstance(found, Unusable)
    assert (found.file, found.line) == ("export/a.ndjson", 7)
    assert problem in found.problem
    assert "under_score" not in found.problem


def test_what_breaks_the_reading_of_a_line_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "with_contained", lambda resource: 1 / 0)
    (found,) = staged({"resourceType": "Patient", "id": "1"})
    assert found == Unusable("f", 3, "cannot be taken apart (ZeroDivisionError)")


def test_a_resource_that_is_too_long_is_put_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "_MOST_CHARACTERS", 30)
    assert staged({"resourceType": "Patient", "id": "1"})[0] == Unusable("f", 3, "a resource of over 30 characters")


@pytest.mark.parametrize(
    "reference", ["Patient/p-1", "https://ehr.example.org/fhir/Patient/p-1/_history/2", "urn:uuid:p-1"]
)
def test_a_patient_is_known_by_any_form_of_reference(reference: str) -> None:
    (row,) = staged(b2m("x", "2026-01-01", subject={"reference": reference}))
    assert isinstance(row, Row)
    assert (row.patient, row.kind, row.b2m) == ("p-1", "own", True)


def test_only_what_the_rules_may_read_is_kept() -> None:
    heart_rate = b2m("1", "2026-01-01", code={"coding": [{"system": "http://loinc.org", "code": "8867-4"}]})
    assert staged(heart_rate) == []
    assert staged({"resourceType": "Encounter", "subject": {"reference": "Patient/1"}}) == []
    assert staged({"transactionTime": "2026-01-01T00:00:00Z", "output": []}) == []


def test_a_report_is_kept_for_the_results_that_it_contains() -> None:
    inner = b2m("1", "2026-01-01") | {"id": "in", "subject": None}
    report = {"resourceType": "DiagnosticReport", "id": "r", "status": "final", "contained": [inner]}
    (row,) = staged(report | {"subject": {"reference": "Patient/1"}})
    assert isinstance(row, Row)
    assert (row.patient, row.b2m) == ("1", True)
    assert staged(report | {"contained": [{"resourceType": "Practitioner"}]}) == []


def test_what_a_resource_refers_to_goes_with_its_patient() -> None:
    found = staged(b2m("1", "2026-01-01", specimen={"reference": "https://x/Specimen/s/_history/1"}))
    assert [row.key for row in found if isinstance(row, Row) and row.kind == "refers"] == ["Specimen/s"]
    (specimen,) = staged({"resourceType": "Specimen", "id": "s", "subject": {"reference": "Patient/1"}})
    assert isinstance(specimen, Row)
    assert (specimen.patient, specimen.kind, specimen.key) == ("", "shared", "Specimen/s")


def test_references_by_full_url_in_a_bundle_lead_on() -> None:
    def by_url(name: str) -> Json:
        return {"reference": f"urn:uuid:{name}"}

    entries = [
        {"fullUrl": "urn:uuid:aaa", "resource": {"resourceType": "Patient"}},
        {"fullUrl": "urn:uuid:bbb", "resource": {"resourceType": "Specimen", "id": "s"}},
        {"resource": b2m("x", "2026-01-01", subject=by_url("aaa"), specimen=by_url("bbb"))},
        {"resource": "none"},
        {"resource": {"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "Patient", "id": "p-2"}}]}},
    ]
    found = [row for row in staged({"resourceType": "Bundle", "entry": entries}) if isinstance(row, Row)]
    assert [(row.patient, row.kind, row.key) for row in found] == [
        ("aaa", "own", ""),
        ("", "shared", "Specimen/s"),
        ("aaa", "own", ""),
        ("aaa", "refers", "Specimen/s"),
        ("p-2", "own", ""),
    ]


def test_a_file_that_breaks_off_counts_up_to_there(tmp_path: Path) -> None:
    whole = gzip.compress(b"".join(b'{"line": %d}\n' % number for number in range(20_000)))
    (tmp_path / "a.ndjson.gz").write_bytes(whole[: len(whole) // 2])
    *lines, broken = export.read_lines(tmp_path / "a.ndjson.gz")
    assert isinstance(broken, Unusable)
    assert broken.line == len(lines) + 1 > 100
    assert broken.problem == "the file cannot be read from here on (EOFError)"


def test_a_line_that_is_too_long_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "MOST_BYTES", 10)
    (tmp_path / "a.ndjson").write_bytes(b'{"a": 1}\n\n' + b"x" * 35 + b'\n{"b": 2}\n')
    (tmp_path / "b.json").write_bytes(b"x" * 35)
    read = [line for name in ("a.ndjson", "b.json") for line in export.read_lines(tmp_path / name)]
    assert [(type(line).__name__, getattr(line, "number", getattr(line, "line", None))) for line in read] == [
        ("Line", 1),
        ("Unusable", 3),
        ("Line", 4),
        ("Unusable", 0),
    ]


@pytest.mark.parametrize(("path", "said"), [("gone", "no such file"), (".", "no .ndjson")])
def test_an_export_that_is_none_is_said(tmp_path: Path, path: str, said: str) -> None:
    with pytest.raises(InputFileError, match=said):
        run([tmp_path / path], tmp_path / "out")


# ------------------------------------------------------------------ as of when


def test_each_patient_is_decided_at_the_end_of_the_day_of_the_newest_b2m(tmp_path: Path) -> None:
    results = [b2m("1", "2025-02-03T23:30:00-05:00"), b2m("1", "2025-09-01"), b2m("1", "2099-01-01", status="final")]
    export_file = written(tmp_path / "a.ndjson", *results, b2m("1", "2026-03-03", status="entered-in-error"))
    run([export_file], tmp_path / "all", Basis(Settings(), SiteProfile(), STARTED, every_result=True))
    assert sorted({row.as_of for row in findings(tmp_path / "all")}) == [
        "2025-02-03T23:59:59-05:00",
        "2025-09-01T23:59:59+00:00",
        STARTED.isoformat(),
    ]
    run([export_file], tmp_path / "newest")
    assert {row.as_of for row in findings(tmp_path / "newest")} == {STARTED.isoformat()}
    given_time = datetime(2025, 9, 2, tzinfo=UTC)
    run([export_file], tmp_path / "given", Basis(Settings(), SiteProfile(), STARTED, as_of=given_time))
    assert {row.as_of for row in findings(tmp_path / "given")} == {given_time.isoformat()}


def test_a_result_without_a_day_is_decided_as_of_the_start(tmp_path: Path) -> None:
    run([written(tmp_path / "a.ndjson", b2m("1", "soon"))], tmp_path / "out")
    (row,) = findings(tmp_path / "out")
    assert row.as_of == STARTED.isoformat()
    assert "b2m" in row.missing_json


# ------------------------------------------------------------------ what comes of it


def test_every_patient_with_b2m_comes_to_what_replay_makes_of_the_same_chart(tmp_path: Path) -> None:
    population_export.write(tmp_path / "export", 60, seed=7, lines_a_file=50)
    summary = run([tmp_path / "export"], tmp_path / "out")
    assert (summary.patients, summary.decided, summary.calls, summary.undecided) == (60, 15, 15, 0)
    assert summary.unusable == len(population_export.BROKEN)
    expected = set()
    for number in range(0, 60, 4):
        resources = population_export.patient(7, number)
        patient = resources[0]["id"]
        entries = [{"fullUrl": f"urn:uuid:{patient}", "resource": resources[0]}]
        entries += [{"resource": r} for r in (*resources[1:], *population_export.shared())]
        document = parse(json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}).encode())
        days = [r["effectiveDateTime"][:10] for r in resources if "1952-1" in json.dumps(r.get("code", ""))]
        prepared = prepare(Input("", document), SERVICES)
        assert not isinstance(prepared, Fault)
        outcome = decide_here(prepared.calls[0], as_of=datetime.fromisoformat(f"{max(days)}T23:59:59+02:00"))
        expected |= {(patient, *said.split("/")) for card in outcome.cards for said in rules_of(card)}
    shown = {(row.patient, row.rule, row.finding) for row in findings(tmp_path / "out") if row.shown == "card"}
    assert shown == expected
    assert len(shown) > 50


def test_the_specimen_that_a_result_refers_to_is_read_with_it() -> None:
    urine = {"coding": [{"system": "http://snomed.info/sct", "code": "122575003", "display": "Urine specimen"}]}
    specimen = ("shared", json.dumps({"resourceType": "Specimen", "id": "s", "type": urine}))
    result = ("own", json.dumps(b2m("1", "2026-01-01", specimen={"reference": "Specimen/s"})))
    told = [{row.finding for row in Decider(BASIS)("1", rows)} for rows in ([result], [result, specimen])]
    assert told[0] != told[1]


def test_lists_of_requests_are_decided_one_by_one(tmp_path: Path) -> None:
    cases = [case for case in read_fixtures(fixtures_folder()) if case.expected["status"] == 200]
    (tmp_path / "ward.ndjson").write_text("".join(f"{json.dumps(c.request, default=float)}\n" for c in cases), "utf-8")
    summary = run([tmp_path / "ward.ndjson"], tmp_path / "out")
    names = {case.request["hookInstance"] for case in cases}
    assert {row.call for row in findings(tmp_path / "out")} == names
    assert summary.undecided == 0


def test_a_request_that_cannot_be_read_is_told_of_and_the_others_are_decided(tmp_path: Path) -> None:
    context = {"patientId": "1", "userId": "Practitioner/1"}
    wrong = {"hook": "patient-view", "hookInstance": "none", "context": context}
    broken = {**wrong, "prefetch": {"b2m": {"resourceType": "Bundle", "entry": [{"resource": {"resourceType": []}}]}}}
    good = b2m("2", "2026-01-01")
    summary = run([written(tmp_path / "a.ndjson", wrong, broken, good)], tmp_path / "out")
    assert (summary.calls, summary.undecided) == (2, 1)
    problems = {row.patient: row.problem for row in findings(tmp_path / "out")}
    assert "hookInstance" in problems["1"]
    assert problems["2"] == ""


def test_a_chart_or_a_request_that_breaks_the_reading_stops_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    decider = Decider(BASIS)
    monkeypatch.setattr(decider, "_times", lambda resources: 1 / 0)
    request = {"hook": "patient-view", "hookInstance": "x", "context": {"patientId": "1"}}
    found = list(decider("1", [("own", json.dumps(b2m("1", "2026-01-01"))), ("request", json.dumps(request))]))
    assert [(row.call, row.problem) for row in found] == [
        ("chart", "could not be decided (ZeroDivisionError)"),
        ("request", "could not be decided (ZeroDivisionError)"),
    ]


def test_a_rule_that_fails_is_told_of_beside_the_others() -> None:
    decider = Decider(BASIS)
    level = next(rule for rule in decider.rules if rule.id == "serum-level")
    broken = level.model_copy().deciding_by(lambda facts, rule: 1 / 0)  # type: ignore[arg-type,return-value]
    decider.rules = tuple(broken if rule is level else rule for rule in decider.rules)
    found = list(decider("1", [("own", json.dumps(b2m("1", "2026-01-01")))]))
    assert [r.problem for r in found if r.rule == broken.id] == ["the rule could not be run (ZeroDivisionError)"]
    assert any(row.finding for row in found)


def test_ids_become_the_pseudonyms_of_the_store(tmp_path: Path) -> None:
    keys = Pseudonyms((Key("k", b"0" * 32),))
    basis = Basis(Settings(), SiteProfile(), STARTED, pseudonyms=keys, client="ehr")
    run([written(tmp_path / "a.ndjson", b2m("alice", "2026-01-01"))], tmp_path / "out", basis)
    found = findings(tmp_path / "out")
    assert {row.patient for row in found} == {keys.of("patient", "ehr", "alice")}
    everything = b"".join(p.read_bytes() for p in (tmp_path / "out").iterdir() if p.suffix in (".csv", ".json"))
    assert b"alice" not in everything
    assert keys.of("result", "ehr", "Observation/b2m-alice-2026-01-01") in json.loads(found[-1].results_json)


def test_the_summary_has_every_rule_and_its_rates(tmp_path: Path) -> None:
    limits = [{"high": {"value": 2.3, "unit": "mg/L", "system": "http://unitsofmeasure.org", "code": "mg/L"}}]
    charts = [b2m(str(n), "2026-01-01", value=9.0 if n else 1.0, referenceRange=limits) for n in range(4)]
    summary = run([written(tmp_path / "a.ndjson", *charts)], tmp_path / "out")
    asked = [(rule.id, name) for rule in load() if rule.asked_by == "results" for name in rule.outcomes]
    assert [(fired.rule, fired.finding) for fired in summary.firing] == sorted(asked)
    (above,) = (f for f in summary.firing if (f.rule, f.finding) == ("serum-level", "above_laboratory"))
    assert (above.patients, above.calls, summary.per_thousand(above)) == (3, 3, 750.0)
    assert f"serum-level,{above.version},above_laboratory,3,3,750.00," in (tmp_path / "out" / "summary.csv").read_text()


def test_an_export_without_b2m_is_a_run_too(tmp_path: Path) -> None:
    summary = run([written(tmp_path / "a.ndjson", {"resourceType": "Patient", "id": "1"})], tmp_path / "out")
    assert (summary.patients, summary.decided, findings(tmp_path / "out")) == (1, 0, [])
    assert summary.per_thousand(summary.firing[0]) == 0


# ------------------------------------------------------------------ two runs


def profile(**entries: Any) -> SiteProfile:
    return SiteProfile.model_validate(entries)


def test_two_site_profiles_are_compared(tmp_path: Path) -> None:
    export_file = written(tmp_path / "a.ndjson", b2m("1", "2026-01-01"), b2m("2", "2026-01-01"))
    run([export_file], tmp_path / "before")
    assert run([export_file], tmp_path / "same", compare=tmp_path / "before").differences == ()
    off = profile(
        rule=[
            {"id": "serum-level", "mode": "off", "reason": "tried"},
            {"id": "trend", "mode": "silent", "reason": "tried"},
        ]
    )
    basis = Basis(Settings(), off, datetime(2026, 8, 1, tzinfo=UTC))
    summary = run([export_file], tmp_path / "after", basis, compare=tmp_path / "before")
    assert summary.differences is not None
    assert ("serum-level", "gone", 2) in summary.differences
    assert "serum-level" not in {fired.rule for fired in summary.firing}
    assert len(rows_of(tmp_path / "after", "differences")) == sum(count for *_, count in summary.differences)


def test_runs_that_cannot_be_compared_are_refused(tmp_path: Path) -> None:
    export_file = written(tmp_path / "a.ndjson", b2m("1", "2026-01-01"))
    with pytest.raises(InputFileError, match="no finished run"):
        run([export_file], tmp_path / "out", compare=tmp_path)
    run([export_file], tmp_path / "before")
    basis = Basis(Settings(), SiteProfile(), STARTED, every_result=True)
    with pytest.raises(InputFileError, match="other every_result"):
        run([export_file], tmp_path / "out", basis, compare=tmp_path / "before")


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    export_file = written(tmp_path / "a.ndjson", b2m("1", "2026-01-01"))
    with pytest.raises(InputFileError, match="not empty"):
        run([export_file], tmp_path)
    with pytest.raises(InputFileError, match="is no folder"):
        run([export_file], export_file)


def test_a_run_that_broke_off_goes_on_only_as_it_was_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    charts = [b2m(str(n), "2026-01-01") for n in range(20)]
    export_file, out = written(tmp_path / "a.ndjson", *charts), tmp_path / "out"
    decided = Decider.__call__
    with monkeypatch.context() as patch:
        patch.setattr(
            Decider, "__call__", lambda self, patient, rows: decided(self, patient, rows) if patient != "7" else 1 / 0
        )
        with pytest.raises(ZeroDivisionError):
            run([export_file], out, parts=8)
    done = sorted((out / "work" / "decided").glob("part*.ndjson"))
    stamps = [file.stat().st_mtime_ns for file in done]
    other = Basis(Settings(), profile(rule=[{"id": "*", "mode": "silent", "reason": "tried"}]), STARTED)
    with pytest.raises(InputFileError, match="unfinished run with other site"):
        run([export_file], out, other, parts=8)
    later = Basis(Settings(), SiteProfile(), datetime(2026, 9, 1, tzinfo=UTC))
    finish, kept = "cds_service.replay.population.state.shutil.rmtree", []
    monkeypatch.setattr(finish, lambda path, **_: kept.append(path))
    run([export_file], out, later, parts=8)
    assert [file.stat().st_mtime_ns for file in done] == stamps
    assert json.loads((out / "run.json").read_text())["started"] == STARTED.isoformat()
    run([export_file], tmp_path / "whole", parts=3)
    assert rows_of(out) == rows_of(tmp_path / "whole")


def test_two_runs_at_once_in_one_folder_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    export_file, out = written(tmp_path / "a.ndjson", b2m("1", "2026-01-01")), tmp_path / "out"
    refused: list[object] = []

    def meanwhile(step: str, done: int, total: int) -> None:
        if step == "Writing" and not refused:
            with pytest.raises(InputFileError, match="at work") as caught:
                run([export_file], out)
            refused.append(caught)

    run_local(Run((str(export_file),), str(out), BASIS), meanwhile)
    assert len(refused) == 1


def test_without_duckdb_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "duckdb", None)
    with pytest.raises(ConfigurationError, match=r"b2m-cds-service\[population\]"):
        run([written(tmp_path / "a.ndjson", b2m("1", "2026-01-01"))], tmp_path / "out")


@pytest.mark.parametrize(
    ("error", "remedy"), [(duckdb.OutOfMemoryException, "--memory-mb"), (duckdb.IOException, "needs disk")]
)
def test_what_duckdb_fails_of_is_said_by_its_kind(tmp_path: Path, error: type[Exception], remedy: str) -> None:
    def fail(step: str, done: int, total: int) -> None:
        raise error("Alice")

    export_file = written(tmp_path / "a.ndjson", b2m("1", "2026-01-01"))
    with pytest.raises(CdsServiceError, match=remedy) as caught:
        run_local(Run((str(export_file),), str(tmp_path / "out"), BASIS), fail)
    assert error.__name__ in str(caught.value)
    assert "Alice" not in str(caught.value)


def _die(task: int) -> int:
    return __import__("os")._exit(task)  # type: ignore[no-any-return]


def test_a_process_that_dies_is_said() -> None:
    with pytest.raises(CdsServiceError, match="goes on where it stood"):
        list(spread(_die, [9], jobs=2))


def test_tasks_are_spread_over_processes() -> None:
    assert sorted(spread(abs, range(-20, 0), jobs=2)) == [(number, -number) for number in range(-20, 0)]


def test_a_worker_ends_with_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = Queue[int]()
    monkeypatch.setattr("multiprocessing.parent_process", lambda: Thread(target=lambda: None))
    monkeypatch.setattr(Thread, "join", lambda self: None)
    monkeypatch.setattr("os._exit", ended.put)
    pool._end_with_parent()
    assert ended.get(timeout=5) == 1


# ------------------------------------------------------------------ on Spark


def test_lines_of_a_piece_of_a_file_are_counted_from_where_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spark, "MOST_BYTES", 5)
    told = [
        {"file": "a", "start": 0, "first": 1, "body": b"{}"},
        {"file": "a", "start": 0, "first": 1, "body": b""},
        {"file": "a", "start": 0, "first": 1, "body": b"123456"},
        {"file": "a", "start": 90, "first": 1, "body": b"[]"},
        {"file": "b", "start": 0, "first": 0, "body": b"{}"},
    ]
    assert list(spark._numbered(told)) == [
        Line("a", 1, b"{}"),
        Unusable("a", 3, "longer than 5 bytes"),
        Line("a#byte=90", 1, b"[]"),
        Line("b", 0, b"{}"),
    ]


def test_workers_of_spark_stage_and_decide_as_ours_do() -> None:
    bodies = [json.dumps(b2m("1", "2026-01-01")).encode(), b"[]", b" "]
    lines = [{"file": "a", "start": 0, "first": 1, "body": body} for body in bodies]
    row, unusable = spark._stage(BASIS, lines)
    assert row == (*next(stage(Line("a", 1, bodies[0]), NO_LOCAL_CODES)), None, None, None)  # type: ignore[misc]
    assert unusable == (None, None, None, None, None, "a", 2, "no JSON object")
    given_row = {"patient": "1", "kind": "own", "body": row[4]}
    assert list(spark._decide(BASIS, [given_row])) == list(Decider(BASIS)("1", [("own", row[4])]))


# ------------------------------------------------------------------ whatever way it is cut


_LINES = [line for kind, line in population_export.lines(12, seed=3) if kind != "Encounter"]
_BROKEN = [line for line, _ in population_export.BROKEN[:4]]


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chance=st.randoms(use_true_random=False), files=st.integers(1, 6), parts=st.integers(1, 5))
def test_however_lines_are_spread_over_files_the_rows_are_the_same(
    tmp_path_factory: pytest.TempPathFactory, chance: Any, files: int, parts: int
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    lines = [*_LINES, *_BROKEN, chance.choice(_LINES)]
    chance.shuffle(lines)
    (folder / "export").mkdir()
    for number in range(files):
        (folder / "export" / f"{number}.ndjson").write_bytes(b"\n".join(lines[number::files]))
    summary = run([folder / "export"], folder / "out", parts=parts)
    assert summary.unusable == len(_BROKEN)
    assert rows_of(folder / "out") == _in_one_file(tmp_path_factory)


_once: list[Any] = []


def _in_one_file(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    if not _once:
        folder = tmp_path_factory.mktemp("one")
        (folder / "all.ndjson").write_bytes(b"\n".join(_LINES))
        run([folder / "all.ndjson"], folder / "out")
        _once.extend(rows_of(folder / "out"))
    return _once
