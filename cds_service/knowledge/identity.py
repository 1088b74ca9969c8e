"""Which knowledge decided: the version of the whole, and hashes of what its files say.

A hash is the SHA-256 of names and contents with line ends made equal, so that it is the same on every machine and under
every Python. A rule's covers ``rule.toml`` and ``rule.py``; that of the whole every file that may decide, the term
tables and the modules that rules share too. Cases decide nothing and are left out.
"""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from functools import cache
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from cds_service.knowledge.terms import load_toml, validated

PACKAGE = "cds_service.knowledge"
#: The files of a rule that decide what it says.
RULE_FILES = ("rule.py", "rule.toml")
_CASES = "cases.toml"
_KINDS = (".toml", ".tsv", ".py")


class Source(BaseModel):
    """``source.toml``: the version of the whole, who made it, and who paid for it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    developer: Annotated[str, Field(min_length=1)]
    funding: Annotated[str, Field(min_length=1)]


@cache
def source() -> Source:
    """What holds of all rules together.

    Raises:
        KnowledgeError: ``source.toml`` is not well formed.
    """
    return validated(Source, load_toml(PACKAGE, "source.toml"), f"{PACKAGE}/source.toml")


@cache
def knowledge_hash() -> str:
    """The hash of all that decides in this package."""
    return hash_of(deciding(files(PACKAGE)))


def deciding(folder: Traversable) -> dict[str, Traversable]:
    """Every file under a folder of knowledge that may decide, by its path from there."""
    return {name: file for name, file in _below(folder, "") if name.endswith(_KINDS) and not name.endswith(_CASES)}


def _below(folder: Traversable, at: str) -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _below(entry, f"{at}{entry.name}/")
        else:
            yield f"{at}{entry.name}", entry


def rule_hash(folder: Traversable) -> str:
    """The hash of the rule in a folder; a file that is not there counts as empty."""
    return hash_of({name: folder.joinpath(name) for name in RULE_FILES})


def hash_with(digest: str, numbers: Mapping[str, Decimal]) -> str:
    """The hash of a rule with numbers of a site's own, by the names of their thresholds; the rule's without any."""
    said = [(name, f"{numbers[name].normalize():f}".encode()) for name in sorted(numbers)]
    return _hash([("rule", digest.encode()), *said]) if said else digest


def hash_of(found: dict[str, Traversable]) -> str:
    """The hash of files by their names."""
    return _hash((name, found[name].read_bytes() if found[name].is_file() else b"") for name in sorted(found))


def _hash(contents: Iterable[tuple[str, bytes]]) -> str:
    total = sha256()
    for name, content in contents:
        text = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        total.update(b"%s\n%d\n%s" % (name.encode(), len(text), text))
    return f"sha256:{total.hexdigest()}"
