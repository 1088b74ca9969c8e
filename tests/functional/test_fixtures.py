"""Every case of fhir_fixtures gives what its expected.json says."""

from collections import Counter

import pytest

from cds_service.replay.calls import Recorded, fixtures_folder, read_fixtures
from tests.functional.run import cards_of

CASES = list(read_fixtures(fixtures_folder()))
MOST_LINES = 42
#: The patient with everything: results of two laboratories in a table of their own.
MOST_LINES_OF = {"everything": 46}


def test_there_are_enough_of_them() -> None:
    assert len(CASES) >= 12


def test_each_is_a_call_of_its_own() -> None:
    calls = Counter(case.request["hookInstance"] for case in CASES)
    assert [instance for instance, times in calls.items() if times > 1] == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_fixture(case: Recorded) -> None:
    cards, expected = cards_of(case), case.expected["cards"]
    assert [card["summary"] for card in cards] == [card["summary"] for card in expected]
    for card, wanted in zip(cards, expected, strict=True):
        text = f"{card['summary']}\n{card['detail']}"
        assert card["indicator"] == wanted["indicator"]
        assert [words for words in wanted.get("must_say", []) if words not in text] == []
        assert [words for words in wanted.get("must_not_say", []) if words in text] == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_cards_fit(case: Recorded) -> None:
    for card in cards_of(case):
        assert len(card["summary"]) < 140
        assert card["detail"].count("\n") < MOST_LINES_OF.get(case.name, MOST_LINES)
        assert "No clinician has reviewed" in card["detail"]
        assert "**Basis:** [" in card["detail"]
        assert card["indicator"] in ("info", "warning")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_fixture_says_why_it_is_there(case: Recorded) -> None:
    assert len(case.expected["why"]) > 20
