"""What the rules that put a serum B2M in context ask alike: is there a level to explain, and what was measured near it.

Each function takes the rule that asks: its own TOML holds the limits, under the same names in each of them.
"""

from collections.abc import Iterable
from decimal import Decimal

from cds_service.facts import DISPLAY_LIMIT, CodedResult, Facts, Moment, Problem, Result, answered_once
from cds_service.knowledge import levels, states, terms
from cds_service.knowledge.model import Rule

_DAY = len("2026-03-02")


@answered_once
def readable(facts: Facts) -> Result | None:
    """The B2M under review where it can be interpreted: final, unit not in doubt, no dialysis, no pregnancy."""
    b2m = facts.b2m
    if b2m is None or not levels.can_be_compared(b2m):
        return None
    on_dialysis = states.dialysis(facts) is states.Dialysis.YES
    return None if on_dialysis or states.pregnant(facts, b2m.when) else b2m


def level_to_explain(facts: Facts, rule: Rule) -> Result | None:
    """The B2M where it is raised, or where it cannot be said whether it is."""
    b2m = readable(facts)
    return b2m if b2m and levels.of_serum(facts, rule, b2m).above is not False else None


def present(facts: Facts, *keys: str) -> tuple[Problem, ...]:
    """The active, confirmed problems of the given keys."""
    return tuple(p for p in states.active(facts, *keys) if states.is_confirmed(p))


def beside(facts: Facts, when: Moment, within_days: Decimal, *analytes: str) -> tuple[Result, ...]:
    """The final result of each of ``analytes`` that lies nearest to ``when``, none further off than ``within_days``."""
    near = (facts.within((analyte,), when, within_days) for analyte in analytes)
    return tuple(found[0] for found in near if found)


def in_words(results: tuple[Result, ...], when: Moment) -> str:
    """Results as filed, and how far they lie from ``when``: "CRP 12 mg/L (same day), ESR 40 mm/h (3 days apart)"."""
    return ", ".join(f"{terms.analytes()[r.analyte].short} {_filed(r)} ({_apart(r, when)})" for r in results)


def _filed(result: Result) -> str:
    """As filed; in the canonical unit where that would be too long. The table of a card has both."""
    return result.filed if len(result.filed) <= DISPLAY_LIMIT else result.quantity


def days_of(results: Iterable[CodedResult]) -> str:
    """The days of coded results: "2026-02-27", "2026-02-20 to 2026-02-27", "undated"; "" where there are no results."""
    found = list(results)
    days = sorted({r.when.printed[:_DAY] for r in found if r.when})
    if not days:
        return "undated" if found else ""
    return days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"


def in_days_or_years(days: int) -> str:
    """How long that is, in days, months or completed years."""
    if days < 60:
        return f"{days} day{'s' if days > 1 else ''}"
    return f"{days // 30} months" if days < 730 else f"{days // 365} years"


def _apart(result: Result, when: Moment) -> str:
    days = result.when.days_until(when)
    return "same day" if days == 0 else f"{days} day{'s' if days > 1 else ''} apart"
