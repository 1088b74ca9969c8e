"""The published worked examples, each with the case or the test that holds it: none may disappear unnoticed."""

from decimal import Decimal
from importlib import import_module

import pytest

from cds_service.knowledge.model import load
from cds_service.review.cases import unmet
from cds_service.review.chart import facts_of

RULES = {rule.id: rule for rule in load()}
#: Example, the rule, its case, and what the rule says in it: the outcome, or what it fills in.
IN_CASES = [
    ("1", "iss-stage", "5.5 mg/L without albumin is stage III (GDL2)", {"says": "stage_3"}),
    ("2", "iss-stage", "3.2 mg/L and 3.1 g/dL is stage II (GDL2)", {"says": "stage_2"}),
    ("3", "iss-stage", "3.2 mg/L and 3.6 g/dL is stage I (GDL2)", {"says": "stage_1"}),
    ("4", "iss-stage", "4.0 mg/L and 3.5 g/dL is stage II (cliot)", {"says": "stage_2"}),
    ("5", "iss-stage", "6.0 mg/L and 3.0 g/dL is stage III (cliot)", {"says": "stage_3"}),
    ("6", "r-iss-stage", "ISS I, standard cytogenetics, LDH normal is R-ISS I (GDL2)", {"says": "stage_1"}),
    ("7", "r-iss-stage", "ISS III, standard cytogenetics, LDH normal is R-ISS II (GDL2)", {"says": "stage_2"}),
    ("8", "r-iss-stage", "ISS III, standard cytogenetics, LDH high is R-ISS III (GDL2)", {"says": "stage_3"}),
    (
        "9",
        "cll-ipi",
        "age 66, B2M 4, Binet B-C, unmutated, TP53 aberrant: 10, very high (GDL2)",
        {"points": "10", "groups": "very high"},
    ),
    (
        "10",
        "cll-ipi",
        "age 64, B2M 2, Binet A, mutated, TP53 normal: 0, low (GDL2)",
        {"points": "0", "groups": "low"},
    ),
    (
        "18",
        "r2-iss-stage",
        "ISS II, LDH high, 1q: 2.5 points, intermediate-high (published weights)",
        {"points": "2.5 points", "groups": "intermediate-high"},
    ),
    ("19", "prima-pi", "3.0 mg/L without marrow involvement: low", {"groups": "low"}),
    ("19", "prima-pi", "3.0 mg/L with marrow involvement: intermediate", {"groups": "intermediate"}),
    ("19", "prima-pi", "3.1 mg/L: high", {"groups": "high"}),
    ("20", "ipsswm", "age 70 only: intermediate", {"groups": "intermediate"}),
    ("20", "ipsswm", "age 60, haemoglobin 11.5 g/dL only: low", {"groups": "low"}),
    ("21", "albumin-b2m-ratio", "example 21: 450 and 0.3 mg/L, ratio 1,500: glomerular", {"says": "glomerular"}),
    ("21", "albumin-b2m-ratio", "example 21: 40 and 0.4 mg/L, ratio 100: no class", {"says": "no_class"}),
    ("21", "albumin-b2m-ratio", "example 21: 50 and 10 mg/L, ratio 5: tubular", {"says": "tubular"}),
    (
        "21",
        "albumin-b2m-ratio",
        "example 21: 0.5 and 0.1 mg/L, ratio 5: no class, B2M normal and no proteinuria",
        {"says": "nothing"},
    ),
    ("21b", "albumin-b2m-ratio", "example 21b: 450 and 0.3 mg/L at pH 5.5: no class", {"says": "no_class"}),
    ("21b", "albumin-b2m-ratio", "example 21b: pH not known: no class", {"says": "no_class"}),
    ("21b", "albumin-b2m-ratio", "example 21b: two specimens: no class", {"says": "no_class"}),
    ("21b", "albumin-b2m-ratio", "example 21b: B2M in nmol/L: no class", {"says": "no_class"}),
    ("22", "iss-stage", "350 ug/dL is 3.5 mg/L", {"says": "stage_2"}),
    ("22", "iss-stage", "0.35 mg/dL is 3.5 mg/L", {"says": "stage_2"}),
]
#: Example, and the test of an equation or a unit that holds it.
IN_TESTS = [
    ("11", "tests.unit.knowledge.test_equations", "test_ckd_epi_2021"),
    ("12", "tests.unit.knowledge.test_equations", "test_ckd_epi_2021"),
    ("13", "tests.unit.knowledge.test_equations", "test_ckd_epi_2021"),
    ("14", "tests.unit.knowledge.test_equations", "test_ckd_epi_2021_creatinine_and_cystatin"),
    ("15", "tests.unit.knowledge.test_equations", "test_ckd_epi_2012_cystatin"),
    ("16", "tests.unit.knowledge.test_equations", "test_bedside_schwartz"),
    ("17", "tests.unit.knowledge.test_kidney", "test_the_published_examples_of_gfr_categories"),
    ("22", "tests.unit.fhir.test_units", "test_one_number_in_many_units"),
]


@pytest.mark.parametrize(
    ("example", "rule", "name", "expected"), IN_CASES, ids=[f"{row[0]}: {row[2]}" for row in IN_CASES]
)
def test_an_example_is_a_case(example: str, rule: str, name: str, expected: dict[str, str]) -> None:
    case = next(case for case in RULES[rule].cases() if case.name == name)
    assert {"says": case.says, **case.values}.items() >= expected.items()
    assert list(unmet(case, RULES[rule].evaluate(facts_of(case.given)))) == []


@pytest.mark.parametrize(("example", "module", "name"), IN_TESTS, ids=[row[0] for row in IN_TESTS])
def test_an_example_is_a_test(example: str, module: str, name: str) -> None:
    assert callable(getattr(import_module(module), name))


def test_every_example_is_held() -> None:
    held = {row[0] for row in (*IN_CASES, *IN_TESTS)}
    assert held == {*(str(number) for number in range(1, 23)), "21b"}


def test_no_threshold_is_one_of_the_published_mistakes() -> None:
    """ISS with 5500, cadmium with the 1500 of before 1999, and any B2M cut-off in mg/dL."""
    thresholds = [threshold for rule in RULES.values() for threshold in rule.thresholds.values()]
    assert not {Decimal(1500), Decimal(5500)} & {threshold.value for threshold in thresholds}
    assert not [t for t in thresholds if t.of.startswith("b2m") and t.unit == "mg/dL"]
