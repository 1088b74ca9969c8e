"""What began after the B2M does not count at the B2M; pregnancy by status; when a baseline ends."""

from typing import Any

import pytest

from cds_service.facts import Facts
from cds_service.knowledge import states, terms, treatment
from cds_service.review.chart import facts_of


def chart(**given: Any) -> Facts:
    return facts_of({"b2m": "4 mg/L", "age": 30, **given})


def test_one_chart_has_one_view_of_a_specimen() -> None:
    facts = chart()
    assert facts.of("urine") is facts.of("urine")
    assert [facts.of(specimen).specimen for specimen in ("urine", "CSF")] == ["urine", "CSF"]


@pytest.mark.parametrize(("days", "counts"), [(-20, True), (0, True), (1, False), (20, False), ("unknown", True)])
def test_acute_kidney_injury_counts_from_when_it_began(days: Any, *, counts: bool) -> None:
    facts = chart(problems=[{"key": "acute-kidney-injury", "onset_days": days}])
    assert facts.b2m
    assert states.acute_kidney_injury(facts, facts.b2m.when) is counts


@pytest.mark.parametrize(("days", "counts"), [(-30, True), (-31, False), (1, False), ("unknown", True)])
@pytest.mark.parametrize("key", states.ACUTE_INFECTIONS)
def test_acute_infection_counts_for_a_month(key: str, days: Any, *, counts: bool) -> None:
    facts = chart(problems=[{"key": key, "onset_days": days, "verification": "provisional"}])
    assert facts.b2m
    assert bool(states.acute_infections(facts, facts.b2m.when)) is counts


@pytest.mark.parametrize(
    ("code", "key"),
    [
        ("J13", "pneumonia"),
        ("J18.9", "pneumonia"),
        ("A41.9", "sepsis"),
        ("R65.21", "sepsis"),
        ("J12.9", None),
        ("J20.9", None),
    ],
)
def test_a_code_means_an_acute_infection(code: str, key: str | None) -> None:
    term = terms.problem_of_code(terms.ICD10CM, code)
    assert (term.key if term else None) == key


@pytest.mark.parametrize(("days", "counts"), [(-90, True), (0, True), (1, False), (290, False), ("unknown", True)])
def test_pregnancy_counts_from_when_it_began(days: Any, *, counts: bool) -> None:
    facts = chart(problems=[{"key": "pregnancy", "onset_days": days}])
    assert facts.b2m
    assert states.pregnant(facts, facts.b2m.when) is counts


@pytest.mark.parametrize(
    ("given", "counts"),
    [
        ({"is": "present", "days": -30}, True),
        ({"is": "present", "days": -336}, True),
        ({"is": "present", "days": -337}, False),
        ({"is": "present", "days": 42}, True),
        ({"is": "present", "days": 43}, False),
        ({"is": "present", "days": "unknown"}, True),
        ({"is": "present", "days": -30, "provisional": True}, False),
        ({"is": "absent", "days": -30}, False),
        ({"is": "unclear", "days": -30}, False),
    ],
)
def test_pregnancy_by_its_status(given: Any, *, counts: bool) -> None:
    facts = chart(coded={"pregnancy-status": given})
    assert facts.b2m
    assert states.pregnant(facts, facts.b2m.when) is counts
    man = chart(coded={"pregnancy-status": given}, sex="male")
    assert man.b2m
    assert states.pregnant(man, man.b2m.when) is False


@pytest.mark.parametrize(
    ("days", "counts"), [(-42, True), (-43, False), (42, True), (43, False), (0, True), ("unknown", True)]
)
def test_care_after_childbirth_counts_for_six_weeks_about_it(days: Any, *, counts: bool) -> None:
    entry = {"key": "postpartum-care", "onset_days": days}
    facts = chart(problems=[entry])
    assert facts.b2m
    assert states.pregnant(facts, facts.b2m.when) is counts
    for other in (chart(problems=[entry], sex="male"), chart(problems=[entry], age=56)):
        assert states.pregnant(other, facts.b2m.when) is False
    unproven = chart(problems=[{**entry, "verification": "provisional"}])
    assert states.pregnant(unproven, facts.b2m.when) is False


@pytest.mark.parametrize(("days", "expected"), [(40, states.Dialysis.NO), (-40, states.Dialysis.YES)])
def test_dialysis_that_began_later(days: int, expected: states.Dialysis) -> None:
    assert states.dialysis(chart(problems=[{"key": "dialysis", "onset_days": days}])) is expected


@pytest.mark.parametrize(
    ("begun", "day", "over"), [(1, 1, True), (1, 0, False), (0, 0, False), (0, 1, True), (-1, 1, False), (5, 3, False)]
)
def test_when_a_baseline_is_over(begun: int, day: int, *, over: bool) -> None:
    facts = chart(medications=[{"key": "doxorubicin", "days": begun}], creatinine={"is": "1 mg/dL", "days": day})
    assert facts.b2m
    (taken,) = facts.series("creatinine")
    assert treatment.began_by(facts, facts.b2m.when, taken.when, "possible-anti-lymphoma") is over
