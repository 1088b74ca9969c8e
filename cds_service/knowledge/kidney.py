"""Kidney function beside a B2M: the eGFR that a chart allows, by a named equation, with what it rests on."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal
from functools import cached_property

from cds_service.facts import Facts, Interval, Moment, Result, answered_once
from cds_service.knowledge import states
from cds_service.knowledge.equations import (
    CREATININE_UMOL_PER_MG_DL,
    bedside_schwartz,
    ckd_epi_2012_cystatin,
    ckd_epi_2021_creatinine,
    ckd_epi_2021_creatinine_cystatin,
    serum_b2m_at_gfr,
)
from cds_service.knowledge.terms import analyte_of_loinc, limit

#: The eGFR that laboratories report for adults; those with a race coefficient are not used.
REPORTED_EGFR = ("egfr-2021", "egfr-2021-cystatin", "egfr-cystatin", "egfr-other")
_REPORTED_OF_CHILDREN = ("egfr-schwartz",)
_OF_THE_KIDNEYS = {"creatinine", "cystatin-c", *REPORTED_EGFR, *_REPORTED_OF_CHILDREN}
_BOTH = "creatinine and cystatin C"
#: Of two estimates that lie equally near in time, the first of these is taken.
_ORDER = (
    *(_BOTH, "egfr-2021-cystatin", "creatinine", "egfr-2021", "cystatin-c", "egfr-cystatin", "egfr-other"),
    *_REPORTED_OF_CHILDREN,
)

_Estimates = Callable[[Sequence[Decimal]], list[Decimal]]


@dataclass(frozen=True)
class KidneyFunction:
    """An eGFR in mL/min/1.73 m2 with where it came from; an interval where sex or age leave more than one.

    ``source`` names the equation, behind "as reported:" where the laboratory computed it. ``result`` is the creatinine
    it rests on (else the cystatin C, or the reported eGFR itself), ``also`` the cystatin C or height used with it.
    ``days_apart``: from the moment asked about to the further of creatinine and cystatin C.
    """

    egfr: Interval
    source: str
    result: Result
    days_apart: int
    also: tuple[Result, ...] = ()

    @property
    def computed(self) -> bool:
        """Whether this service computed it, from creatinine or cystatin C."""
        return self.result.analyte in ("creatinine", "cystatin-c")

    @cached_property
    def expected(self) -> tuple[Decimal | None, Decimal | None]:
        """The serum B2M in mg/L that adults had at the lowest such GFR, and at the highest; None for an open end."""
        low, high = self.egfr.low, self.egfr.high
        at_lowest = serum_b2m_at_gfr(low) if low else None
        return at_lowest, at_lowest if low == high else serum_b2m_at_gfr(high) if high else None


def kidney_function(facts: Facts, when: Moment, within_days: Decimal) -> KidneyFunction | None:
    """The eGFR to read beside a result of ``when``, from data no further off than ``within_days``.

    Adults: CKD-EPI 2021 from creatinine and cystatin C where both are there, else from creatinine, else CKD-EPI 2012
    from cystatin C; children from 1 year: bedside Schwartz. The laboratory's own figure where it lies nearer in time,
    or there is no other. None where there is nothing, or the age does not say which equation holds.
    """
    return next(iter(estimates(facts, when, within_days)), None)


@answered_once
def estimates(facts: Facts, when: Moment, within_days: Decimal) -> tuple[KidneyFunction, ...]:
    """Every eGFR that the data within ``within_days`` of ``when`` give, the one to use first.

    Of data from before the last kidney transplantation, or from dialysis, none.
    """
    facts = _of_these_kidneys(facts, when)
    ages, child = facts.patient.age_on(when), states.is_child(facts, when)
    if ages is None or child is None:
        return ()
    if child and ages[0] < limit("schwartz_years_from"):
        return ()
    found = [*(_of_child(facts, when, within_days) if child else _of_adult(facts, when, within_days, ages))]
    found += _reported(facts, when, within_days, _REPORTED_OF_CHILDREN if child else REPORTED_EGFR)
    told = [k for k in found if (k.egfr.low, k.egfr.high) != (None, None)]
    return tuple(sorted(told, key=lambda k: (_nearest_of(k, when), _ORDER.index(_kind(k)))))


@answered_once
def _of_these_kidneys(facts: Facts, when: Moment) -> Facts:
    """The facts without kidney results that tell nothing of the kidneys that worked at ``when``."""
    kept = [
        r for r in facts.results if r.analyte not in _OF_THE_KIDNEYS or not states.kidneys_differed(facts, r.when, when)
    ]
    return replace(facts, results=tuple(kept)) if len(kept) < len(facts.results) else facts


def height_for_schwartz(facts: Facts, when: Moment) -> Result | None:
    """The height nearest to ``when``, no further off than a child's height may lie from it."""
    near = facts.within(("body-height",), when, limit("child_height_days_to"))
    return next((height for height in near if not height.comparator), None)


def creatinine_is_unsteady(facts: Facts, when: Moment, within_days: Decimal, fold: Decimal) -> bool:
    """Whether creatinine changed ``fold`` or more near ``when``, or rose in two days: see ``unsteady_creatinine``."""
    return bool(unsteady_creatinine(facts, when, within_days, fold))


@answered_once
def unsteady_creatinine(facts: Facts, when: Moment, within_days: Decimal, fold: Decimal) -> tuple[Result, ...]:
    """The two creatinines, the earlier first, that differ ``fold`` or more; none where creatinine is steady.

    Among those within ``within_days`` of ``when``; else the nearest of them and the last one before that time; else
    those of an ``acute_rise``, or of as steep a fall. Those from before the last kidney transplantation, or from
    dialysis, are left out.
    """
    all_told = _creatinines(facts, when, limit("unsteady_days_to"))
    near = [r for r in all_told if r.when.days_until(when) <= within_days]
    if not near:
        return ()
    before = [r for r in all_told if r not in near and r.when.last < when.first]
    for pair in ((min(near, key=_value), max(near, key=_value)), (near[0], *before[:1])):
        if max(r.value for r in pair) >= min(r.value for r in pair) * fold:
            return tuple(sorted(pair, key=lambda r: r.when.sort_key()))
    return acute_rise(facts, when, within_days) or _steep_fall(facts, when, within_days)


@answered_once
def acute_rise(facts: Facts, when: Moment, within_days: Decimal) -> tuple[Result, ...]:
    """The two creatinines within ``within_days`` of ``when``, the earlier first, that show acute kidney injury.

    By KDIGO's absolute criterion (2012, 2.1.1): a rise of 26.5 umol/L or more within 48 hours. Where no times are told
    it counts if the two may lie so near: no eGFR is better than one as if of a steady state.
    """
    rise = limit("acute_rise_from")
    found = _differing(facts, when, within_days, lambda one, other: other.value - one.value >= rise)
    return _steepest(found, limit("acute_rise_hours_to"))


@answered_once
def _steep_fall(facts: Facts, when: Moment, within_days: Decimal) -> tuple[Result, ...]:
    """The same of a fall, as after acute kidney injury or a transplantation: an eGFR would be far too low."""
    fall = limit("steep_fall_from")
    found = _differing(facts, when, within_days, lambda one, other: one.value - other.value >= fall)
    return _steepest(found, limit("steep_fall_hours_to"))


def _differing(
    facts: Facts, when: Moment, within_days: Decimal, differ: Callable[[Result, Result], bool]
) -> list[tuple[Result, Result]]:
    near = _creatinines(facts, when, within_days)
    return [(one, other) for one in near for other in near if differ(one, other)]


def _steepest(pairs: list[tuple[Result, Result]], within_hours: Decimal) -> tuple[Result, ...]:
    following = [pair for pair in pairs if _may_follow(pair[0].when, pair[1].when, within_hours)]
    return max(following, key=lambda pair: abs(pair[1].value - pair[0].value), default=())


def _may_follow(earlier: Moment, later: Moment, within_hours: Decimal) -> bool:
    """Whether ``later`` lies after ``earlier`` for certain, and may lie within so many hours of it."""
    hours = timedelta(hours=int(within_hours))
    if earlier.instant and later.instant:
        return timedelta(0) < later.instant - earlier.instant <= hours
    # From the end of the one day to the beginning of the other.
    return timedelta(0) < later.first - earlier.last and later.first - earlier.last - timedelta(days=1) < hours


def _creatinines(facts: Facts, when: Moment, within_days: Decimal) -> list[Result]:
    """Those of the kidneys of ``when``, the nearest first, without what is only a bound."""
    near = _of_these_kidneys(facts, when).within(("creatinine",), when, within_days)
    return [r for r in near if not r.comparator]


def is_acutely_injured(facts: Facts, when: Moment) -> bool:
    """Whether acute kidney injury is in the problem list, or creatinine shows it near ``when``."""
    return states.acute_kidney_injury(facts, when) or bool(acute_rise(facts, when, limit("kidney_beside_days_to")))


def creatinine_window(facts: Facts, when: Moment) -> str:
    """The name of the threshold in days within which a creatinine counts: it soon ages in acute kidney injury."""
    return "creatinine_acute_days_to" if is_acutely_injured(facts, when) else "creatinine_days_to"


def _value(result: Result) -> Decimal:
    return result.value


def is_far_above(b2m: Result, found: Sequence[KidneyFunction], fold: Decimal) -> bool:
    """Whether a serum B2M is surely more than ``fold`` times what adults had at every GFR that ``found`` allows."""
    highest = (function.expected[0] for function in found)
    return all(level and b2m.interval.is_above(level * fold) for level in highest)


def is_far_below(b2m: Result, found: Sequence[KidneyFunction], fold: Decimal) -> bool:
    """Whether a serum B2M is surely less than that level divided by ``fold``."""
    lowest = (function.expected[1] for function in found)
    return all(level and b2m.interval.is_below(level / fold) for level in lowest)


def expected_b2m(function: KidneyFunction) -> str:
    """The serum B2M in mg/L that adults had at such a GFR, for reading; "" where the eGFR has no end above 0."""
    highest, lowest = function.expected
    ends = [level.quantize(Decimal("0.1")) for level in (lowest, highest) if level]
    if len(ends) == 1:
        return f"{'at least' if function.egfr.high else 'at most'} {ends[0]}"
    return " to ".join(f"about {end}" if end == ends[0] else str(end) for end in dict.fromkeys(ends))


def equation_of(reported: Result) -> str:
    """The equation that the code of a reported eGFR stands for."""
    return analyte_of_loinc()[reported.loinc][1].equation


def _kind(function: KidneyFunction) -> str:
    return _BOTH if any(r.analyte == "cystatin-c" for r in function.also) else function.result.analyte


def _nearest_of(function: KidneyFunction, when: Moment) -> tuple[int, timedelta]:
    measured = [function.result, *(r for r in function.also if r.analyte == "cystatin-c")]
    return min(r.when.distance(when) for r in measured)


def _of_adult(facts: Facts, when: Moment, within_days: Decimal, ages: tuple[int, int]) -> Iterator[KidneyFunction]:
    """CKD-EPI for every age and sex that the chart leaves open."""
    sexes = {"female": (True,), "male": (False,)}.get(facts.patient.sex or "", (True, False))
    people = [(age, female) for age in dict.fromkeys(ages) for female in sexes]

    def across(equation: Callable[..., Decimal]) -> _Estimates:
        return lambda values: [equation(*values, age, female=female) for age, female in people]

    creatinine, cystatin = (
        next(iter(facts.within((key,), when, within_days)), None) for key in ("creatinine", "cystatin-c")
    )
    if creatinine and cystatin:
        egfr = _interval((creatinine, cystatin), across(ckd_epi_2021_creatinine_cystatin))
        apart = max(r.when.days_until(when) for r in (creatinine, cystatin))
        yield KidneyFunction(egfr, "CKD-EPI 2021 creatinine-cystatin C", creatinine, apart, (cystatin,))
    if creatinine:
        egfr = _interval((creatinine,), across(ckd_epi_2021_creatinine))
        yield KidneyFunction(egfr, "CKD-EPI 2021 creatinine", creatinine, creatinine.when.days_until(when))
    if cystatin:
        egfr = _interval((cystatin,), across(ckd_epi_2012_cystatin))
        yield KidneyFunction(egfr, "CKD-EPI 2012 cystatin C", cystatin, cystatin.when.days_until(when))


def _of_child(facts: Facts, when: Moment, within_days: Decimal) -> Iterator[KidneyFunction]:
    height = height_for_schwartz(facts, when)
    creatinine = next(iter(facts.within(("creatinine",), when, within_days)), None)
    if height and creatinine:
        egfr = _interval((creatinine,), lambda values: [bedside_schwartz(values[0], height.value)])
        yield KidneyFunction(egfr, "bedside Schwartz", creatinine, creatinine.when.days_until(when), (height,))


def _reported(facts: Facts, when: Moment, within_days: Decimal, analytes: tuple[str, ...]) -> Iterator[KidneyFunction]:
    """What the laboratory reported: the nearest of each equation."""
    nearest: dict[str, Result] = {}
    for result in facts.within(analytes, when, within_days):
        nearest.setdefault(equation_of(result), result)
    for equation, result in nearest.items():
        source = f"as reported: {equation}"
        yield KidneyFunction(result.interval, source, result, result.when.days_until(when))


def _interval(measured: tuple[Result, ...], estimates_of: _Estimates) -> Interval:
    """Filtration falls as any of ``measured`` rises; a comparator leaves one side open."""

    def across(ends: list[Decimal | None]) -> list[Decimal]:
        known = [end for end in ends if end is not None]
        return estimates_of(known) if len(known) == len(ends) else []

    lowest = across([_as_in_equations(r, r.interval.high) for r in measured])
    exact = all(r.interval.low == r.interval.high for r in measured)
    highest = lowest if exact else across([_as_in_equations(r, r.interval.low) for r in measured])
    return Interval(min(lowest, default=None), max(highest, default=None))


def _as_in_equations(result: Result, value: Decimal | None) -> Decimal | None:
    """Creatinine in mg/dL; cystatin C is in mg/L already."""
    return value / CREATININE_UMOL_PER_MG_DL if value is not None and result.analyte == "creatinine" else value


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
