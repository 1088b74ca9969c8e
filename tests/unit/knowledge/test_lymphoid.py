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
        ("C90.30", "plasmacytoma"),
        ("C90.31", "plasma-cell-remission"),
        ("D76.1", "hlh"),
    ],
)
def test_a_code_means_one_lymphoid_disease(code: str, key: str) -> None:
    term = terms.problem_of_code(terms.ICD10CM, code)
    assert term is not None
    assert term.key == key


@pytest.mark.parametrize("kind", [lymphoid.CLL, lymphoid.FOLLICULAR, lymphoid.DLBCL, lymphoid.WALDENSTROM])
def test_a_kind_names_diagnoses_that_exist(kind: lymphoid.Kind) -> None:
    known = {term.key for term in terms.problem_terms()}
    named = {*kind.relapse, *kind.remission, *kind.not_beside, *kind.may_become, *kind.may_come_from}
    assert {kind.key, *named} <= known
