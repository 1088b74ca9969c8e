"""What kind of specimen a code or a word stands for, and whether that contradicts the code of a result.

``specimens.toml`` beside this module is the runtime truth; what it does not know says nothing.
"""

import re
from functools import cache, lru_cache
from typing import Any

from cds_service.knowledge.terms import LONGEST_KEPT, MOST_KEPT, SNOMED, load_toml

#: HL7 v2 table 0487, specimen type: its system today and the one of FHIR STU3.
V2_0487 = ("http://terminology.hl7.org/CodeSystem/v2-0487", "http://hl7.org/fhir/v2/0487")

_PACKAGE = "cds_service.knowledge.terms"
#: Shorter words than these may be abbreviations of something else where they do not stand alone.
_SHORTEST = 4


@cache
def _tables() -> dict[str, Any]:
    return load_toml(_PACKAGE, "specimens.toml")


@cache
def kinds_by_code() -> dict[tuple[str, str], str]:
    """The kind of specimen by system and code."""
    systems = {"snomed": (SNOMED,), "v2_0487": V2_0487}
    return {
        (system, entry.split(" ", 1)[0]): row["kind"]
        for row in _tables()["specimen"]
        for name, of_name in systems.items()
        for system in of_name
        for entry in row[name]
    }


@cache
def kinds_by_word() -> dict[str, str]:
    """The kind of specimen by what it is called, in small letters."""
    return {word: row["kind"] for row in _tables()["specimen"] for word in row["words"]}


@cache
def _accepted() -> dict[str, frozenset[str]]:
    return {specimen: frozenset(kinds) for specimen, kinds in _tables()["accepts"].items()}


def kind_of_code(system: str, code: str) -> str | None:
    """The kind of specimen that ``system`` and ``code`` together stand for, or None."""
    return kinds_by_code().get((system, code))


def kind_of_word(text: str) -> str | None:
    """The kind of specimen that the whole of ``text`` names, or None."""
    return kinds_by_word().get(" ".join(text.casefold().split()))


def kinds_named(text: str) -> frozenset[str]:
    """The kinds of specimen that stand somewhere in ``text`` as words: "Beta-2-Microglobulin, Urine" names urine."""
    return _kinds_named(text) if len(text) <= LONGEST_KEPT else _kinds_named.__wrapped__(text)


@lru_cache(maxsize=MOST_KEPT)
def _kinds_named(text: str) -> frozenset[str]:
    words = re.findall(r"[^\W\d_]+", text.casefold())
    found = set()
    for place, word in enumerate(words):
        for phrase, kind in _phrases_by_first_word().get(word, ()):
            if tuple(words[place : place + len(phrase)]) == phrase:
                found.add(kind)
    return frozenset(found)


@cache
def _phrases_by_first_word() -> dict[str, list[tuple[tuple[str, ...], str]]]:
    """The words of each thing that a specimen is called, with its kind, by the first of them."""
    phrases: dict[str, list[tuple[tuple[str, ...], str]]] = {}
    for called, kind in kinds_by_word().items():
        words = tuple(re.findall(r"[^\W\d_]+", called))
        if len(called) >= _SHORTEST and words:
            phrases.setdefault(words[0], []).append((words, kind))
    return phrases


def contradicts(kind: str, analyte_specimen: str) -> bool:
    """Whether a specimen of ``kind`` cannot be the one that an analyte is measured in (``Analyte.specimen``)."""
    accepted = _accepted().get(analyte_specimen)
    return accepted is not None and kind not in accepted
