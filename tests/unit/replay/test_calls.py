"""Recorded charts to calls, and dates moved."""

import gzip
import json
from decimal import Decimal
from pathlib import Path

import pytest

from cds_service.errors import InputFileError
from cds_service.fhir.gather import PAGE_SIZE, prefetch_templates
from cds_service.models import HookRequest
from cds_service.replay import calls
from cds_service.replay.calls import calls_of_bundle, dump_json, read_fixtures, read_ndjson
from cds_service.replay.dates import moved
from tests.unit.fhir.make import bundle, condition, observation, patient, quantity


def test_a_bundle_is_the_whole_chart_of_each_patient_in_it() -> None:
    creatinine = observation("2160-0", quantity(1, "mg/dL"), id="cr")
    stranger = observation(id="x", subject={"reference": "Patient/q"})
    document = bundle(patient(), observation(), creatinine, condition(("urn:x", "y")), stranger)
    first, second = calls_of_bundle(document, "lab-result-review")
    assert HookRequest.model_validate(first).context.patientId == "p"
    assert set(first["prefetch"]) == set(prefetch_templates())
    held = {key: len(value["entry"]) for key, value in first["prefetch"].items() if key != "patient"}
    assert held == {"b2m": 1, "kidney": 1, "myeloma": 0, "urine": 0, "conditions": 1}
    assert second["context"]["patientId"] == "q"
    assert second["prefetch"]["patient"] is None


def test_numbers_keep_their_digits() -> None:
    assert dump_json({"a": Decimal("3.20"), "b": [Decimal("1E+2")]}) == b'{"a": 3.20, "b": [1E+2]}'
    with pytest.raises(TypeError, match="set is no JSON"):
        dump_json({"a": {1}})


def test_ndjson_names_the_line_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "x.ndjson.gz"
    path.write_bytes(gzip.compress(b'{"a": 1.50}\n{"a": \n'))
    lines = read_ndjson(path)
    assert next(lines) == {"a": Decimal("1.50")}
    with pytest.raises(InputFileError, match=r"x\.ndjson\.gz, line 2"):
        next(lines)


def test_a_fixture_that_is_no_json_is_named(tmp_path: Path) -> None:
    case = tmp_path / "case"
    case.mkdir()
    (case / "request.json").write_text("{")
    with pytest.raises(InputFileError, match=r"expected\.json: No such file"):
        list(read_fixtures(tmp_path))
    (case / "expected.json").write_text(json.dumps({"as_of": "2026-01-01T00:00:00Z", "service": "x"}))
    with pytest.raises(InputFileError, match=r"request\.json: "):
        list(read_fixtures(tmp_path))


def test_fixtures_may_lie_in_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "cds_service"
    (package / "replay").mkdir(parents=True)
    monkeypatch.setattr(calls, "__file__", str(package / "replay" / "calls.py"))
    with pytest.raises(InputFileError, match="run from a checkout"):
        calls.fixtures_folder()
    (package / "fixtures").mkdir()
    assert calls.fixtures_folder() == (package / "fixtures").resolve()


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("2026-03-02", "2026-03-05"),
        ("2026-02-27", "2026-03-02"),
        ("2026-03-02T08:10:00+01:00", "2026-03-05T08:10:00+01:00"),
        ("2026-03", "2026-03"),
        ("2026", "2026"),
        ("seen 2026-03-02", "seen 2026-03-02"),
        ("2026-02-30", "2026-02-30"),
        ("9999-12-31", "9999-12-31"),
        (7, 7),
        (None, None),
    ],
)
def test_dates_are_moved_by_whole_days(printed: object, expected: object) -> None:
    assert moved({"a": [printed]}, 3) == {"a": [expected]}


def test_a_page_holds_more_than_a_fixture() -> None:
    assert PAGE_SIZE >= 20
