"""Which lymphoid disease a code stands for, where a longer code means something else than a shorter one."""

import pytest

from cds_service.knowledge import lymphoid, terms


@pytest.mark.parametrize(
    ("code", "key"),
    [
        ("C82.10", "follicular-lymphoma"),
        ("C82.9A", "follicular-lymphoma-remission"),
        ("C82.60", "lymphoma"),
        ("C82.6A", "follicular-lymphoma-remission"),
        ("C83.00", "sll"),
        ("C83.0A", "lymphoma-remission"),
        ("C83.10", "mantle-cell-lymphoma"),
        ("C83.30", "dlbcl"),
        ("C83.39", "lymphoma"),
        ("C83.390", "cns-lymphoma"),
        ("C83.398", "dlbcl"),
        ("C83.3A", "dlbcl-remission"),
        ("C81.90", "hodgkin-lymphoma"),
        ("C85.90", "lymphoma"),
        ("C88.00", "waldenstrom"),
        ("C88.01", "waldenstrom-remission"),
        ("C91.10", "cll"),
        ("C91.11", "cll-remission"),
        ("C91.12", "cll-relapse"),
        ("C83.80", "lymphoma"),
        ("C83.8A", "lymphoma-remission"),
        ("C84.49", "lymphoma"),
        ("C84.4A", "lymphoma-remission"),
        ("C86.00", "lymphoma"),
        ("C86.01", "lymphoma-remission"),
        ("C88.40", "lymphoma"),
        ("C88.41", "lymphoma-remission"),
        ("C88.20", "lymphoid-leukaemia"),
        ("C91.00", "lymphoid-leukaemia"),
        ("C91.01", "lymphoid-leukaemia-remission"),
        ("C91.40", "lymphoid-leukaemia"),
        ("C90.30", "plasmacytoma"),
        ("C90.31", "plasma-cell-remission"),
        ("D76.1", "hlh"),
    ],
)
def test_a_code_means_one_lymphoid_disease(code: str, key: str) -> None:
    term = terms.problem_of_code(terms.ICD10CM, code)
    assert term is not None
    assert term.key == key


@pytest.mark.parametrize("code", ["C92.00", "C95.90", "C96.5"])
def test_a_myeloid_cancer_is_no_lymphoid_one(code: str) -> None:
    assert terms.problem_of_code(terms.ICD10CM, code) is None


@pytest.mark.parametrize("kind", [lymphoid.CLL, lymphoid.FOLLICULAR, lymphoid.DLBCL, lymphoid.WALDENSTROM])
def test_a_kind_names_diagnoses_that_exist(kind: lymphoid.Kind) -> None:
    known = {term.key for term in terms.problem_terms()}
    named = {*kind.relapse, *kind.remission, *kind.not_beside, *kind.may_become, *kind.may_come_from}
    assert {kind.key, *named} <= known
