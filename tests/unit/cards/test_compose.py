"""Findings to cards: what leads, what is added, what is left out."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from cds_service.cards import compose as composing
from cds_service.cards.compose import EXTENSION, threshold_text
from cds_service.decide import evaluate
from cds_service.facts import Facts, MissingData, Moment, Result
from cds_service.fhir.dates import read_moment
from cds_service.knowledge.identity import knowledge_hash, source
from cds_service.knowledge.model import Finding, Outcome, Rule, Threshold, load
from cds_service.models import Card
from cds_service.review.chart import AS_OF, facts_of

RULES = load()


def compose(facts: Facts, findings: Sequence[Finding], rules: Iterable[Rule], failed: Sequence[str] = ()) -> list[Card]:
    return list(composing.compose(facts, findings, rules, failed).cards)


def cards(given: dict[str, Any], failed: tuple[str, ...] = ()) -> list[Card]:
    facts = facts_of(given)
    return compose(facts, evaluate(facts, RULES)[0], RULES, failed)


def card(given: dict[str, Any]) -> Card:
    (found,) = cards(given)
    return found


def test_the_lowest_rank_leads_and_the_others_add_their_tags() -> None:
    found = card({"b2m": "6 mg/L", "creatinine": "1.0 mg/dL", "problems": ["myeloma"]})
    assert found.summary.startswith("ISS stage III")
    assert found.summary.endswith("; eGFR 64 mL/min/1.73 m2")


def test_a_tag_that_does_not_fit_is_left_out() -> None:
    given = {"b2m": "0.3 mg/L", "creatinine": "4.0 mg/dL", "problems": ["myeloma"]}
    found = card(given)
    assert len(found.summary) < 140
    assert "eGFR" not in found.summary
    assert "eGFR" in found.detail


def test_nothing_that_raises_a_card_is_no_card() -> None:
    assert cards({"b2m": "2.0 mg/L", "creatinine": "1.0 mg/dL"}) == []


def test_a_failed_rule_is_said() -> None:
    (found,) = cards({"b2m": "4 mg/L", "creatinine": "1.0 mg/dL"}, failed=("serum",))
    assert "One check could not be run" in found.detail
    assert found.indicator == "warning"


def test_a_failed_rule_alone_is_never_an_empty_list() -> None:
    (found,) = compose(facts_of({"b2m": "2 mg/L"}), [], RULES, ["serum"])
    assert found.summary == "B2M in serum: one check could not be run; this review is incomplete"
    assert found.source.url == "https://loinc.org/1952-1"
    assert found.extension is not None
    assert set(found.extension[EXTENSION]) == {"knowledge", "observations"}
    assert found.extension[EXTENSION]["observations"] == ["Observation/b2m"]


def test_coded_results_that_decided_stand_among_the_observations_and_those_that_could_not_do_not() -> None:
    coded = {"del-17p": "absent", "t-4-14": {"is": "absent", "days": -91}, "t-14-16": "unclear"}
    found = card(
        {"b2m": "6 mg/L", "ldh": {"is": "200 U/L", "upper_limit": "250"}, "problems": ["myeloma"], "coded": coded}
    )
    assert found.extension is not None
    read = found.extension[EXTENSION]["observations"]
    assert read == ["Observation/b2m", "Observation/ldh", "Observation/del-17p"]


def test_an_item_that_counts_both_ways_rests_on_no_coded_result() -> None:
    coded = {"del-17p": "absent", "ighv-unmutated": "present", "binet-b-c-or-rai-i-iv": "absent"}
    found = card({"b2m": "4 mg/L", "problems": ["cll"], "coded": coded})
    assert found.extension is not None
    read = found.extension[EXTENSION]["observations"]
    assert read == ["Observation/b2m", "Observation/ighv-unmutated", "Observation/binet-b-c-or-rai-i-iv"]


def test_a_card_names_the_knowledge_that_decided() -> None:
    (found,) = compose(facts_of({"b2m": "2 mg/L"}), [], RULES, ["serum"])
    assert found.extension is not None
    assert found.extension[EXTENSION]["knowledge"] == {"version": source().version, "hash": knowledge_hash()}


def test_what_another_finding_says_better_is_left_out() -> None:
    found = card({"b2m": "0.3 mg/L", "problems": ["myeloma"]})
    assert [rule["id"] for rule in found.extension[EXTENSION]["rules"]] == ["iss-stage", "kidney-context"]


def test_limits_are_shown_in_the_laboratorys_unit_too() -> None:
    found = card({"b2m": "600 ug/dL", "albumin": "4.0 g/dL", "problems": ["myeloma"]})
    assert "serum B2M of stage III: from 5.5 mg/L (550 ug/dL)" in found.detail
    assert "serum albumin of stage I: from 35 g/L (3.5 g/dL)" in found.detail


def test_limits_in_moles_are_short() -> None:
    found = card({"b2m": "600 nmol/L", "problems": ["myeloma"]})
    assert "from 5.5 mg/L (466.1 nmol/L)" in found.detail


def test_a_service_default_is_called_one() -> None:
    assert "above 2.70 mg/L (service default)" in card({"b2m": "4 mg/L"}).detail


def test_one_earlier_result_stands_in_the_table_and_a_later_one_does_not() -> None:
    earlier = {"b2m@1": {"is": "3 mg/L", "days": -30}}
    found = card({"b2m": "4 mg/L", **earlier, "b2m@later": {"is": "5 mg/L", "days": 0.5}})
    rows = [line for line in found.detail.split("\n") if line.startswith("| serum B2M")]
    assert len(rows) == 2
    assert "5 mg/L" not in "".join(rows)


def test_a_provisional_result_is_marked() -> None:
    assert "| serum B2M (provisional) |" in card({"b2m": {"is": "4 mg/L", "provisional": True}}).detail


@pytest.mark.parametrize(
    ("days", "age"),
    [(0, "1 day"), (1, "today"), (-1, "2 days"), (-58, "59 days"), (-59, "2 months"), (-800, "2 years")],
)
def test_the_age_of_a_result_is_shown(days: int, age: str) -> None:
    rows = [line for line in card({"b2m": {"is": "4 mg/L", "days": days}}).detail.split("\n") if "serum B2M" in line]
    assert any(f"| {age} |" in row for row in rows)


@pytest.mark.parametrize(
    ("printed", "issued", "shown"),
    [
        ("2026-03-02T08:10:33Z", False, "2026-03-02 08:10 UTC"),
        ("2026-03-02T08:10:33+05:30", False, "2026-03-02 08:10 +05:30"),
        ("2026-03-02", True, "2026-03-02 (issued)"),
    ],
)
def test_when_a_sample_was_taken_is_shown_in_its_own_offset(printed: str, issued: bool, shown: str) -> None:
    from dataclasses import replace

    facts = facts_of({"b2m": "4 mg/L"})
    when = read_moment(printed, issued=issued)
    assert isinstance(when, Moment)
    moved = replace(facts.results[0], when=when)
    facts = replace(facts, results=(moved,), under_review={"serum": moved})
    (found,) = compose(facts, evaluate(facts, RULES)[0], RULES)
    assert f"| {shown} |" in found.detail


def test_at_most_two_cards_and_warnings_first() -> None:
    base = facts_of({"b2m": "4 mg/L"})
    urine = facts_of({"specimen": "urine", "b2m": "0.9 mg/L", "urine-ph": "7 [pH]"})
    csf = facts_of({"specimen": "CSF", "b2m": "12 mg/L"})
    reviewed = base.under_review | urine.under_review | csf.under_review
    facts = Facts(AS_OF, base.patient, reviewed, base.results + urine.results + csf.results)
    found = compose(facts, evaluate(facts, RULES)[0], RULES)
    assert [c.summary.split(" ", 1)[0] for c in found] == ["CSF", "Serum"]
    assert [c.indicator for c in found] == ["warning", "info"]
    assert "Also under review: Urine B2M" in found[1].detail


def test_an_unreadable_result_is_named_by_its_code_and_reference() -> None:
    found = card({"missing": [{"item": "b2m", "reason": "no-unit", "printed": "4.2"}]})
    assert found.source.topic.code == "1952-1"
    assert "As printed" not in found.detail


def test_every_card_has_a_uuid_of_its_own() -> None:
    assert card({"b2m": "4 mg/L"}).uuid != card({"b2m": "4 mg/L"}).uuid


def test_findings_of_other_specimens_are_not_mixed_in() -> None:
    finding = Finding("serum-level", "1.0.0", "urine", "no_range", values={"b2m": "x"})
    assert compose(facts_of({"b2m": "2 mg/L"}), [finding], RULES) == []


# ------------------------------------------------------------------ serum and urine at once


def both_under_review(**given: Any) -> list[Card]:
    """The cards where serum and urine B2M of one time are under review, the serum's first in the chart."""
    facts = facts_of({"urine-ph": "6.5 [pH]", **given})
    both = [r for r in facts.results if r.analyte in ("b2m-serum", "b2m-urine")]
    reviewed: dict[str, Result | MissingData] = {r.specimen: r for r in both}
    facts = replace(facts, under_review=reviewed)
    return compose(facts, evaluate(facts, RULES)[0], RULES)


def of_urine(found: list[Card]) -> Card:
    (card_of_urine,) = (c for c in found if c.summary.startswith("Urine"))
    return card_of_urine


def of_serum(found: list[Card]) -> Card:
    (card_of_serum,) = (c for c in found if not c.summary.startswith("Urine"))
    return card_of_serum


def test_what_two_cards_would_say_alike_is_told_on_that_of_the_serum() -> None:
    found = both_under_review(**{"b2m": "7.2 mg/L", "b2m-urine": "4 mg/L"})
    told, referring = of_serum(found), of_urine(found)
    assert "tubular injury is not concluded" in told.detail
    assert "tubular injury is not concluded" not in referring.detail
    assert "no tubular conclusion; see the card on serum B2M." in referring.detail
    assert referring.summary.endswith("; no tubular conclusion")
    for one in found:
        assert "serum-urine-pattern" in [r["id"] for r in one.extension[EXTENSION]["rules"]]


def test_what_has_no_gist_is_referred_to_by_its_name() -> None:
    given = {"b2m": "2.4 mg/L", "b2m-urine": "4 mg/L", "creatinine": "2.4 mg/dL", "problems": ["myeloma"]}
    found = both_under_review(**given)
    assert "No tubular pattern is named" in of_serum(found).detail
    assert "- Serum and urine beta-2 microglobulin together: see the card on serum B2M." in of_urine(found).detail
    assert "proximal tubule" not in of_urine(found).detail


def test_without_a_card_of_the_serum_the_urines_tells() -> None:
    (found,) = both_under_review(**{"b2m": "1.8 mg/L", "b2m-urine": "4 mg/L"})
    assert "proximal tubular pattern" in found.summary
    assert "see the card on" not in found.detail


def test_what_each_card_says_of_its_own_result_stays_on_it() -> None:
    given = {"b2m": {"is": "4 mg/L", "provisional": True}, "b2m-urine": {"is": "4 mg/L", "provisional": True}}
    found = both_under_review(**given)
    assert len([c for c in found if "provisional" in c.summary]) == 2
    assert not any("see the card on" in c.detail for c in found)


@pytest.mark.parametrize(
    ("name", "value", "unit", "said"),
    [
        ("acid_below", 6, "pH", "limit: below pH 6"),
        ("change_from", 3, "fold", "limit: from 3-fold"),
        ("near_to", 1, "days", "limit: up to 1 day"),
        ("near_to", 2, "days", "limit: up to 2 days"),
        ("near_to", 1, "times the earlier result", "limit: up to 1 times the earlier result"),
        ("high_above", "0.37", "mg/(24.h)", "limit: above 0.37 mg/24 h"),
    ],
)
def test_a_threshold_is_said_as_it_is_read(name: str, value: int | str, unit: str, said: str) -> None:
    threshold = Threshold(value=Decimal(value), unit=unit, basis="published", cites=["source"], says="limit")
    assert threshold_text(name, threshold, ()) == said


@pytest.mark.parametrize(
    ("wording", "basis", "listed"),
    [
        ("At 3.5 mg/L or more.", "published", False),
        ("At 13.5 mg/L or more.", "published", True),
        ("At 3.5 mg/Lx or more.", "published", True),
        ("A result of {b2m}.", "published", True),
        ("Within 10 % of a limit (3.5 mg/L).", "published", True),
        ("Above 3.5 mg/L.", "published", False),
        ("At 3.5 mg/L or more.", "service default", True),
        ("At 3.5 mg/L or more (service default).", "service default", False),
    ],
)
@pytest.mark.parametrize("place", ["found", "note"])
def test_a_threshold_that_the_wording_says_is_not_listed(place: str, wording: str, basis: Any, listed: bool) -> None:
    limit = Threshold(value=Decimal("3.5"), unit="mg/L", basis=basis, cites=["source"], says="limit")
    outcome = Outcome(rank=1, raises_card=False, found=wording if place == "found" else "Found.")
    rule = RULES[0].model_copy(
        update={"outcomes": {"it": outcome}, "notes": {"so": wording}, "thresholds": {"limit_from": limit}}
    )
    notes = ("so",) if place == "note" else ()
    finding = Finding(rule.id, rule.version, "serum", "it", notes, {"b2m": "3.5 mg/L"}, (), ("limit_from",))
    assert bool(composing.thresholds_in_words([composing.Spoken(finding, rule)], ())) is listed


def test_a_threshold_that_goes_with_what_it_may_mean_is_not_listed() -> None:
    """How far above what filtration explains: said beside an index, and left out with its sentence beside a stage."""
    beside = {"creatinine": "0.7 mg/dL", "sex": "male", "b2m": "6 mg/L"}
    said = card(beside | {"problems": ["follicular-lymphoma"]}).detail
    assert "160 adults" in card(beside | {"creatinine": "1.5 mg/dL", "b2m": "12 mg/L", "problems": ["cll"]}).detail
    assert not [line for line in said.splitlines() if "Thresholds" in line and "160 adults" in line]


def test_a_threshold_in_another_unit_than_the_laboratory_s_is_listed() -> None:
    told = card({"b2m": "6 mg/L", "creatinine": "1.0 mg/dL", "problems": ["myeloma"]}).detail
    assert "(5.5 mg/L or more" in told
    assert "stage III: from" not in told
    assert "stage III: from 5.5 mg/L (0.55 mg/dL)" in card({"b2m": "1.2 mg/dL", "problems": ["myeloma"]}).detail
