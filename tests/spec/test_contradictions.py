"""No card contradicts itself: pair by pair (contradictions.toml), and opposite words over many patients."""

import re
from functools import cache
from itertools import chain
from typing import Any

import pytest

from cds_service.cards.compose import EXTENSION, compose
from cds_service.decide import evaluate
from cds_service.facts import Facts
from cds_service.knowledge.model import load
from cds_service.knowledge.terms import load_toml
from cds_service.models import Card
from cds_service.replay.calls import fixtures_folder, read_fixtures
from cds_service.replay.run import decide_here
from cds_service.review.chart import facts_of
from tests.spec.patients import patients

RULES = load()
PAIRS: list[dict[str, Any]] = load_toml("tests.spec", "contradictions.toml")["pair"]
OPPOSITES: list[dict[str, str]] = load_toml("tests.spec", "opposites.toml")["opposite"]
#: Rules that speak of one axis, each pair of which has a row in the table.
SHARED_AXES = (
    ("serum-level", "kidney-context"), ("serum-level", "dialysis-level"), ("iss-stage", "r-iss-stage"),
    ("iss-stage", "r2-iss-stage"), ("iss-stage", "imwg-high-risk"), ("r-iss-stage", "r2-iss-stage"),
    ("r-iss-stage", "imwg-high-risk"), ("iss-stage", "dialysis-level"), ("iss-stage", "data-quality"),
    ("trend", "kidney-context"), ("trend", "transplant-context"), ("trend", "confounders"), ("trend", "data-quality"),
    ("inflammation-context", "infection-context"), ("inflammation-context", "differential"),
    ("infection-context", "differential"), ("transplant-context", "differential"), ("confounders", "differential"),
    ("lymphoma-context", "differential"), ("kidney-context", "differential"), ("iss-stage", "differential"),
    ("lymphoma-context", "geltamo-ipi"), ("lymphoma-context", "cll-ipi"), ("lymphoma-context", "flipi2"),
    ("cll-ipi", "geltamo-ipi"), ("ipsswm", "r-ipsswm"), ("flipi2", "prima-pi"), ("csf-level", "companion-tests"),
    ("csf-level", "trend"), ("urine-level", "serum-urine-pattern"), ("albumin-b2m-ratio", "serum-urine-pattern"),
    ("tubulotoxic-drugs", "serum-urine-pattern"), ("tubulointerstitial-uveitis", "serum-urine-pattern"),
    ("tubulointerstitial-uveitis", "urine-level"), ("iss-stage", "companion-tests"),
    ("cadmium-exposure", "urine-level"),
)  # fmt: skip
MANY = 1200
MOST_LINES = 60


def cards_of(facts: Facts) -> tuple[Card, ...]:
    findings, failures = evaluate(facts, RULES)
    assert failures == ()
    return tuple(compose(facts, findings, RULES).cards)


def words(card: Card) -> str:
    """What a card says, without its tables, thresholds and sources."""
    return f"{card.summary}\n{card.detail}".split("\n| ")[0]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair["about"])
def test_a_pair_reads_together(pair: dict[str, Any]) -> None:
    facts = facts_of(pair["given"])
    by_id = {rule.id: rule for rule in RULES}
    alone = {name: by_id[name].evaluate(facts) for name in pair["alone"]}
    assert {name: found.outcome if found else "nothing" for name, found in alone.items()} == pair["alone"]
    cards = cards_of(facts)
    assert bool(cards) == pair.get("card", True)
    shown = {rule["id"] for card in cards for rule in card.extension[EXTENSION]["rules"]}
    if cards:
        assert sorted(name for name, found in alone.items() if found and name not in shown) == pair.get("yields", [])
    said = "\n".join(words(card) for card in cards)
    assert [text for text in pair.get("stands", ()) if text not in said] == []
    assert [text for text in pair.get("without", ()) if text in said] == []


def test_each_pair_on_one_axis_has_a_row() -> None:
    rows = {frozenset(pair["alone"]) for pair in PAIRS}
    assert [axis for axis in SHARED_AXES if frozenset(axis) not in rows] == []


def opposites_on(card: Card) -> list[tuple[str, str, str]]:
    """The opposite words that stand on a card together, with why they are opposite."""
    said, found = words(card), []
    for opposite in OPPOSITES:
        one, other = re.search(opposite["one"], said), re.search(opposite["other"], said)
        if one and other:
            found.append((opposite["why"], one[0], other[0]))
    return found


@cache
def many_cards() -> tuple[Card, ...]:
    """The cards of every case of every rule, and of many invented patients."""
    given = (case.given for rule in RULES for case in rule.cases())
    return tuple(card for one in chain(given, patients(MANY)) for card in cards_of(facts_of(one)))


def test_no_card_says_two_opposites() -> None:
    assert [found for card in many_cards() if (found := opposites_on(card))] == []


def test_no_card_of_a_fixture_says_two_opposites() -> None:
    for case in read_fixtures(fixtures_folder()):
        cards = [Card.model_validate(card) for card in decide_here(case, as_of=None).cards]
        assert [found for card in cards if (found := opposites_on(card))] == [], case.name


def test_either_side_of_every_opposite_is_said_by_some_card() -> None:
    said = [words(card) for card in many_cards()]
    for opposite in OPPOSITES:
        for side in ("one", "other"):
            assert any(re.search(opposite[side], text) for text in said), (opposite["why"], side)


def test_every_card_can_be_read() -> None:
    assert max(card.detail.count("\n") + 1 for card in many_cards()) <= MOST_LINES
