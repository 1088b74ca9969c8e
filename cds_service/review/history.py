"""What the knowledge's changelog says of one rule: the lines of KNOWLEDGE.md that name it, as they stand there."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_FILE = "KNOWLEDGE.md"


@dataclass(frozen=True, slots=True)
class Past:
    """A change that names a rule: under which heading it stands, and its text (Markdown)."""

    under: str
    text: str


def history(rule_id: str) -> tuple[Past, ...]:
    """The changes that name a rule, the newest first; none where the changelog does not come with the package."""
    return tuple(past for past in _read() if f"`{rule_id}`" in past.text)


@cache
def _read() -> tuple[Past, ...]:
    """Beside the package in a checkout, inside it once installed."""
    package = Path(__file__).resolve().parents[1]
    found = next((file for file in (package.parent / _FILE, package / _FILE) if file.is_file()), None)
    return tuple(entries(found.read_text("utf-8"))) if found else ()


def entries(markdown: str) -> Iterator[Past]:
    """Each item of each list, on one line, with the heading above it."""
    under, item = "", ""
    for line in [*markdown.splitlines(), ""]:
        if item and line.startswith("  "):
            item += f" {line.strip()}"
            continue
        if item:
            yield Past(under, item)
        item = line.removeprefix("- ") if line.startswith("- ") else ""
        under = line.removeprefix("## ") if line.startswith("## ") else under
