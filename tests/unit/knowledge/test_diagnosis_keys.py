"""The diagnoses that shared questions name exist in the table: a renamed key would silence them."""

import pytest

from cds_service.knowledge import missing_companions, states, terms, unit_slip

KEYS = {term.key for term in terms.problem_terms()}


@pytest.mark.parametrize(
    "named",
    [states.LYMPHOID, states.ACUTE_INFECTIONS, unit_slip._REAL, *missing_companions._WITH_DIAGNOSIS.values()],
    ids=["lymphoid", "acute infections", "real jumps", *missing_companions._WITH_DIAGNOSIS],
)
def test_every_diagnosis_is_in_the_table(named: tuple[str, ...]) -> None:
    assert set(named) <= KEYS


def test_no_lymphoma_is_left_out() -> None:
    """Whatever is called lymphoma or CLL and not in remission."""
    called = {key for key in KEYS if "lymphoma" in key or key.startswith("cll")}
    assert {key for key in called if not key.endswith("-remission")} <= set(states.LYMPHOID)


def test_every_other_unit_is_one_that_the_service_knows() -> None:
    assert set(unit_slip._OTHERS) <= set(terms.units())
