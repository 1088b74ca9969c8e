"""Paths to documents: what is read, what it is called, what is said of the rest."""

import gzip
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from cds_service.replay.inputs import Fault, Input, read_inputs


def read(*paths: Path | str, stdin: bytes = b"") -> list[Input | Fault]:
    return list(read_inputs([str(path) for path in paths], io.BytesIO(stdin)))


def documents(found: list[Input | Fault]) -> list[Any]:
    return [f.document for f in found if isinstance(f, Input)]


def test_files_of_every_kind(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a": 1.50}')
    (tmp_path / "b.json.gz").write_bytes(gzip.compress(b'{"b": 1}'))
    (tmp_path / "c.ndjson").write_text('{"c": 1}\n\n{"c": 2}\n')
    (tmp_path / "d.jsonl.gz").write_bytes(gzip.compress(b'{"d": 1}\n'))
    (tmp_path / "e.txt").write_text("not looked at")
    assert documents(read(tmp_path)) == [{"a": Decimal("1.50")}, {"b": 1}, {"c": 1}, {"c": 2}, {"d": 1}]
    assert [f.name.split("/")[-1] for f in read(tmp_path)][2:4] == ["c.ndjson:1", "c.ndjson:3"]
    assert documents(read(tmp_path / "e.txt")) == []


def test_standard_input_may_be_one_document_or_one_a_line() -> None:
    assert documents(read("-", stdin=b'{"a":\n 1}')) == [{"a": 1}]
    assert documents(read("-", stdin=b'{"a": 1}\n{"a": 2}\n')) == [{"a": 1}, {"a": 2}]
    (fault,) = read("-", stdin=b'{"a"')
    assert fault == Fault("-", "no JSON: Expecting ':' delimiter (line 1, column 5)")


def test_one_bad_input_does_not_stop_the_rest(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{")
    (tmp_path / "b.json").write_text("[]")
    (tmp_path / "c.json.gz").write_bytes(b"not gzip")
    (tmp_path / "d.json.gz").write_bytes(gzip.compress(b'{"a": 1}')[:-4])
    (tmp_path / "e.ndjson").write_text('{"e": 1}\n{"e"\n{"e": 3}')
    (tmp_path / "f.json").write_bytes(b'{"f": "\xff"}')
    (tmp_path / "g.json").write_text('{"g": ' + "[" * 100_000)
    found = read(tmp_path, tmp_path / "gone")
    assert documents(found) == [{"e": 1}, {"e": 3}]
    faults = {f.name.split("/")[-1]: f.message for f in found if isinstance(f, Fault)}
    assert set(faults) == {"a.json", "b.json", "c.json.gz", "d.json.gz", "e.ndjson:2", "f.json", "g.json", "gone"}
    assert faults["gone"] == "there is no such file or folder"
    assert faults["b.json"].startswith("expected a JSON object")
    assert faults["c.json.gz"].startswith("cannot be read")


def test_expectations_beside(tmp_path: Path) -> None:
    (tmp_path / "request.json").write_text("{}")
    (tmp_path / "many.ndjson").write_text('{"id": "a"}\n{"id": "b"}')
    expected = {"as_of": "2026-01-01", "cards": [], "inputs": {"a": {"cards": [1]}}}
    (tmp_path / "expected.json").write_text(json.dumps(expected))
    first, second, request = read(tmp_path)
    assert isinstance(first, Input)
    assert isinstance(second, Input)
    assert isinstance(request, Input)
    assert first.expected == {"as_of": "2026-01-01", "cards": [1]}
    assert second.expected == {"as_of": "2026-01-01"}
    assert request.expected == expected


def test_expectations_that_cannot_be_read_are_said(tmp_path: Path) -> None:
    (tmp_path / "request.json").write_text("{}")
    for text in ("{", "[]"):
        (tmp_path / "expected.json").write_text(text)
        fault, request = read(tmp_path)
        assert isinstance(fault, Fault)
        assert fault.name.endswith("expected.json")
        assert isinstance(request, Input)
        assert request.expected == {}
