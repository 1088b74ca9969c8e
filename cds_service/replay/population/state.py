"""What a run keeps in its folder while it works, so that one that was stopped goes on where it stood."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cds_service.errors import InputFileError
from cds_service.knowledge import identity
from cds_service.replay.population.deciding import Basis
from cds_service.replay.population.run import SUMMARY
from cds_service.replay.population.summary import Summary

RUN, _WORK = "run.json", "work"
#: In what two runs that are compared must not differ.
_COMPARED = ("as_of", "every_result", "pseudonyms")


@dataclass(frozen=True, slots=True)
class Identity:
    """What makes two runs the same: a run goes on only by what it was begun with."""

    software: str
    knowledge: str
    input: str
    site: str
    as_of: str
    every_result: bool
    pseudonyms: str

    def begun(self, started: datetime) -> dict[str, Any]:
        """What is written of a run that began at ``started``."""
        return {**asdict(self), "started": started.isoformat()}

    @classmethod
    def of(cls, basis: Basis, read: Iterable[str]) -> "Identity":
        """Of a run that reads what ``read`` tells of."""
        decides = basis.site.model_dump_json(include={"rule", "threshold", "local_code"})
        keys = basis.pseudonyms.keys
        return cls(
            software=version("b2m-cds-service"),
            knowledge=f"{identity.source().version} {identity.knowledge_hash()}",
            input=_hash("\n".join(read)),
            site=_hash(decides),
            as_of=basis.as_of.isoformat() if basis.as_of else "newest B2M",
            every_result=basis.every_result,
            pseudonyms=f"{keys[0].id} {basis.client}" if keys and basis.client is not None else "",
        )


def listing(files: Iterable[Path]) -> Iterator[str]:
    """What tells whether files are still the same: path, size, time of change."""
    for file in files:
        about = file.stat()
        yield f"{file.resolve()} {about.st_size} {about.st_mtime_ns}"


def _hash(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


class Folder:
    """The folder of a run: its results, and ``work`` with what it needs until it is done.

    Raises:
        InputFileError: there is something else in it.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.work = path, path / _WORK
        if path.exists() and not path.is_dir():
            raise InputFileError(f"{path} is no folder")
        if path.is_dir() and any(path.iterdir()) and not self.work.is_dir():
            raise InputFileError(f"{path} is not empty and holds no unfinished run; name another folder")

    @contextmanager
    def begun(self, who: Identity, started: datetime) -> Iterator[datetime]:
        """Holds the folder for one run and says when that began: now, or when it was first begun.

        Raises:
            InputFileError: an unfinished run of something else is in it, or one that is still at work.
        """
        self.work.mkdir(parents=True, exist_ok=True)
        with (self.work / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise InputFileError(f"another run is at work in {self.path}") from None
            yield self._since(who, started)

    def _since(self, who: Identity, started: datetime) -> datetime:
        file = self.work / RUN
        if not file.is_file():
            write_whole(file, json.dumps(who.begun(started)))
        begun = json.loads(file.read_text("utf-8"))
        differ = [name for name, value in asdict(who).items() if begun.get(name) != value]
        if differ:
            raise InputFileError(
                f"{self.path} holds an unfinished run with other {', '.join(differ)}; "
                f"finish that one as it was begun, remove {self.work}, or name another folder"
            )
        return datetime.fromisoformat(begun["started"])

    def finish(self, summary: Summary) -> None:
        """Writes what the run was and came to, and removes what it no longer needs."""
        begun = json.loads((self.work / RUN).read_text("utf-8"))
        write_whole(self.path / f"{SUMMARY}.csv", summary.csv())
        write_whole(self.path / RUN, json.dumps(begun | summary.counts()))
        shutil.rmtree(self.work)

    def writing(self, path: Path) -> AbstractContextManager[Path]:
        """A name to write a result under until it is whole."""
        return writing(path, self.work)


def read_run(folder: Path) -> str:
    """What a finished run tells of itself, "" where there is none. Spark writes a folder where we write a file."""
    told = folder / RUN
    try:
        files = sorted(told.glob("part-*")) if told.is_dir() else [told]
        return "".join(file.read_text("utf-8") for file in files)
    except (OSError, ValueError):
        return ""


def since(earlier: str, told: str, who: Identity) -> datetime:
    """When an earlier run began that ``who`` is to be compared with: neither decides anything of a later time.

    Raises:
        InputFileError: it told nothing of itself, or was one at other times or under other pseudonyms.
    """
    try:
        found = json.loads(told)
        differ = [name for name in _COMPARED if found[name] != getattr(who, name)]
        started = datetime.fromisoformat(found["started"])
    except (ValueError, TypeError, KeyError):
        raise InputFileError(f"{earlier} holds no finished run ({RUN})") from None
    if differ:
        raise InputFileError(f"{earlier} holds a run with other {', '.join(differ)}: nothing can be compared")
    return started


def write_whole(path: Path, text: str) -> None:
    """A file that is there whole or not at all."""
    with writing(path) as unfinished:
        unfinished.write_text(text, "utf-8")


@contextmanager
def writing(path: Path, inside: Path | None = None) -> Iterator[Path]:
    """A name to write under, beside ``path`` or ``inside`` a folder: what stands there becomes ``path`` once whole."""
    unfinished = (inside or path.parent) / f"{path.name}.{os.getpid()}.unfinished"
    yield unfinished
    unfinished.replace(path)
