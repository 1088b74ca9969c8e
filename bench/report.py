"""Markdown tables for docs/performance.md, and on what machine, with what, they were measured."""

import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median

_NAMED = ("flask", "gunicorn", "fhir.resources", "pydantic", "SQLAlchemy", "PyJWT")


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, its numbers to the right."""
    lines = [headings, ["---", *["---:"] * (len(headings) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def circumstances() -> str:
    """The machine, the versions and the commit, as a line of Markdown."""
    load = " ".join(f"{one:.1f}" for one in os.getloadavg())
    versions = ", ".join(f"{name} {version(name)}" for name in _NAMED)
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, commit {_commit()}; {os.cpu_count()} cores ({_processor()}), Linux "
        f"{platform.release()}, Python {platform.python_version()}, {versions}; load average at the end {load}.\n"
    )


def with_spread(numbers: Sequence[float], places: int = 1) -> str:
    """The median, and the lowest and highest of the rounds."""
    if not numbers:
        return ""
    return f"{median(numbers):.{places}f} ({min(numbers):.{places}f}-{max(numbers):.{places}f})"


def tell(text: str) -> None:
    """Prints a part of the report."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """Tells on stderr how far a bench is."""
    sys.stderr.write(f"bench: {text}\n")


def _commit() -> str:
    def git(*arguments: str) -> str:
        told = subprocess.run(["git", *arguments], capture_output=True, text=True, cwd=Path(__file__).parent)  # noqa: S603, S607
        return told.stdout.strip()

    changed = " with changes" if git("status", "--porcelain", "--untracked-files=no") else ""
    return f"{git('rev-parse', '--short', 'HEAD') or 'unknown'}{changed}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
