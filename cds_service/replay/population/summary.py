"""What a run over a population came to, in figures: how often each rule fired, and what differs from another run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cds_service.knowledge.model import Rule
from cds_service.replay.population import queries

_COUNTED = ("patients", "decided", "calls", "undecided", "unusable")


@dataclass(frozen=True, slots=True)
class Firing:
    """How often a rule came to a finding: in calls, of patients, and how often it was on a card."""

    rule: str
    version: str
    finding: str
    calls: int
    patients: int
    on_a_card: int


@dataclass(frozen=True, slots=True)
class Summary:
    """A whole run. ``patients`` were in the export, ``decided`` of them have a B2M result; ``undecided`` calls failed.

    ``unusable``: lines that were put aside. ``differences``: by rule and kind how many calls differ; None where nothing
    was compared.
    """

    patients: int
    decided: int
    calls: int
    undecided: int
    unusable: int
    firing: tuple[Firing, ...]
    differences: tuple[tuple[str, str, int], ...] | None = None

    def per_thousand(self, firing: Firing) -> float:
        """Of how many in a thousand decided patients."""
        return 1000 * firing.patients / self.decided if self.decided else 0.0

    def counts(self) -> dict[str, int]:
        """Its counts by name."""
        return {name: getattr(self, name) for name in _COUNTED}

    def csv(self) -> str:
        """The firing rates as CSV; no cell needs a quotation mark."""
        lines = ["rule,version,finding,calls,patients,patients_per_1000,calls_on_a_card"]
        for fired in self.firing:
            rate = f"{self.per_thousand(fired):.2f}"
            cells = (fired.rule, fired.version, fired.finding, fired.calls, fired.patients, rate, fired.on_a_card)
            lines.append(",".join(map(str, cells)))
        return "".join(f"{line}\n" for line in lines)


def summarise(ask: Callable[[str], Sequence[Any]], rules: Sequence[Rule], *, patients: int, compared: bool) -> Summary:
    """The figures of a run, asked of its tables ``results``, ``unusable`` and, where compared, ``differences``."""
    decided, calls, undecided = ask(queries.COUNTS)[0]
    return Summary(
        patients=patients,
        decided=decided,
        calls=calls,
        undecided=undecided,
        unusable=ask(queries.UNUSABLE)[0][0],
        firing=_with_silent_ones(ask(queries.FIRING), rules),
        differences=tuple(tuple(row) for row in ask(queries.DIFFERENCE_COUNTS)) if compared else None,
    )


def _with_silent_ones(rows: Sequence[Any], rules: Sequence[Rule]) -> tuple[Firing, ...]:
    """Those that fired, and the outcomes that nobody had."""
    fired = {(rule, finding): Firing(rule, version, finding, *counts) for rule, version, finding, *counts in rows}
    for rule in (rule for rule in rules if rule.asked_by == "results"):
        for outcome in rule.outcomes:
            fired.setdefault((rule.id, outcome), Firing(rule.id, rule.version, outcome, 0, 0, 0))
    return tuple(fired[key] for key in sorted(fired))
