"""Taking elements out of JSON that may be anything: each function answers with an empty value, never an exception.

They run some thousand times in a call; JSON as it is decoded has no subclasses, and ``type`` is quicker to ask.
"""

from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]


def element(value: object, *path: str) -> Any:
    """The element under ``path``, or None where any step is not an object that has it."""
    for name in path:
        if type(value) is not dict:
            return None
        value = value.get(name)
    return value


def text(value: object, *path: str) -> str:
    """The non-empty string under ``path``, stripped, or ""."""
    for name in path:
        if type(value) is not dict:
            return ""
        value = value.get(name)
    return value.strip() if type(value) is str else ""


def objects(value: object, *path: str) -> Iterator[Json]:
    """The JSON objects of the array under ``path``; anything else in it is passed over."""
    found = element(value, *path)
    return iter([item for item in found if type(item) is dict]) if type(found) is list else iter(())


def codings(value: object, *path: str) -> list[tuple[str, str]]:
    """The (system, code) pairs of the CodeableConcept under ``path`` that have both."""
    given = element(value, *path, "coding")
    if type(given) is not list:
        return []
    pairs = [(text(coding, "system"), text(coding, "code")) for coding in given]
    return [pair for pair in pairs if pair[0] and pair[1]]
