"""Every reason in a rule's silent_when has a case that says nothing (silence.toml)."""

from typing import Any

import pytest

from cds_service.knowledge.cases import SILENCE
from cds_service.knowledge.model import Rule, load
from cds_service.knowledge.terms import load_toml

RULES = load()
SHOWN: dict[str, Any] = load_toml("tests.spec", "silence.toml")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_each_reason_of_silence_has_a_case(rule: Rule) -> None:
    silent = {case.name for case in rule.cases() if case.says == SILENCE}
    shown = SHOWN[rule.id]
    assert len(shown) == len(rule.silent_when)
    assert all(shown)
    assert [name for names in shown for name in names if name not in silent] == []


def test_no_row_is_of_a_rule_that_is_gone() -> None:
    assert set(SHOWN) == {rule.id for rule in RULES}
