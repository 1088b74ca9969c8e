"""497 real people with newly diagnosed myeloma, against the ISS stage that their centre recorded."""

import csv
from collections import Counter
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

from cds_service.config import Settings
from cds_service.decide import Decision, decide
from cds_service.knowledge.model import Finding, load
from cds_service.models import HookRequest
from cds_service.replay.calls import Prepared, fixtures_folder, prepare, read_documents

FOLDER = fixtures_folder() / "commpass"
SIGNIFICANT_CREATININE = Decimal(177)


class Person(NamedTuple):
    id: str
    recorded: str
    b2m: Decimal | None
    creatinine: Decimal
    decision: Decision

    @property
    def stage(self) -> str | None:
        found = next((f.outcome for f in self.decision.findings if f.rule == "iss-stage"), None)
        return {"stage_1": "I", "stage_2": "II", "stage_3": "III"}.get(found or "")

    def finding(self, rule: str) -> Finding | None:
        return next((f for f in self.decision.findings if f.rule == rule), None)


@cache
def people() -> tuple[Person, ...]:
    with (FOLDER / "recorded.csv").open(encoding="utf-8") as rows:
        recorded = {row["patient"]: row["recorded_iss"] for row in csv.DictReader(rows)}
    rules, settings = load(), Settings()
    found = []
    for given in read_documents([FOLDER / "bundles.ndjson.gz"]):
        prepared = prepare(given, {"lab-result-review": "b2m-result-review"})
        assert isinstance(prepared, Prepared)
        (call,) = prepared.calls
        assert call.as_of
        decision = decide(HookRequest.model_validate(call.request), rules=rules, as_of=call.as_of, settings=settings)
        bundle = given.document
        b2m, creatinine = value(bundle, "b2m"), value(bundle, "cr") or Decimal(0)
        found.append(Person(bundle["id"], recorded[bundle["id"]], b2m, creatinine, decision))
    return tuple(found)


def value(bundle: Any, suffix: str) -> Decimal | None:
    resources = (entry["resource"] for entry in bundle["entry"])
    found = next((r for r in resources if r["id"] == f"{bundle['id']}-{suffix}"), None)
    return Decimal(found["valueQuantity"]["value"]) if found else None


def test_all_are_read_without_a_failure() -> None:
    assert len(people()) == 497
    assert [p.id for p in people() if p.decision.failures] == []


def test_computed_stages_agree_with_the_recorded_ones() -> None:
    staged = [p for p in people() if p.b2m is not None and p.b2m >= Decimal("0.7") and p.recorded]
    assert len(staged) == 466
    differing = [(p.id, p.recorded, p.stage) for p in staged if p.stage != p.recorded]
    # 3.16 mg/L with an albumin of 37 g/L is stage I by Greipp 2005; the centre recorded II.
    assert differing == [("commpass-188", "II", "I")]


def test_values_below_0_7_get_the_doubt_and_no_single_stage() -> None:
    doubtful = [p for p in people() if p.b2m is not None and p.b2m < Decimal("0.7")]
    assert len(doubtful) == 18
    for person in doubtful:
        (card,) = person.decision.cards
        assert person.stage is None
        assert "unit in doubt, so no single ISS stage" in card.summary
        assert "as filed" in card.summary
        assert "if mg/dL was meant" in card.summary
        assert card.indicator == "warning"


def test_those_without_b2m_get_no_card() -> None:
    without = [p for p in people() if p.b2m is None]
    assert len(without) == 8
    assert all(p.decision.cards == () for p in without)


#: Outcomes of kidney-context that tell of reduced filtration, or of a B2M that does not fit it.
_NAMES_THE_KIDNEY = {"reduced", "reduced_far_above", "unexpectedly_low"}


def test_failing_kidneys_are_named() -> None:
    failing = [p for p in people() if p.creatinine > SIGNIFICANT_CREATININE and p.b2m is not None]
    assert len(failing) == 44
    for person in failing:
        (card,) = person.decision.cards
        assert "eGFR" in card.summary or person.stage is None
        assert "educed kidney function raises serum B2M" in card.detail or person.stage is None
        assert any(f.rule == "kidney-context" and f.outcome in _NAMES_THE_KIDNEY for f in person.decision.findings)


def why_silent(person: Person) -> str:
    """Why no revised stage is given, in the order in which the rules ask."""
    if person.b2m is None:
        return "no B2M"
    if person.b2m < Decimal("0.7"):
        return "unit in doubt"
    return "B2M below 5.5 mg/L, no genetics" if person.b2m < Decimal("5.5") else "nothing known but the ISS stage"


def test_r_iss_without_cytogenetics_and_ldh_limits() -> None:
    """The bundles hold LDH without its upper limit and no FISH: ISS I and III leave two stages each, ISS II one."""
    found = [(p.stage, p.finding("r-iss-stage")) for p in people()]
    counted = Counter((stage, f.values["stages"]) for stage, f in found if f)
    assert counted == {("I", "I or II"): 154, ("II", "II"): 179, ("III", "II or III"): 138}
    assert Counter(len(f.values["stages"].split(" or ")) for _, f in found if f) == {1: 179, 2: 292}
    silent = [p for p in people() if p.finding("r-iss-stage") is None]
    assert Counter(why_silent(p) for p in silent) == {"no B2M": 8, "unit in doubt": 18}


def test_where_two_r_iss_stages_remain_the_card_says_why() -> None:
    noted = Counter(
        note
        for f in (p.finding("r-iss-stage") for p in people())
        for note in (f.notes if f else ())
        if note.startswith("ldh")
    )
    assert noted == {"ldh_no_limit": 272, "ldh_missing": 20}


def test_r2_iss_says_nothing_where_only_the_iss_stage_is_known() -> None:
    assert [p.id for p in people() if p.finding("r2-iss-stage")] == []


def test_those_who_meet_the_b2m_criterion_of_high_risk() -> None:
    found = [(p, f) for p, f in ((p, p.finding("imwg-high-risk")) for p in people()) if f]
    assert Counter(f.outcome for _, f in found) == {"high_risk": 45, "none_met_among_tested": 93}
    met = [(p, f) for p, f in found if f.outcome == "high_risk"]
    assert all(f.values["met"] == "high B2M with normal creatinine (4)" for _, f in met)
    assert all(p.b2m is not None and p.b2m >= Decimal("5.5") and p.creatinine < Decimal("106.08") for p, _ in met)
    assert sum("kidney_reduced" in f.notes for _, f in met) == 8
    assert all("creatinine_raised" in f.notes for _, f in found if f.outcome != "high_risk")
    silent = [p for p in people() if p.finding("imwg-high-risk") is None]
    reasons = {"B2M below 5.5 mg/L, no genetics": 333, "unit in doubt": 18, "no B2M": 8}
    assert Counter(why_silent(p) for p in silent) == reasons
