"""LDH against the laboratory's own limit where that is printed as "<": the limit itself is then outside."""

from dataclasses import replace
from typing import Any

import pytest

from cds_service.facts import Facts, ReferenceRange
from cds_service.knowledge.model import load
from cds_service.knowledge.revised_iss import ldh_beside
from cds_service.review.chart import facts_of

RULE = next(rule for rule in load() if rule.id == "r-iss-stage")


def with_limit(printed: str, limit: ReferenceRange) -> Facts:
    """A chart whose LDH carries the given limit."""
    given: dict[str, Any] = {"b2m": "6 mg/L", "ldh": printed, "problems": ["myeloma"]}
    facts = facts_of(given)
    ranged = tuple(replace(r, reference_range=limit) if r.analyte == "ldh" else r for r in facts.results)
    return replace(facts, results=ranged)


@pytest.mark.parametrize(
    ("printed", "high_open", "high", "at_limit"),
    [
        ("249.9 U/L", True, False, False),
        ("250 U/L", True, True, False),
        ("250 U/L", False, False, True),
        ("250.1 U/L", False, True, False),
        ("<250 U/L", True, False, False),
    ],
)
def test_ldh_of_exactly_the_limit(printed: str, high_open: bool, high: bool, at_limit: bool) -> None:
    limit = ReferenceRange(None, RULE.value("ldh_limits_above") * 250, "limit", high_open=high_open)
    facts = with_limit(printed, limit)
    assert facts.b2m is not None
    ldh = ldh_beside(facts, RULE, facts.b2m)
    assert (ldh.high, ldh.at_limit) == (high, at_limit)
