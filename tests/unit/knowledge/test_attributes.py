"""The 13 source attributes: every rule answers each, and its answers are true of what it reads."""

import sys
from collections.abc import Callable
from datetime import date
from types import FrameType
from typing import Any

import pytest

from cds_service.facts import Patient
from cds_service.knowledge import states
from cds_service.knowledge.attributes import ATTRIBUTES, attributes
from cds_service.knowledge.described import in_full, plain
from cds_service.knowledge.identity import source
from cds_service.knowledge.model import ELEMENTS, Rule, load
from cds_service.review.chart import facts_of

RULES = load()
HEALTH_STATUS = "health status assessments data"


def rule(name: str) -> Rule:
    return next(rule for rule in RULES if rule.id == name)


def test_they_are_those_of_the_regulation_in_its_order() -> None:
    assert list(ATTRIBUTES.values()) == [
        "Bibliographic citation of the intervention",
        "Developer of the intervention",
        "Funding source of the technical implementation",
        "Release and, if applicable, revision dates",
        "Use of race",
        "Use of ethnicity",
        "Use of language",
        "Use of sexual orientation",
        "Use of gender identity",
        "Use of sex",
        "Use of date of birth",
        "Use of social determinants of health data",
        "Use of health status assessments data",
    ]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_every_rule_answers_all_of_them(rule: Rule) -> None:
    answers = attributes(rule)
    assert list(answers) == list(ATTRIBUTES)
    assert [key for key, answer in answers.items() if answer in ("", [], {}, None)] == []


def test_what_is_answered() -> None:
    answers = attributes(rule("iss-stage"))
    assert "https://doi.org/10.1200/JCO.2005.04.242" in answers["bibliographic_citation"][0]
    assert (answers["developer"], answers["funding_source"]) == (source().developer, source().funding)
    assert answers["use_of_date_of_birth"] is True
    assert answers["use_of_race"] is False


def test_dates_are_those_of_the_rule() -> None:
    revised = rule("iss-stage").model_copy(update={"released": date(2026, 1, 2), "revised": date(2026, 3, 4)})
    said = attributes(revised)["release_and_revision_dates"]
    assert said == {"released": "2026-01-02", "revised": "2026-03-04"}


class Watched:
    """Notes which elements of a person are read while rules run."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.read: set[str] = set()
        for name, element in (("sex", "sex"), ("birth", "date of birth")):
            monkeypatch.setattr(Patient, name, property(self._reader(name, element)))

    def _reader(self, name: str, element: str) -> Callable[[Patient], Any]:
        slot = getattr(Patient, name)

        def reader(patient: Patient) -> Any:
            self.read.add(element)
            return slot.__get__(patient)

        return reader

    def profile(self, frame: FrameType, event: str, _: object) -> None:
        """Pregnancy and ECOG performance status are health status assessments."""
        about = frame.f_code is states.pregnant.__code__ or "ecog" in str(frame.f_locals.get("item", ""))
        if event == "call" and about:
            self.read.add(HEALTH_STATUS)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_uses_of_a_person_what_it_says_it_uses(rule: Rule, monkeypatch: pytest.MonkeyPatch) -> None:
    charts = [facts_of(case.given) for case in rule.cases()]
    watched = Watched(monkeypatch)
    before = sys.getprofile()
    sys.setprofile(watched.profile)
    try:
        for facts in charts:
            rule.evaluate(facts)
    finally:
        sys.setprofile(before)
    assert watched.read == set(rule.uses)
    assert watched.read <= set(ELEMENTS)


def test_plain_values_are_exact_and_of_json() -> None:
    described = in_full(rule("iss-stage"))
    assert described["thresholds"]["b2m_stage_1_below"]["value"] == "3.5"
    assert described["released"] == rule("iss-stage").released.isoformat()
    assert described["cases"] == len(rule("iss-stage").cases())
    assert plain({"yes": True, "n": 5, "list": (1, "a")}) == {"yes": True, "n": 5, "list": [1, "a"]}
