"""What is not said again, and what always is."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from cds_service.cards.compose import Composition, compose
from cds_service.cards.suppression import Saying, Shown, Window, held_back
from cds_service.decide import evaluate
from cds_service.facts import Facts
from cds_service.knowledge.model import load
from cds_service.review.chart import AS_OF, facts_of

RULES = load()
HOUR = timedelta(hours=1)
WINDOW = Window(72 * HOUR, 4 * HOUR)
INFO, WARNING = Saying("a", "info", "r/o"), Saying("b", "warning", "r/o")
RAISED: dict[str, Any] = {"b2m": "4.2 mg/L"}


class Remembered:
    """What a user was shown before."""

    def __init__(self, shown: Mapping[str, Shown]) -> None:
        self.all, self.asked = shown, 0

    def shown(self, texts: Sequence[str]) -> Mapping[str, Shown]:
        self.asked += 1
        return {text: self.all[text] for text in texts if text in self.all}


def is_held(saying: Saying, shown: Shown | None, window: Window = WINDOW) -> bool:
    history = Remembered({saying.text: shown} if shown else {})
    return saying in held_back([saying], history, AS_OF, window)


@pytest.mark.parametrize(
    ("hours", "again_soon", "held"),
    [(0, False, True), (71.9, False, True), (72, False, False), (3.9, True, True), (4, True, False)],
)
def test_the_window(hours: float, again_soon: bool, held: bool) -> None:
    assert is_held(INFO, Shown(AS_OF - hours * HOUR, again_soon)) is held


def test_a_shorter_usual_window_holds_for_both() -> None:
    shown = Shown(AS_OF - 2 * HOUR, again_soon=True)
    assert not is_held(INFO, shown, Window(HOUR, 4 * HOUR))
    assert not is_held(INFO, shown, Window(0 * HOUR, 4 * HOUR))


def test_what_was_not_shown_is_said() -> None:
    assert not is_held(INFO, None)
    assert held_back([INFO], None, AS_OF, WINDOW) == {}


def test_a_warning_that_nobody_has_reacted_to_is_said_again() -> None:
    assert not is_held(WARNING, Shown(AS_OF - HOUR))
    assert is_held(WARNING, Shown(AS_OF - HOUR, answered=True))


def test_what_is_held_tells_until_when() -> None:
    (held,) = held_back([INFO], Remembered({"a": Shown(AS_OF - HOUR)}), AS_OF, WINDOW).values()
    assert (held.shown_at, held.until) == (AS_OF - HOUR, AS_OF + 71 * HOUR)


# ----------------------------------------------------------------- of cards


def composed(facts: Facts, history: Remembered | None = None, failed: Sequence[str] = ()) -> Composition:
    return compose(
        facts,
        evaluate(facts, RULES)[0],
        RULES,
        failed,
        hold_back=lambda sayings: held_back(sayings, history, facts.as_of, WINDOW),
    )


def after(given: dict[str, Any], later: dict[str, Any], **changed: Any) -> Composition:
    """What is said of the second chart an hour after the first was shown and answered."""
    first = composed(facts_of(given))
    shown = {saying.text: Shown(AS_OF, answered=True) for saying in first.sayings}
    facts = replace(facts_of(later), as_of=AS_OF + HOUR)
    return composed(replace(facts, **changed), Remembered(shown))


def test_the_same_of_the_same_result_is_held_back() -> None:
    again = after(RAISED, RAISED)
    assert (again.cards, again.sayings) == ((), ())
    assert [held.saying.lead for held in again.held] == ["serum-level/above_default"]


@pytest.mark.parametrize(
    "later",
    [
        {"b2m": "4.3 mg/L"},
        {"b2m": "4.20 mg/L"},
        {"b2m": {"is": "4.2 mg/L", "provisional": True}},
        {"b2m": {"is": "4.2 mg/L", "days": 1}},
        {"b2m": "4.2 mg/L", "problems": ["myeloma"]},
        {"b2m": "4.2 mg/L", "b2m-urine": "3 mg/L"},
    ],
    ids=["another value", "another precision", "provisional", "another day", "a diagnosis", "another specimen"],
)
def test_what_is_new_is_said_at_once(later: dict[str, Any]) -> None:
    assert len(after(RAISED, later).cards) >= 1


def test_an_aside_whose_numbers_move_is_no_news() -> None:
    one, other = ({**RAISED, "creatinine": f"{value} mg/dL"} for value in ("1.9", "2.0"))
    assert after(one, other).cards == ()
    assert len(after({**RAISED, "creatinine": "0.8 mg/dL"}, one).cards) == 1


def test_a_review_that_is_incomplete_is_always_said() -> None:
    facts = facts_of(RAISED)
    first = composed(facts, failed=["serum"])
    history = Remembered({saying.text: Shown(AS_OF, answered=True) for saying in first.sayings})
    assert len(composed(facts, history, failed=["serum"]).cards) == 1


def test_where_there_is_nothing_to_say_nothing_is_asked() -> None:
    history = Remembered({})
    composed(facts_of({"b2m": "1.5 mg/L"}), history)
    assert history.asked == 0
