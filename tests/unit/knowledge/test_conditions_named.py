"""Each condition that the service is made for stands in some rule's cases, and is known by its codes."""

import pytest

from cds_service.knowledge import terms
from cds_service.knowledge.model import load
from cds_service.knowledge.terms import load_toml

#: A condition, and the problems of ``problems.toml`` any of which stands for it.
CONDITIONS = {
    "kidney disease": {"ckd", "acute-kidney-injury", "end-stage-kidney-disease", "dialysis"},
    "multiple myeloma": {"myeloma"},
    "lymphoma": {
        "lymphoma", "follicular-lymphoma", "mantle-cell-lymphoma", "dlbcl", "cns-lymphoma", "hodgkin-lymphoma",
        "waldenstrom", "sll",
    },
    "chronic lymphocytic leukaemia": {"cll"},
    "rheumatoid arthritis": {"rheumatoid-arthritis"},
    "systemic lupus erythematosus": {"sle"},
    "Crohn's disease": {"crohn"},
    "HIV": {"hiv"},
    "cytomegalovirus": {"cmv"},
    "Epstein-Barr virus": {"ebv"},
    "transplant rejection": {"kidney-transplant-rejection"},
}  # fmt: skip


def problems_of_cases_that_speak() -> set[str]:
    found = set()
    for rule in load():
        folder = rule.id.replace("-", "_")
        for case in load_toml(f"cds_service.knowledge.rules.{folder}", "cases.toml")["case"]:
            listed = case["given"].get("problems", ()) if case["says"] != "nothing" else ()
            found |= {problem["key"] if isinstance(problem, dict) else problem for problem in listed}
    return found


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_rule_speaks_of_a_patient_with_it(condition: str) -> None:
    assert CONDITIONS[condition] & problems_of_cases_that_speak()


def test_every_problem_meant_is_one_that_there_is() -> None:
    assert set().union(*CONDITIONS.values()) <= {term.key for term in terms.problem_terms()}


@pytest.mark.parametrize(
    ("system", "code", "key"),
    [
        (terms.ICD10CM, "D76.1", "hlh"),
        (terms.ICD10CM, "D76.2", None),
        (terms.ICD10CM, "D47.Z2", "castleman"),
        (terms.ICD10CM, "D47.Z9", None),
        (terms.ICD10CM, "D89.811", "gvhd"),
        (terms.ICD10CM, "D89.82", None),
        (terms.ICD10CM, "E85.81", "al-amyloidosis"),
        (terms.ICD10CM, "E85.4", None),
        (terms.SNOMED, "237865009", "al-amyloidosis"),
        (terms.ICD10CM, "M06.1", "adult-onset-still"),
        (terms.ICD10CM, "M06.00", "rheumatoid-arthritis"),
        (terms.ICD10CM, "K50.90", "crohn"),
        (terms.ICD10CM, "K51.90", "ulcerative-colitis"),
        (terms.ICD10CM, "B27.90", "ebv"),
        (terms.ICD10CM, "B27.10", "cmv"),
        (terms.ICD10CM, "T86.11", "kidney-transplant-rejection"),
        (terms.ICD10CM, "Z94.3", "other-transplant"),
        (terms.SNOMED, "18027006", "other-transplant"),
        (terms.SNOMED, "234336002", "stem-cell-transplant"),
        (terms.SNOMED, "70536003", "kidney-transplant"),
        (terms.ICD10CM, "C18.7", "carcinoma"),
        (terms.ICD10CM, "C50.919", "carcinoma"),
        (terms.ICD10CM, "C44.91", None),
        (terms.ICD10CM, "C61", None),
        (terms.ICD10CM, "K74.60", "liver-disease"),
        (terms.ICD10CM, "K70.30", "liver-disease"),
        (terms.ICD10CM, "B18.2", "liver-disease"),
        (terms.ICD10CM, "K70.0", None),
        (terms.ICD10CM, "K76.0", None),
    ],
)
def test_what_may_raise_serum_b2m_is_known_by_its_codes(system: str, code: str, key: str | None) -> None:
    term = terms.problem_of_code(system, code)
    assert (term.key if term else None) == key


@pytest.mark.parametrize("system", terms.ICD10)
@pytest.mark.parametrize(
    ("code", "key"),
    [
        ("C90.0", "myeloma"),
        ("C90.00", "myeloma"),
        ("C90.01", "myeloma-remission"),
        ("D47.2", "mgus-or-smouldering"),
        ("D47.3", None),
        ("C88.00", "waldenstrom"),
        ("C91.10", "cll"),
        ("C91.11", "cll-remission"),
        ("C91.0", "lymphoid-leukaemia"),
        ("C82.1", "follicular-lymphoma"),
        ("C83.3", "dlbcl"),
        ("C83.1", "lymphoma"),
        ("C84.4", "lymphoma"),
        ("C92.0", None),
        ("M05.80", "rheumatoid-arthritis"),
        ("M06.1", "adult-onset-still"),
        ("M06.4", None),
        ("M08.0", None),
        ("N18.4", "ckd"),
        ("N18.5", "end-stage-kidney-disease"),
        ("Z99.2", "dialysis"),
        ("Z49.1", "dialysis"),
        ("Z49.3", None),
        ("Z94.0", "kidney-transplant"),
        ("Z94.8", None),
        ("T86.10", "kidney-transplant-rejection"),
        ("B22.7", "hiv"),
        ("B24", "hiv"),
        ("O26.9", "pregnancy"),
        ("Z33", "pregnancy"),
        ("Z39.2", "postpartum-care"),
        ("E85.81", None),
        ("R65.2", None),
    ],
)
def test_whos_icd_10_and_its_german_modification(system: str, code: str, key: str | None) -> None:
    term = terms.problem_of_code(system, code)
    assert (term.key if term else None) == key
