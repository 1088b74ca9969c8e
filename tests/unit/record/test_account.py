"""What is kept of a call."""

import json
from typing import Any

import pytest

from cds_service.config import Settings
from cds_service.decide import Decision, decide
from cds_service.fhir.shape import Json
from cds_service.hooks.body import parse_call
from cds_service.knowledge.model import Rule
from cds_service.record.account import Account, account_of, knowledge_version
from cds_service.record.pseudonyms import Key, Pseudonyms
from tests.functional.run import NOW, RULES
from tests.unit.fhir.make import bundle, call, observation, quantity

PSEUDONYMS = Pseudonyms((Key("k1", bytes(32)),))
URINE = observation("1953-9", quantity(2), id="urine")


def hidden(reference: str) -> str | None:
    return PSEUDONYMS.of("result", "ehr", reference)


def accounted(request: Json, pseudonyms: Pseudonyms = PSEUDONYMS, rules: Any = RULES) -> tuple[Decision, Account]:
    parsed = parse_call(request)
    decision = decide(parsed, rules=rules, as_of=NOW, settings=Settings())
    told = account_of(decision, parsed, service="b2m-result-review", client="ehr", at=NOW, pseudonyms=pseudonyms)
    return decision, told


def test_a_decision_is_told_by_pseudonyms_codes_and_times() -> None:
    decision, account = accounted(call(bundle(observation())))
    row = account.decision
    assert (row["at"], row["service"], row["hook"]) == (NOW, "b2m-result-review", "lab-result-review")
    assert row["patient_pseudonym"] == PSEUDONYMS.of("patient", "ehr", "p")
    assert row["user_pseudonym"] == PSEUDONYMS.of("user", "ehr", "Practitioner/u")
    assert row["read"] == [hidden("Observation/b2m")]
    assert ["serum-level", "serum"] in [[rule, specimen] for rule, _, specimen, _ in row["found"]]
    assert decision.facts is not None
    assert row["missing"] == [list(pair) for pair in dict.fromkeys((m.item, m.reason) for m in decision.facts.missing)]
    assert set(row["timings"]) == {"gather", "read", "evaluate", "compose"}
    assert row["took_ms"] == pytest.approx(sum(row["timings"].values()), abs=0.01)
    assert row["knowledge"] == knowledge_version()
    without_versions = [[rule, specimen, outcome] for rule, _, specimen, outcome in row["found"]]
    assert json.dumps(without_versions).count("4.2") == 0


def test_a_card_is_told_by_its_result_and_the_rules_that_spoke() -> None:
    decision, account = accounted(call(bundle(observation())))
    (card,), (row,) = decision.cards, account.cards
    assert row == {
        "uuid": card.uuid,
        "decision": account.decision["id"],
        "indicator": card.indicator,
        "result_pseudonym": hidden("Observation/b2m"),
        "said_pseudonym": row["said_pseudonym"],
    }
    assert str(row["said_pseudonym"]).startswith("k1:")
    spoken = {(rule["card"], rule["rule"]) for rule in account.card_rules}
    assert (card.uuid, "serum-level") in spoken
    assert {rule["version"] for rule in account.card_rules if rule["rule"] == "serum-level"} == {
        rule.version for rule in RULES if rule.id == "serum-level"
    }


def test_each_of_two_cards_is_told_by_its_own_result() -> None:
    decision, account = accounted(call(bundle(observation(), URINE)))
    about = {
        card.source.topic.code: row["result_pseudonym"] for card, row in zip(decision.cards, account.cards, strict=True)
    }
    assert about["1952-1"] == hidden("Observation/b2m")
    assert set(about.values()) == {hidden("Observation/b2m"), hidden("Observation/urine")}


def test_a_result_that_cannot_be_read_is_told_too() -> None:
    _, account = accounted(call(bundle(observation(value=quantity(4, "furlong")))))
    assert [row["result_pseudonym"] for row in account.cards] == [hidden("Observation/b2m")]


def test_without_keys_no_id_is_told_in_any_form() -> None:
    _, account = accounted(call(bundle(observation())), Pseudonyms())
    assert (account.decision["patient_pseudonym"], account.decision["user_pseudonym"]) == (None, None)
    assert account.decision["read"] == []
    assert [row["result_pseudonym"] for row in account.cards] == [None]


def test_a_result_without_an_id_has_no_pseudonym() -> None:
    nameless = {key: value for key, value in observation().items() if key != "id"}
    _, account = accounted(call(bundle(nameless)))
    assert [row["result_pseudonym"] for row in account.cards] == [None]


def test_the_same_ids_in_two_scopes_are_two_patients() -> None:
    parsed = parse_call(call(bundle(observation())))
    decision = decide(parsed, rules=RULES, as_of=NOW, settings=Settings())
    told = account_of(
        decision, parsed, service="s", client="ehr", at=NOW, pseudonyms=PSEUDONYMS, scope="ehr/ward-1"
    ).decision
    assert told["client"] == "ehr"
    assert told["patient_pseudonym"] == PSEUDONYMS.of("patient", "ehr/ward-1", "p") != hidden("p")
    assert told["user_pseudonym"] == PSEUDONYMS.of("user", "ehr/ward-1", "Practitioner/u")
    assert told["read"] == [PSEUDONYMS.of("result", "ehr/ward-1", "Observation/b2m")]


def test_a_rule_that_failed_is_told_by_its_kind_of_error() -> None:
    def fail(*_: Any) -> None:
        raise ValueError("Mr. Smith")

    def broken(rule: Rule) -> Rule:
        copy = rule.model_copy()
        copy._evaluate = fail
        return copy

    rules = tuple(broken(rule) if rule.id == "serum-level" else rule for rule in RULES)
    _, account = accounted(call(bundle(observation())), rules=rules)
    assert account.decision["failures"] == [["serum-level", "serum", "ValueError"]]


def test_without_a_b2m_there_are_no_facts_to_tell() -> None:
    decision, account = accounted(call())
    assert decision.facts is None
    assert (account.decision["read"], account.cards, account.card_rules) == ([], (), ())
