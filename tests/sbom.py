"""What the service is made of: its bill of materials names every package, each with a licence that may be used.

``make sbom`` writes the bill (CycloneDX) and has it read here::

    python -m tests.sbom FILE
"""

import json
import re
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import requires, version
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PACKAGE = "b2m-cds-service"
#: What the Dockerfile installs beside the package's own requirements.
EXTRAS = frozenset({"postgresql"})
#: Licences as packages declare them, by SPDX id or by their classifier. A licence that is not here is for a person to
#: judge, and then to be added here. Two of them are weakly copyleft, and bind changes to those packages' own files:
#: MPL-2.0 (certifi, a list of certificates) and LGPL-3.0-only (psycopg, of the extra `postgresql`). Both are installed
#: as they are published and changed nowhere.
ALLOWED = frozenset(
    {
        *("Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "MIT", "MIT-0", "PSF-2.0"),
        *("License :: OSI Approved :: Apache Software License", "License :: OSI Approved :: BSD License"),
        *("MPL-2.0", "License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)", "LGPL-3.0-only"),
    }
)


def needed(package: str = PACKAGE, extras: frozenset[str] = EXTRAS) -> dict[str, str]:
    """Every package that this environment's metadata say is needed to run ``package``, with the version at hand."""
    found: dict[str, str] = {}
    todo = [(package, extras)]
    seen: set[tuple[str, frozenset[str]]] = set()
    while todo:
        at = todo.pop()
        if at in seen:
            continue
        seen.add(at)
        for requirement in map(Requirement, requires(at[0]) or ()):
            wanted = [{"extra": extra} for extra in ("", *at[1])]
            if requirement.marker is None or any(map(requirement.marker.evaluate, wanted)):
                found[canonicalize_name(requirement.name)] = version(requirement.name)
                todo.append((requirement.name, frozenset(requirement.extras)))
    return found


def faults(bill: dict[str, Any], wanted: dict[str, str]) -> Iterator[str]:
    """What is wrong with a bill of materials: what is missing, of another version, not asked for, or not licensed."""
    listed: dict[str, dict[str, Any]] = {canonicalize_name(part["name"]): part for part in bill["components"]}
    for name, at in wanted.items():
        if name not in listed:
            yield f"{name} {at} is needed and not in the bill."
        elif listed[name]["version"] != at:
            yield f"{name} is in the bill with version {listed[name]['version']}; {at} is what was tested."
    for name, part in listed.items():
        if name not in wanted:
            yield f"{name} {part['version']} is in the bill and nothing needs it."
        yield from _faults_of_licence(f"{name} {part['version']}", part.get("licenses", ()))


def _faults_of_licence(package: str, entries: Iterable[dict[str, Any]]) -> Iterator[str]:
    named = [licence for entry in entries for licence in _licences(entry)]
    if not named:
        yield f"{package} names no licence; read what it says of itself, and report it to its makers."
    for licence in named:
        if licence not in ALLOWED:
            yield f"{package} is under {licence!r}, which is not in tests/sbom.py's ALLOWED."


def _licences(entry: dict[str, Any]) -> list[str]:
    """The licences of one entry; of an expression all that it names, so that no choice is made here."""
    if "expression" in entry:
        return [text for text in re.split(r"\s+(?:AND|OR)\s+|[()]", entry["expression"]) if text.strip()]
    return [entry["license"].get("id") or entry["license"]["name"]]


def main(path: str) -> int:
    """Says what is wrong with the bill in ``path``; 1 where anything is."""
    bill = json.loads(Path(path).read_text("utf-8"))
    found = list(faults(bill, needed()))
    sys.stdout.write("".join(f"{fault}\n" for fault in found))
    sys.stdout.write(f"{path}: {len(bill['components'])} packages, {len(found)} fault(s)\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
