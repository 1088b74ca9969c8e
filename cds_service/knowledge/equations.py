"""Published formulas, one function each. Arguments and results are Decimal; nothing is rounded."""

from decimal import Decimal

#: 1 mg/dL of creatinine in umol/L, as laboratories convert it.
CREATININE_UMOL_PER_MG_DL = Decimal("88.4")


def ckd_epi_2021_creatinine(creatinine: Decimal, age: int, *, female: bool) -> Decimal:
    """Estimated GFR in mL/min/1.73 m2 by the race-free CKD-EPI 2021 creatinine equation, for adults.

    Args:
        creatinine: serum creatinine in mg/dL, above zero.
        age: completed years, 18 or more.
        female: administrative sex.

    Raises:
        ValueError: creatinine is not above zero.

    Source: Inker LA et al. N Engl J Med 2021;385:1737-49, doi 10.1056/NEJMoa2102953.
    """
    if creatinine <= 0:
        raise ValueError("creatinine must be above 0 mg/dL")
    kappa, alpha = (Decimal("0.7"), Decimal("-0.241")) if female else (Decimal("0.9"), Decimal("-0.302"))
    relative = creatinine / kappa
    estimate = (
        142
        * min(relative, Decimal(1)) ** alpha
        * max(relative, Decimal(1)) ** Decimal("-1.200")
        * Decimal("0.9938") ** age
    )
    return estimate * Decimal("1.012") if female else estimate
