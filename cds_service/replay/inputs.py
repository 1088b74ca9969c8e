"""Paths to JSON documents: files, folders, NDJSON, each also gzipped, standard input. One bad input stops nothing."""

import gzip
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

from cds_service.errors import InputFileError
from cds_service.fhir.shape import Json, text

STDIN = "-"
LINES = (".ndjson", ".jsonl")
_KINDS = (".json", *LINES)
EXPECTED = "expected.json"


@dataclass(frozen=True, slots=True)
class Input:
    """A document with the name it goes by (file, and line or id) and what is expected of it."""

    name: str
    document: Json
    expected: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fault:
    """An input that could not be used: where, and why."""

    name: str
    message: str


def read_inputs(paths: Iterable[str], stdin: IO[bytes]) -> Iterator[Input | Fault]:
    """The documents under ``paths``, folders with all that is below them; "-" is standard input.

    Expectations are taken from an ``expected.json`` beside a file: for ``request.json`` the whole of it, for any other
    file what it says under ``inputs`` for the document's id, with the ``as_of`` of all.
    """
    for name in paths:
        if name == STDIN:
            yield from _documents(STDIN, stdin.read(), lines=None, expected={})
            continue
        path = Path(name)
        if not path.exists():
            yield Fault(name, "there is no such file or folder")
        for file in files(path) if path.exists() else ():
            yield from _read_file(file)


def files(path: Path) -> list[Path]:
    """The files that may hold documents: ``path`` itself, or all below it, by name."""
    if path.is_file():
        return [path]
    return sorted(f for f in path.rglob("*") if f.is_file() and suffix(f) in _KINDS and f.name != EXPECTED)


def suffix(path: Path) -> str:
    """How a file's name ends, but for .gz."""
    return path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix


def _read_file(path: Path) -> Iterator[Input | Fault]:
    try:
        body = path.read_bytes()
        body = gzip.decompress(body) if path.suffix == ".gz" else body
    except (OSError, EOFError) as error:
        yield Fault(str(path), f"cannot be read: {error}")
        return
    try:
        expected = _expected_beside(path)
    except InputFileError as error:
        yield Fault(str(path.with_name(EXPECTED)), str(error))
        expected = {}
    yield from _documents(str(path), body, lines=suffix(path) in LINES, expected=expected)


def _expected_beside(path: Path) -> Json:
    beside = path.with_name(EXPECTED)
    if not beside.is_file():
        return {}
    found = parse(beside.read_bytes())
    if not isinstance(found, dict):
        raise InputFileError("expected a JSON object")
    return found if path.name == "request.json" else {"of": found}


def _documents(name: str, body: bytes, *, lines: bool | None, expected: Json) -> Iterator[Input | Fault]:
    """One document, or one a line; where ``lines`` is None, whichever the text turns out to be."""
    if lines is None:
        try:
            parse(body)
            lines = False
        except InputFileError:
            lines = b"\n" in body.strip()
    if not lines:
        yield _document(name, body, expected)
        return
    for number, line in enumerate(body.splitlines(), 1):
        if line.strip():
            yield _document(f"{name}:{number}", line, expected)


def _document(name: str, body: bytes, expected: Json) -> Input | Fault:
    try:
        document = parse(body)
    except InputFileError as error:
        return Fault(name, str(error))
    if not isinstance(document, dict):
        return Fault(name, "expected a JSON object: a CDS Hooks request, a Bundle or a FHIR resource")
    common = expected.get("of")
    if isinstance(common, dict):
        own = common.get("inputs", {}).get(text(document, "id"), {})
        expected = {"as_of": common["as_of"], **own} if "as_of" in common else own
    return Input(name, document, expected)


def parse(body: bytes) -> Any:
    """JSON with numbers as Decimal.

    Raises:
        InputFileError: it is none; the message says where.
    """
    try:
        return json.loads(body.decode("utf-8-sig"), parse_float=Decimal)
    except json.JSONDecodeError as error:
        raise InputFileError(f"no JSON: {error.msg} (line {error.lineno}, column {error.colno})") from error
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise InputFileError(f"no JSON that can be read ({type(error).__name__})") from error
