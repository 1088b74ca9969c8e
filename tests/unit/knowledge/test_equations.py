"""Published formulas against published or independently computed examples (tolerance 0.4 %)."""

from decimal import Decimal

import pytest

from cds_service.knowledge.equations import ckd_epi_2021_creatinine


@pytest.mark.parametrize(
    ("sex", "age", "creatinine", "expected"),
    [
        ("male", 60, "1.4", 57.54),  # CRAN kidney.epi, nephro
        ("female", 60, "1.0", 64.495),  # CRAN nephro
        ("male", 25, "0.5", 145.163),  # CRAN nephro
    ],
)
def test_ckd_epi_2021(sex: str, age: int, creatinine: str, expected: float) -> None:
    found = ckd_epi_2021_creatinine(Decimal(creatinine), age, female=sex == "female")
    assert float(found) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("female", [True, False])
def test_more_creatinine_and_more_years_mean_less_filtration(female: bool) -> None:
    by_creatinine = [ckd_epi_2021_creatinine(Decimal(c) / 10, 60, female=female) for c in range(3, 80)]
    by_age = [ckd_epi_2021_creatinine(Decimal(1), age, female=female) for age in range(18, 100)]
    assert by_creatinine == sorted(by_creatinine, reverse=True)
    assert by_age == sorted(by_age, reverse=True)


def test_creatinine_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        ckd_epi_2021_creatinine(Decimal(0), 60, female=True)
