"""The files of an export and what lies in them, line by line. What cannot be read is told of and never stops a run."""

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from cds_service.errors import InputFileError
from cds_service.replay.inputs import LINES, files, suffix

#: A line or a document that is longer is not read: it would have to be held in memory.
MOST_BYTES = 100_000_000


@dataclass(frozen=True, slots=True)
class Line:
    """A line of NDJSON by its number, from 1; a whole document under number 0."""

    file: str
    number: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Unusable:
    """A line, or a part of it, that could not be used: where, and the kind of problem; never what it holds."""

    file: str
    line: int
    problem: str


def export_files(paths: tuple[str, ...]) -> list[Path]:
    """All files under ``paths`` that an export may consist of, in a steady order.

    Raises:
        InputFileError: a path is not there, or there is no such file under any of them.
    """
    found: dict[Path, None] = {}
    for name in paths:
        if not Path(name).exists():
            raise InputFileError(f"{name}: there is no such file or folder")
        found |= dict.fromkeys(files(Path(name)))
    if not found:
        raise InputFileError(f"no .ndjson, .jsonl or .json, gzipped or not, under {', '.join(paths)}")
    return sorted(found)


def read_lines(path: Path) -> Iterator[Line | Unusable]:
    """The lines of a file, or the one document that it is. A file that breaks off counts up to there."""
    number = 0
    try:
        with _opened(path) as stream:
            if suffix(path) not in LINES:
                body = stream.read(MOST_BYTES + 1)
                yield Line(str(path), 0, body) if len(body) <= MOST_BYTES else _too_long(path, 0)
                return
            while line := stream.readline(MOST_BYTES + 1):
                number += 1
                if len(line) > MOST_BYTES:
                    yield _too_long(path, number)
                    _pass_over(stream, line)
                elif line.strip():
                    yield Line(str(path), number, line.rstrip(b"\r\n"))
    except (OSError, EOFError, zlib.error) as error:
        yield Unusable(str(path), number + 1, f"the file cannot be read from here on ({type(error).__name__})")


def _opened(path: Path) -> IO[bytes]:
    return cast("IO[bytes]", gzip.GzipFile(path)) if path.suffix == ".gz" else path.open("rb")


def _too_long(path: Path, number: int) -> Unusable:
    return Unusable(str(path), number, f"longer than {MOST_BYTES} bytes")


def _pass_over(stream: IO[bytes], line: bytes) -> None:
    """Goes on to the end of a line."""
    while line and not line.endswith(b"\n"):
        line = stream.readline(MOST_BYTES)
