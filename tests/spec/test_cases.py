"""Every rule's cases.toml: the clinical specification, one test a case."""

from typing import Any

import pytest

from cds_service.knowledge.model import Rule, load
from cds_service.knowledge.terms import load_toml
from tests.spec.chart import facts_of

RULES = load()


def cases_of(rule: Rule) -> list[dict[str, Any]]:
    folder = rule.id.replace("-", "_")
    found: list[dict[str, Any]] = load_toml(f"cds_service.knowledge.rules.{folder}", "cases.toml")["case"]
    return found


ALL = [pytest.param(rule, case, id=f"{rule.id}: {case['name']}") for rule in RULES for case in cases_of(rule)]


@pytest.mark.parametrize(("rule", "case"), ALL)
def test_case(rule: Rule, case: dict[str, Any]) -> None:
    finding = rule.evaluate(facts_of(case["given"]))
    if finding is None:
        assert case["says"] == "nothing"
        return
    assert finding.outcome == case["says"]
    if "notes" in case:
        assert set(finding.notes) == set(case["notes"])
    for name, text in case.get("values", {}).items():
        assert finding.values[name] == text


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_every_outcome_and_note_has_a_case(rule: Rule) -> None:
    said, noted = set(), set()
    for case in cases_of(rule):
        finding = rule.evaluate(facts_of(case["given"]))
        if finding:
            said.add(finding.outcome)
            noted |= set(finding.notes)
    assert said == set(rule.outcomes)
    assert noted == set(rule.notes)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_every_rule_has_a_case_of_silence(rule: Rule) -> None:
    assert any(case["says"] == "nothing" for case in cases_of(rule))
