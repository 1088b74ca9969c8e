"""Which companion tests are offered as orders: none that could not be read beside the B2M at hand."""

from typing import Any

import pytest

from cds_service.knowledge.model import load
from cds_service.knowledge.terms import analytes
from cds_service.review.chart import facts_of

RULES = {rule.id: rule for rule in load()}
URINE = {"specimen": "urine", "urine-ph": "6.5 [pH]", "urine-albumin": "40 mg/L", "urine-creatinine": "8 mmol/L"}


def offered(rule: str, given: dict[str, Any]) -> list[str]:
    finding = RULES[rule].evaluate(facts_of(given))
    assert finding is not None
    assert all(proposal.note for proposal in finding.proposals)
    return [proposal.label for proposal in finding.proposals]


@pytest.mark.parametrize(
    ("given", "labels"),
    [
        ({**URINE, "b2m": {"is": "0.9 mg/L", "days": -6}}, ["Order serum B2M", "Order creatinine (serum)"]),
        ({**URINE, "b2m": {"is": "0.9 mg/L", "days": -7}}, []),
        ({"b2m": {"is": "4 mg/L", "days": -6}}, ["Order creatinine (serum)"]),
        ({"b2m": {"is": "4 mg/L", "days": -7}}, []),
        ({"specimen": "urine", "b2m": "0.1 mg/L"}, ["Order urine B2M", "Order urine pH"]),
        ({"specimen": "24 h urine", "b2m": "0.1 mg/24 h"}, ["Order urine B2M", "Order urine pH"]),
        (
            {"specimen": "urine ratio", "b2m": {"is": "200 ug/g", "upper_limit": "300"}, "problems": ["cadmium"]},
            [
                "Order urine B2M/creatinine",
                "Order urine pH",
                "Order urine cadmium/creatinine",
                "Order blood cadmium",
            ],
        ),
    ],
    ids=["urine of 7 days ago", "of 8 days ago", "serum of 7 days", "of 8 days", "acid", "low 24 h urine", "cadmium"],
)
def test_no_order_that_could_not_be_read_beside_the_result(given: dict[str, Any], labels: list[str]) -> None:
    assert offered("companion-tests", given) == labels


def test_what_is_named_is_offered_the_lesions_of_one_fish_panel_counting_as_one() -> None:
    given = {
        "b2m": "4.0 mg/L",
        "creatinine": "80 umol/L",
        "ldh": {"is": "200 U/L", "upper_limit": "250"},
        "problems": ["myeloma"],
    }
    assert offered("companion-tests", given) == ["Order calcium (serum)", "Order haemoglobin (blood)"]
    assert offered("companion-tests", {**given, "b2m": "3.0 mg/L"}) == [
        "Order albumin (serum)",
        "Order calcium (serum)",
    ]


def test_the_share_of_a_deletion_is_a_question_to_the_laboratory_and_not_offered() -> None:
    given = {"b2m": "4.0 mg/L", "problems": ["myeloma"], "coded": {"del-17p": "present"}}
    assert offered("companion-tests", given) == ["Order creatinine (serum)", "Order LDH (serum)"]


def test_the_serum_before_a_session_is_called_that() -> None:
    given = {"ordered": ["post-dialysis serum"], "problems": ["dialysis"]}
    assert offered("order-companions", given) == ["Order serum B2M, before the session"]


def test_a_post_dialysis_code_that_is_likely_wrong_is_offered_nothing() -> None:
    assert offered("order-companions", {"ordered": ["post-dialysis serum"]}) == []


def test_the_markers_of_cadmium_are_offered_with_the_urine() -> None:
    drafts = ["b2m-serum", "creatinine", "urine-ph"]
    given = {"ordered": ["urine ratio"], "also_ordered": drafts, "problems": ["cadmium"]}
    assert offered("order-companions", given) == ["Order urine cadmium/creatinine", "Order blood cadmium"]


@pytest.mark.parametrize("rule", ["companion-tests", "order-companions"])
def test_the_notes_of_orders_name_analytes(rule: str) -> None:
    assert set(RULES[rule].orders) <= {*analytes(), "b2m-serum-before-session"}


FLC_RATIO = {"is": "45 {ratio}", "lower_limit": "0.26", "upper_limit": "1.65"}


@pytest.mark.parametrize(
    ("given", "labels"),
    [
        ({"m-protein": "6 g/L"}, ["Order kappa/lambda ratio (serum)"]),
        ({"m-protein": "6 g/L", "problems": ["sjogren"]}, ["Order kappa/lambda ratio (serum)"]),
        ({"m-protein": "6 g/L", "free-light-chain-ratio": FLC_RATIO}, []),
        ({"m-protein": "6 g/L", "unknown": ["myeloma"]}, []),
        ({"m-protein": "0 g/L"}, []),
        ({"free-light-chain-ratio": FLC_RATIO}, ["Order M-protein (serum)"]),
        ({}, []),
    ],
    ids=["M-protein", "beside an explanation", "both", "not sent in full", "none found", "ratio", "neither"],
)
def test_beside_an_m_protein_the_light_chains_are_offered(given: dict[str, Any], labels: list[str]) -> None:
    assert offered("differential", {"b2m": "4 mg/L", "creatinine": "55 umol/L", **given}) == labels
