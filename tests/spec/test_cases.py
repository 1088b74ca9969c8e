"""Every rule's cases.toml: the clinical specification, one test a case."""

import pytest

from cds_service.knowledge.cases import Case
from cds_service.knowledge.model import Rule, load
from cds_service.review.cases import not_covered, unmet
from cds_service.review.chart import facts_of

RULES = load()
ALL = [pytest.param(rule, case, id=f"{rule.id}: {case.name}") for rule in RULES for case in rule.cases()]


@pytest.mark.parametrize(("rule", "case"), ALL)
def test_case(rule: Rule, case: Case) -> None:
    assert list(unmet(case, rule.evaluate(facts_of(case.given)))) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_every_outcome_and_note_has_a_case_and_so_has_silence(rule: Rule) -> None:
    findings = [rule.evaluate(facts_of(case.given)) for case in rule.cases()]
    assert list(not_covered(rule, rule.cases(), [finding for finding in findings if finding])) == []
