"""The rules on myeloma agree with one another: one limit under one name, one sentence for one thing."""

from collections import defaultdict

import pytest

from cds_service.knowledge.model import load
from cds_service.review.chart import facts_of

FAMILY = [rule for rule in load() if rule.id in {"iss-stage", "r-iss-stage", "r2-iss-stage", "imwg-high-risk"}]


def test_the_family_is_whole() -> None:
    assert len(FAMILY) == 4


@pytest.mark.parametrize("what", ["value", "unit", "basis"])
def test_thresholds_of_one_name_are_equal(what: str) -> None:
    seen = defaultdict(set)
    for rule in FAMILY:
        for name, threshold in rule.thresholds.items():
            seen[name].add(getattr(threshold, what))
    assert {name: values for name, values in seen.items() if len(values) > 1} == {}
    assert len(seen["b2m_stage_3_from"]) == 1


def test_what_the_revised_stages_have_in_common_is_said_in_the_same_words() -> None:
    """A card shows equal sentences once."""
    r_iss, r2_iss = (rule for rule in FAMILY if rule.id in {"r-iss-stage", "r2-iss-stage"})
    shared = set(r_iss.notes) & set(r2_iss.notes)
    assert len(shared) == 11
    assert all(r_iss.notes[note] == r2_iss.notes[note] for note in shared)


def test_what_else_raises_b2m_is_said_in_the_same_words_by_all_four() -> None:
    assert {(rule.notes["hlh"], rule.notes["lymphoid"]) for rule in FAMILY} == {
        (FAMILY[0].notes["hlh"], FAMILY[0].notes["lymphoid"])
    }


def test_only_the_iss_stage_raises_a_card() -> None:
    raising = {rule.id for rule in FAMILY if any(outcome.raises_card for outcome in rule.outcomes.values())}
    assert raising == {"iss-stage"}


def test_a_jump_for_the_stage_is_one_for_the_quality_of_the_data() -> None:
    """The one says what the stage would be either way, the other what the jump is: neither stands alone."""
    iss, quality = (next(rule for rule in load() if rule.id == name) for name in ("iss-stage", "data-quality"))
    limits = [name for name in iss.thresholds if name.startswith("jump_")]
    assert limits == ["jump_percent_to", "jump_days_to", "jump_factor_from"]
    assert all(iss.thresholds[name].value == quality.thresholds[name].value for name in limits)


def test_a_stage_either_way_names_the_result_that_raised_the_doubt() -> None:
    rule = next(rule for rule in FAMILY if rule.id == "iss-stage")
    given = {"b2m": "25 mg/L", "b2m@before": {"is": "2.5 mg/L", "days": -60}, "problems": ["myeloma"]}
    finding = rule.evaluate(facts_of(given))
    assert finding is not None
    assert [result.printed for result in finding.inputs] == ["25 mg/L", "2.5 mg/L"]
