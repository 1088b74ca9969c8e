"""GET /knowledge and /knowledge/{id}: what decides, as JSON."""

from datetime import date
from decimal import Decimal

import pytest
from werkzeug.test import TestResponse

from cds_service.app import create_app
from cds_service.config import Settings, SiteProfile
from cds_service.knowledge.attributes import ATTRIBUTES, attributes
from cds_service.knowledge.identity import knowledge_hash, source
from cds_service.knowledge.model import Rule
from cds_service.replay.calls import fixtures_folder, read_fixtures
from tests.functional.run import RULES, cards_of


def get(path: str, rules: tuple[Rule, ...] = RULES, site: SiteProfile | None = None) -> TestResponse:
    return create_app(Settings(), rules=rules, site=site).test_client().get(path)


def test_the_list_holds_every_rule_with_the_13_attributes() -> None:
    answer = get("/knowledge")
    found = answer.get_json()
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    assert (found["version"], found["hash"]) == (source().version, knowledge_hash())
    assert [(rule["id"], rule["version"], rule["hash"]) for rule in found["rules"]] == [
        (rule.id, rule.version, rule.content_hash) for rule in RULES
    ]
    assert [set(rule["attributes"]) for rule in found["rules"]] == [set(ATTRIBUTES)] * len(RULES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_is_told_in_full(rule: Rule) -> None:
    found = get(f"/knowledge/{rule.id}").get_json()
    assert found["knowledge"] == {"version": source().version, "hash": knowledge_hash()}
    assert (found["version"], found["hash"]) == (rule.version, rule.content_hash)
    assert {name: row["value"] for name, row in found["thresholds"].items()} == {
        name: f"{row.value.normalize():f}" for name, row in rule.thresholds.items()
    }
    assert {name: o["found"] for name, o in found["outcomes"].items()} == {n: o.found for n, o in rule.outcomes.items()}
    assert {c["url"] for c in found["citations"].values()} == {c.url for c in rule.citations.values()}
    assert (found["silent_when"], found["review"]["status"]) == (list(rule.silent_when), rule.review.status)
    assert found["attributes"] == attributes(rule)
    assert found["cases"] == len(rule.cases())


def test_what_is_told_are_the_rules_that_decide_here() -> None:
    assert [rule["id"] for rule in get("/knowledge", RULES[:1]).get_json()["rules"]] == [RULES[0].id]
    assert get(f"/knowledge/{RULES[1].id}", RULES[:1]).status_code == 404


def test_a_rule_that_is_not_there_is_an_operation_outcome() -> None:
    answer = get("/knowledge/nothing")
    assert answer.status_code == 404
    assert answer.get_json()["resourceType"] == "OperationOutcome"
    assert "GET /knowledge" in answer.get_json()["issue"][0]["diagnostics"]


def test_each_card_names_the_knowledge_that_the_list_tells_of() -> None:
    case = next(case for case in read_fixtures(fixtures_folder()) if case.name.startswith("iss-stage-1"))
    (card,) = cards_of(case)
    basis = card["extension"]["org.b2m-cds.basis"]
    assert basis["knowledge"] == {name: get("/knowledge").get_json()[name] for name in ("version", "hash")}
    assert set(basis) == {"knowledge", "rules", "observations"}


def test_what_the_site_has_set_is_told_as_the_sites() -> None:
    rule = next(rule for rule in RULES if rule.id == "serum-level")
    numbers = [{"name": "default_to_49_years_above", "value": Decimal("2.6"), "reason": "our own study"}]
    mode = [{"id": rule.id, "mode": "off", "reason": "on trial"}]
    unsigned = SiteProfile.model_validate({"threshold": numbers, "rule": mode})
    here = get(f"/knowledge/{rule.id}", site=unsigned).get_json()["site"]
    entry = {"id": rule.id, "version": rule.version, "by": "A. Able", "role": "nephrologist", "on": date(2026, 3, 1)}
    old = entry | {"hash": f"sha256:{'0' * 64}", "version": "0.9.0"}
    reviews = [entry | {"hash": here["hash"]}, old]
    signed = SiteProfile.model_validate({"threshold": numbers, "rule": mode, "review": reviews})
    found = get(f"/knowledge/{rule.id}", site=signed).get_json()
    listed = next(one for one in get("/knowledge", site=signed).get_json()["rules"] if one["id"] == rule.id)
    assert found["site"] == listed["site"]
    ours = f"{rule.value('default_to_49_years_above').normalize():f}"
    assert (found["site"]["mode"], found["site"]["replaced"]) == ("off", {"default_to_49_years_above": ours})
    assert found["thresholds"]["default_to_49_years_above"]["value"] == "2.6"
    assert {name: found["site"]["review"][name] for name in ("by", "on")} == {"by": "A. Able", "on": "2026-03-01"}
    assert [one["version"] for one in found["site"]["outdated_reviews"]] == ["0.9.0"]
    assert found["review"]["status"] == rule.review.status, "the project's own review is another thing"
    assert get("/knowledge/trend", site=signed).get_json()["site"]["review"] is None
