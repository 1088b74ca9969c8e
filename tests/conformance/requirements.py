"""What CDS Hooks asks of a service, and how each of its requirements is met, or why it is not.

Tests say which requirements they show with ``@requirement``; ``NOT_APPLICABLE`` and ``DEVIATIONS`` have the others.
``python -m tests.conformance.table`` prints both as docs/conformance.md.
"""

import ast
import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

HERE = Path(__file__).parent
_CSV = HERE / "vendor" / "requirements.csv"
_BALLOT = "https://cds-hooks.hl7.org/3.0.0-ballot/"

_Test = TypeVar("_Test", bound=Callable[..., object])


@dataclass(frozen=True, slots=True)
class Requirement:
    """One requirement: its id, SHALL or SHOULD or MAY, what it asks, where that stands, and whether of a service."""

    id: str
    verb: str
    text: str
    url: str
    binds_a_service: bool


def requirement(*ids: str) -> Callable[[_Test], _Test]:
    """Marks a test as showing that these requirements are met."""
    assert ids
    return lambda test: test


def published() -> tuple[Requirement, ...]:
    """Every requirement of CDS Hooks 2.0 and of the hooks library 1.0.1, those of clients too."""
    with _CSV.open(encoding="utf-8", newline="") as file:
        return tuple(
            Requirement(row["id"], row["conformance"], row["text"], row["url"], row["applies_to_service"] == "yes")
            for row in csv.DictReader(file)
        )


def _of_3_0(name: str, verb: str, text: str) -> Requirement:
    return Requirement(f"3.0:{name}", verb, text, _BALLOT, binds_a_service=True)


#: Where the 3.0.0-ballot asks for something else than 2.0; from its text and the invariants of its logical models.
BALLOT = (
    _of_3_0("version", "SHOULD", "A service states the version of the specification that it speaks (semver)."),
    _of_3_0("hook-version", "SHOULD", "A service states the version of the hook that it serves."),
    _of_3_0("hook-name", "SHALL", "An organisation's own hook bears a reverse-domain name."),
    _of_3_0("operationoutcome", "SHOULD", "The body of an error is an OperationOutcome."),
    _of_3_0("prefetch-null", "SHALL", "null under a prefetch key means that there is no such data."),
    _of_3_0("pagination", "SHALL", "A prefetched Bundle may be one page of several."),
    _of_3_0("prefetch-expressions", "MAY", "Prefetch templates may use today() and a subset of FHIRPath (2.0: @57)."),
    _of_3_0("authorization-server", "SHALL", "fhirAuthorization comes with fhirServer (cds-r-1)."),
    _of_3_0("authorization-patient", "SHOULD", "fhirAuthorization names the patient of patient scopes (cds-r-2)."),
    _of_3_0("selection-behavior", "SHALL", "Suggestions come with selectionBehavior (cds-resp-1, cds-resp-6)."),
    _of_3_0("action-selection-behavior", "MAY", "A suggestion may say which of its actions go together (cds-resp-7)."),
    _of_3_0("action-description", "SHALL", "The actions of a suggestion have a description (cds-resp-5)."),
    _of_3_0("delete-action", "SHALL", "A delete action has a resourceId and no resource (cds-resp-2)."),
    _of_3_0("app-context", "SHALL", "appContext is for SMART links only (cds-resp-3)."),
    _of_3_0("autolaunchable", "MAY", "A link may say that it is to be followed at once."),
    _of_3_0("override-reason-display", "SHALL", "Override reasons have a display (cds-resp-4)."),
    _of_3_0("feedback-outcome", "SHALL", "A feedback's outcome is accepted or overridden (cds-fb-1)."),
    _of_3_0("feedback-accepted", "SHALL", "What was accepted comes with acceptedSuggestions (cds-fb-2)."),
    _of_3_0("feedback-reason", "SHALL", "An overrideReason has a reason, a userComment, or both (cds-fb-3)."),
    _of_3_0("2.0-client", "SHALL", "What only 3.0 defines breaks no client of 2.0."),
)

_ONLY_CREATE = "Suggestions only make new resources: nothing in a chart is changed or taken out."
_NONE_RECOMMENDED = "No suggestion is recommended before another: the user judges."
_LINKS = "Cards bear no links yet."
_ICON = "Sources bear no icon."
_CLIENTS = "Speaks of what clients do, although listed for services."
_TLS = "TLS and client certificates are the business of the proxy in front; none is asked for by the service itself."
_ONE_ID = "One id a hook: a known client keeps only the last of two services that share one, so cards are not replaced."
_HOOK = "The hook is not offered, so no prefetch template is registered for it."


def _library(*numbers: int) -> tuple[str, ...]:
    return tuple(f"cds-hooks-library_1.0.1@{number}" for number in numbers)


def _core(*numbers: int) -> tuple[str, ...]:
    return tuple(f"cds-hooks_2.0@{number}" for number in numbers)


_REASONS: dict[str, tuple[str, ...]] = {
    "Measured (bench/, docs/performance.md) and never asserted; the deadline for fetching caps it.": _core(27),
    "Services act only where users do: no systemActions are sent.": _core(75),
    _CLIENTS: _core(78, 89, 129, 212),
    _ONLY_CREATE: (*_core(132, 133, 134, 135), "3.0:delete-action"),
    _NONE_RECOMMENDED: _core(120, 121, 122),
    "All actions of a suggestion go together, as clients of 2.0 take it.": ("3.0:action-selection-behavior",),
    _LINKS: (
        *_core(103, 104, 110, 138, 139, 140, 141, 142, 144, 145, 146, 147),
        "3.0:app-context",
        "3.0:autolaunchable",
    ),
    _ICON: _core(111, 112, 113),
    _TLS: _core(175, 179),
    _ONE_ID: _core(210, 211),
    "Agreed with each client when it is registered; no card of this service is a safeguard.": _core(213),
    "A client of 2.0 could not read such templates.": ("3.0:prefetch-expressions",),
    "No prefetch template needs this field.": _library(4, 12, 77, 85),
    _HOOK: _library(*range(20, 57, 4), 60, 64, 68, 73),
}
#: What is not done as it is asked, on purpose, and why.
DEVIATIONS = {
    "3.0:hook-name": "`lab-result-review` bears none: it is proposed for everybody's use and is no organisation's own "
    "([decisions](decisions.md), 9). A site may set another name (`LAB_RESULT_HOOK`)."
}
#: Why a requirement does not apply, by its id. ``test_requirements.py`` shows that the reasons are still true.
NOT_APPLICABLE = {id_: reason for reason, ids in _REASONS.items() for id_ in ids}


def binding() -> tuple[Requirement, ...]:
    """Every requirement that binds a service."""
    return (*(one for one in published() if one.binds_a_service), *BALLOT)


def shown() -> Iterator[tuple[str, str]]:
    """The ids that tests show, each with the test, in the order of the tests."""
    for file in sorted(HERE.glob("test_*.py")):
        for test in ast.parse(file.read_text("utf-8")).body:
            for decorator in test.decorator_list if isinstance(test, ast.FunctionDef) else ():
                if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == requirement.__name__:
                    for argument in decorator.args:
                        yield ast.literal_eval(argument), f"{file.name}::{getattr(test, 'name', '')}"
