"""What several rules ask of a chart: plain questions, answered from the facts alone."""

from dataclasses import dataclass
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal
from enum import Enum

from cds_service.facts import Facts, Interval, Moment, Problem, Result
from cds_service.knowledge.equations import CREATININE_UMOL_PER_MG_DL, ckd_epi_2021_creatinine
from cds_service.knowledge.terms import limit

_INACTIVE = {"inactive", "remission", "resolved"}
_UNPROVEN = {"unconfirmed", "provisional", "differential"}
REFUTED = {"refuted", "entered-in-error"}
_RETURNED_OR_REMISSION = {"recurrence", "relapse", "remission"}


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


class Dialysis(Enum):
    """What the chart says about dialysis."""

    NO = "no"
    YES = "yes"
    UNCLEAR = "unclear"


def dialysis(facts: Facts) -> Dialysis:
    """Whether the patient is on dialysis; a later kidney transplant overrides the codes for it.

    Unclear: dialysis and transplant of which one has no date; dialysis without a date beside a creatinine that speaks
    against it; end-stage kidney disease without a word on either.
    """
    codes = [p for p in active(facts, "dialysis") if is_confirmed(p)]
    transplants = [p for p in active(facts, "kidney-transplant") if is_confirmed(p)]
    if not codes:
        ended = active(facts, "end-stage-kidney-disease") and not transplants
        return Dialysis.UNCLEAR if ended else Dialysis.NO
    if not transplants:
        undated = not any(p.onset for p in codes)
        return Dialysis.UNCLEAR if undated and _creatinine_speaks_against_dialysis(facts) else Dialysis.YES
    begun, grafted = [p.onset for p in codes], [p.onset for p in transplants]
    if None in begun or None in grafted:
        return Dialysis.UNCLEAR
    return Dialysis.NO if max(t.last for t in grafted if t) > max(d.last for d in begun if d) else Dialysis.YES


def _creatinine_speaks_against_dialysis(facts: Facts) -> bool:
    days = limit("dialysis_creatinine_days_to")
    near = facts.within(("creatinine",), facts.b2m.when, days) if facts.b2m else ()
    return any(r.interval.is_below(limit("dialysis_creatinine_below")) for r in near)


def acute_kidney_injury(facts: Facts, when: Moment) -> bool:
    """Whether acute kidney injury is an active problem, if only suspected, begun no longer ago than counts as acute."""
    acute_to = limit("acute_kidney_injury_days_to")
    return any(p.onset is None or p.onset.days_until(when) <= acute_to for p in active(facts, "acute-kidney-injury"))


def pregnant(facts: Facts, when: Moment) -> bool:
    """Whether ``when`` lies in a pregnancy or in the six weeks after one, for a patient not recorded as male.

    An entry still active long after any pregnancy would have ended does not count.
    """
    if facts.patient.sex == "male":
        return False
    after = limit("post_partum_days_to")
    lasts = limit("pregnancy_days_to") + after
    age = facts.patient.age_on(when)
    past_it = age is not None and age[0] > limit("pregnancy_age_to")
    current = any(
        is_confirmed(p) and (not past_it if p.onset is None else p.onset.days_until(when) <= lasts)
        for p in active(facts, "pregnancy")
    )
    ended = [p.abatement for p in facts.problems_of("pregnancy") if p.abatement and is_confirmed(p)]
    return current or any(end.days_until(when) <= after for end in ended)


def is_child(facts: Facts, when: Moment) -> bool | None:
    """Whether the patient was under 18 years on ``when``; None where the age does not tell."""
    age = facts.patient.age_on(when)
    adult_from = limit("adult_years_from")
    if age is None or age[0] < adult_from <= age[1]:
        return None
    return age[1] < adult_from


@dataclass(frozen=True, slots=True)
class KidneyFunction:
    """An eGFR in mL/min/1.73 m2 with where it came from; an interval where sex or age leave more than one."""

    egfr: Interval
    source: str
    result: Result
    days_apart: int


REPORTED_EGFR = ("egfr-2021", "egfr-2021-cystatin", "egfr-cystatin", "egfr-other")


def kidney_function(facts: Facts, when: Moment, within_days: Decimal) -> KidneyFunction | None:
    """The eGFR nearest in time to ``when`` and no further off than ``within_days``.

    CKD-EPI 2021 from creatinine (adults only), or the laboratory's own figure where that lies nearer or there is no
    other. None where there is neither, or where the age is not known to be adult.
    """
    ages = facts.patient.age_on(when)
    if ages is None or is_child(facts, when) is not False:
        return None
    found = []
    for result in facts.within(("creatinine", *REPORTED_EGFR), when, within_days):
        computed = result.analyte == "creatinine"
        egfr = _computed(facts, result, ages) if computed else result.interval
        source = "CKD-EPI 2021" if computed else "as reported"
        found.append(KidneyFunction(egfr, source, result, result.when.days_until(when)))
    order = ("creatinine", *REPORTED_EGFR)
    return min(found, key=lambda k: (k.result.when.distance(when), order.index(k.result.analyte)), default=None)


def creatinine_is_unsteady(facts: Facts, when: Moment, within_days: Decimal, fold: Decimal) -> bool:
    """Whether creatinine changed ``fold`` or more among the results within ``within_days`` of ``when``."""
    values = [r.value for r in facts.within(("creatinine",), when, within_days) if not r.comparator]
    return len(values) > 1 and max(values) >= min(values) * fold


def _computed(facts: Facts, creatinine: Result, ages: tuple[int, int]) -> Interval:
    """CKD-EPI 2021 for every age and sex that the chart leaves open; a comparator leaves one side open."""
    sexes = {"female": (True,), "male": (False,)}.get(facts.patient.sex or "", (True, False))

    def estimates(value: Decimal) -> list[Decimal]:
        mg_per_dl = value / CREATININE_UMOL_PER_MG_DL
        return [ckd_epi_2021_creatinine(mg_per_dl, age, female=female) for age in ages for female in sexes]

    low, high = creatinine.interval.low, creatinine.interval.high
    return Interval(None if high is None else min(estimates(high)), None if low is None else max(estimates(low)))


def whole(egfr: Interval, limits: tuple[Decimal, ...]) -> str:
    """An eGFR for reading: whole numbers, one decimal where rounding would carry it over one of ``limits``."""
    ends = [end for end in (egfr.low, egfr.high) if end is not None]
    shown = list(dict.fromkeys(_rounded(end, limits) for end in ends))
    if len(ends) == 1:
        return f"{_open_side(egfr)} {shown[0]}"
    return " to ".join(shown)


def _open_side(egfr: Interval) -> str:
    if egfr.high is None:
        return "above" if egfr.low_open else "from"
    return "below" if egfr.high_open else "up to"


def _rounded(value: Decimal, limits: tuple[Decimal, ...]) -> str:
    rounded = value.quantize(Decimal(1), ROUND_HALF_UP)
    crosses = any((value < limit) != (rounded < limit) for limit in limits)
    return str(value.quantize(Decimal("0.1"), ROUND_FLOOR) if crosses else rounded)
