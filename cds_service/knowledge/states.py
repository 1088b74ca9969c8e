"""What several rules ask of a chart: plain questions, answered from the facts alone."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from cds_service.facts import Facts, Interval, Moment, Problem, Result
from cds_service.knowledge.equations import CREATININE_UMOL_PER_MG_DL, ckd_epi_2021_creatinine

_INACTIVE = {"inactive", "remission", "resolved"}
_UNPROVEN = {"unconfirmed", "provisional", "differential"}
REFUTED = {"refuted", "entered-in-error"}
_RETURNED_OR_REMISSION = {"recurrence", "relapse", "remission"}
ADULT_FROM = 18


def is_active(problem: Problem) -> bool:
    """Whether a problem counts as present: neither refuted nor over. A status that is not stated counts as active."""
    return (
        problem.verification_status not in REFUTED and problem.clinical_status not in _INACTIVE and not problem.abated
    )


def is_confirmed(problem: Problem) -> bool:
    """Whether a diagnosis is more than suspected. A verification status that is not stated counts as confirmed."""
    return problem.verification_status not in _UNPROVEN | REFUTED


def active(facts: Facts, *keys: str) -> tuple[Problem, ...]:
    """The active problems of the given keys."""
    return tuple(p for p in facts.problems_of(*keys) if is_active(p))


def myeloma_returned_or_in_remission(facts: Facts) -> bool:
    """Whether the chart tells of relapse or remission of myeloma, by code or by clinical status."""
    by_code = any(
        p.verification_status not in REFUTED for p in facts.problems_of("myeloma-relapse", "myeloma-remission")
    )
    by_status = any(
        p.clinical_status in _RETURNED_OR_REMISSION and p.verification_status not in REFUTED
        for p in facts.problems_of("myeloma")
    )
    return by_code or by_status


def on_dialysis(facts: Facts) -> bool:
    """Whether the chart says that the patient is on dialysis; a later kidney transplant overrides it."""
    dialysis = active(facts, "dialysis")
    transplants = [p.onset for p in active(facts, "kidney-transplant") if p.onset]
    starts = [p.onset for p in dialysis if p.onset]
    transplanted_since = bool(transplants and starts) and max(t.last for t in transplants) > max(s.last for s in starts)
    return bool(dialysis) and not transplanted_since


def dialysis_unclear(facts: Facts) -> bool:
    """Whether end-stage kidney disease is coded without a word on dialysis or transplant."""
    return bool(active(facts, "end-stage-kidney-disease")) and not active(facts, "dialysis", "kidney-transplant")


def acute_kidney_injury(facts: Facts) -> bool:
    """Whether acute kidney injury is an active problem."""
    return bool(active(facts, "acute-kidney-injury"))


def pregnant(facts: Facts) -> bool:
    """Whether pregnancy is an active problem of a patient who is not recorded as male."""
    return facts.patient.sex != "male" and bool(active(facts, "pregnancy"))


def is_child(facts: Facts, when: Moment) -> bool | None:
    """Whether the patient was under 18 years on ``when``; None where the age does not tell."""
    age = facts.patient.age_on(when)
    if age is None or age[0] < ADULT_FROM <= age[1]:
        return None
    return age[1] < ADULT_FROM


@dataclass(frozen=True, slots=True)
class KidneyFunction:
    """An eGFR in mL/min/1.73 m2 with where it came from; an interval where sex or age leave more than one."""

    egfr: Interval
    source: str
    result: Result
    days_apart: int


_REPORTED = ("egfr-2021", "egfr-2021-cystatin", "egfr-cystatin", "egfr-other")


def kidney_function(facts: Facts, when: Moment, within_days: Decimal) -> KidneyFunction | None:
    """The eGFR nearest to ``when`` and no further off than ``within_days``.

    CKD-EPI 2021 from creatinine where age and sex allow (adults only), else the laboratory's own figure.
    None where there is neither, or where the age is not known to be adult.
    """
    if is_child(facts, when) is not False:
        return None
    creatinine = facts.nearest(("creatinine",), to=when, within_days=within_days)
    if creatinine and creatinine.when.days_until(when) <= within_days:
        egfr = _computed(facts, creatinine)
        if egfr:
            return KidneyFunction(egfr, "CKD-EPI 2021", creatinine, creatinine.when.days_until(when))
    reported = facts.nearest(_REPORTED, to=when, within_days=within_days)
    if reported and reported.when.days_until(when) <= within_days:
        return KidneyFunction(reported.interval, "as reported", reported, reported.when.days_until(when))
    return None


def _computed(facts: Facts, creatinine: Result) -> Interval | None:
    ages = facts.patient.age_on(creatinine.when)
    low, high = creatinine.interval.low, creatinine.interval.high
    if ages is None or low is None or high is None:
        return None
    sexes = {"female": (True,), "male": (False,)}.get(facts.patient.sex or "", (True, False))
    estimates = [
        ckd_epi_2021_creatinine(value / CREATININE_UMOL_PER_MG_DL, age, female=female)
        for value in (low, high)
        for age in ages
        for female in sexes
    ]
    return Interval(min(estimates), max(estimates))


def whole(egfr: Interval, limits: tuple[Decimal, ...]) -> str:
    """An eGFR for reading: whole numbers, one decimal where rounding would carry it over one of ``limits``."""
    ends = [end for end in (egfr.low, egfr.high) if end is not None]
    shown = list(dict.fromkeys(_rounded(end, limits) for end in ends))
    if len(ends) == 1:
        return f"{'from' if egfr.high is None else 'up to'} {shown[0]}"
    return " to ".join(shown)


def _rounded(value: Decimal, limits: tuple[Decimal, ...]) -> str:
    rounded = value.quantize(Decimal(1), ROUND_HALF_UP)
    crosses = any((value < limit) != (rounded < limit) for limit in limits)
    return str(value.quantize(Decimal("0.1")) if crosses else rounded)
