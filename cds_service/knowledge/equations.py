"""Published formulas, one function each. Arguments and results are Decimal; nothing is rounded."""

from decimal import Decimal

#: 1 mg/dL of creatinine in umol/L, as laboratories convert it.
CREATININE_UMOL_PER_MG_DL = Decimal("88.4")
#: 1 g of creatinine in mmol: the same factor, per gram.
CREATININE_MMOL_PER_G = CREATININE_UMOL_PER_MG_DL / 10


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


def ckd_epi_2012_cystatin(cystatin: Decimal, age: int, *, female: bool) -> Decimal:
    """Estimated GFR in mL/min/1.73 m2 by the CKD-EPI 2012 cystatin C equation, for adults.

    Args:
        cystatin: serum cystatin C in mg/L, above zero.
        age: completed years, 18 or more.
        female: administrative sex.

    Raises:
        ValueError: cystatin C is not above zero.

    Source: Inker LA et al. N Engl J Med 2012;367:20-9, doi 10.1056/NEJMoa1114248; as in CRAN nephro and kidney.epi.
    """
    if cystatin <= 0:
        raise ValueError("cystatin C must be above 0 mg/L")
    relative = cystatin / Decimal("0.8")
    estimate = (
        133
        * min(relative, Decimal(1)) ** Decimal("-0.499")
        * max(relative, Decimal(1)) ** Decimal("-1.328")
        * Decimal("0.996") ** age
    )
    return estimate * Decimal("0.932") if female else estimate


def ckd_epi_2021_creatinine_cystatin(creatinine: Decimal, cystatin: Decimal, age: int, *, female: bool) -> Decimal:
    """Estimated GFR in mL/min/1.73 m2 by the race-free CKD-EPI 2021 creatinine and cystatin C equation, for adults.

    Args:
        creatinine: serum creatinine in mg/dL, above zero.
        cystatin: serum cystatin C in mg/L, above zero.
        age: completed years, 18 or more.
        female: administrative sex.

    Raises:
        ValueError: creatinine or cystatin C is not above zero.

    Source: Inker LA et al. N Engl J Med 2021;385:1737-49, doi 10.1056/NEJMoa2102953.
    """
    if creatinine <= 0 or cystatin <= 0:
        raise ValueError("creatinine must be above 0 mg/dL and cystatin C above 0 mg/L")
    kappa, alpha = (Decimal("0.7"), Decimal("-0.219")) if female else (Decimal("0.9"), Decimal("-0.144"))
    by_creatinine, by_cystatin = creatinine / kappa, cystatin / Decimal("0.8")
    estimate = (
        135
        * min(by_creatinine, Decimal(1)) ** alpha
        * max(by_creatinine, Decimal(1)) ** Decimal("-0.544")
        * min(by_cystatin, Decimal(1)) ** Decimal("-0.323")
        * max(by_cystatin, Decimal(1)) ** Decimal("-0.778")
        * Decimal("0.9961") ** age
    )
    return estimate * Decimal("0.963") if female else estimate


def bedside_schwartz(creatinine: Decimal, height: Decimal) -> Decimal:
    """Estimated GFR in mL/min/1.73 m2 by the bedside Schwartz equation, for children of 1 to 17 years.

    Args:
        creatinine: serum creatinine in mg/dL by an enzymatic method, above zero.
        height: height in cm.

    Raises:
        ValueError: creatinine is not above zero.

    Source: Schwartz GJ et al. J Am Soc Nephrol 2009;20:629-37, doi 10.1681/ASN.2008030287.
    """
    if creatinine <= 0:
        raise ValueError("creatinine must be above 0 mg/dL")
    return Decimal("0.413") * height / creatinine


def serum_b2m_at_gfr(gfr: Decimal) -> Decimal:
    """Serum B2M in mg/L that adults with kidney disease had at a measured GFR. Never to be turned round into an eGFR.

    Args:
        gfr: GFR in mL/min, above zero.

    Raises:
        ValueError: the GFR is not above zero.

    Source: Ren Fail 2001;23:419-29, doi 10.1081/jdi-100104725, PMID 11499557 (160 adults).
    """
    if gfr <= 0:
        raise ValueError("GFR must be above 0 mL/min")
    return (Decimal("4.274") - Decimal("0.814") * gfr.ln()).exp()
