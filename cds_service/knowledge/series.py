"""Serial results of one specimen: which of them may be compared, by how much they changed, what the kidney did."""

from decimal import ROUND_DOWN, Decimal

from cds_service.facts import Facts, Interval, Moment, Result, answered_once
from cds_service.knowledge import terms, urine
from cds_service.knowledge.kidney import REPORTED_EGFR, equation_of
from cds_service.knowledge.urine import quotient

#: The specimens that are urine, of which only a several-fold change is one.
URINES = urine.SPECIMENS
_MOST_SHOWN = 1000
_NOT_CERTAIN = "not certain"


def is_usable(result: Result) -> bool:
    """Whether a result may be compared at all: final, its unit and value not in doubt, and above zero."""
    return not result.provisional and result.suspicion is None and result.value > 0


def came_before(one: Result, other: Result) -> bool:
    """Whether ``one`` was taken before ``other`` for certain: a date that is only a month may lie on either side."""
    if one.when.instant and other.when.instant:
        return one.when.instant < other.when.instant
    return one.when.last < other.when.first


def order_is_known(one: Result, other: Result) -> bool:
    """Whether it is known which of two results was taken first, or that they are of one time."""
    both_timed = one.when.instant is not None and other.when.instant is not None
    return both_timed or came_before(one, other) or came_before(other, one)


def earlier(facts: Facts, result: Result) -> tuple[Result, ...]:
    """The usable results of the same analyte that were taken before ``result``, newest first."""
    return tuple(r for r in facts.series(result.analyte) if is_usable(r) and came_before(r, result))


def differ_in(one: Result, other: Result) -> tuple[str, ...]:
    """What is known of both results and is not the same, so that they may not be compared."""
    stated = {
        "laboratory": (_plain(one.laboratory), _plain(other.laboratory)),
        "method": (_plain(one.method), _plain(other.method)),
        "urine collection": (_collection(one), _collection(other)),
    }
    return tuple(name for name, (a, b) in stated.items() if a and b and a != b)


def are_alike(one: Result, other: Result) -> bool | None:
    """Whether two results are of one laboratory and one method; None where that is not stated of both."""
    if differ_in(one, other):
        return False
    stated = (one.laboratory, one.method, other.laboratory, other.method)
    return True if all(_plain(text) for text in stated) else None


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def _collection(result: Result) -> str:
    return "24 h" if "24 hour" in terms.analyte_of_loinc()[result.loinc][1].name else "spot"


def ratio(after: Result, before: Result) -> Interval:
    """How many times ``before`` ``after`` is, for every value that the two may stand for; both of them usable."""
    return quotient(*_compared(after, before))


def is_at_least(after: Result, before: Result, factor: Decimal) -> bool | None:
    """Whether ``after`` is ``factor`` times ``before`` or more; None where only some of their values are."""
    new, old = _compared(after, before)
    if old.high is not None and new.is_below(old.high * factor) is False:
        return True
    return False if old.low is not None and new.is_below(old.low * factor) else None


def is_at_most(after: Result, before: Result, factor: Decimal) -> bool | None:
    """Whether ``after`` is ``factor`` times ``before`` or less; None where only some of their values are."""
    new, old = _compared(after, before)
    if old.low is not None and new.is_above(old.low * factor) is False:
        return True
    return False if old.high is not None and new.is_above(old.high * factor) else None


def _compared(after: Result, before: Result) -> tuple[Interval, Interval]:
    """What may be compared: two conversions from moles share whatever is wrong with them, so they need no margin."""
    if after.printed_unit.molar == before.printed_unit.molar:
        return after.central, before.central
    return after.interval, before.interval


def change_in_words(after: Result, before: Result) -> str:
    """The change without its direction: in per cent, of urine "2.1-fold", since urine varies far more."""
    times = ratio(after, before)
    if times.low is not None and times.low >= 1:
        surely = times.low
    elif times.high is not None and times.high <= 1:
        surely = times.high
    else:
        return _NOT_CERTAIN
    change = _fold(surely) if after.specimen in URINES else _percent(surely)
    return change if times.low == times.high or change.startswith(">") else f"≥ {change}"


def signed_change(after: Result, before: Result) -> str:
    """The change with its direction: "up 43 %", "down 2.1-fold", "unchanged"."""
    change, times = change_in_words(after, before), ratio(after, before)
    if change == _NOT_CERTAIN or times.low == times.high == 1:
        return "unchanged" if times.low == times.high else change
    return f"up {change}" if times.low is not None and times.low >= 1 else f"down {change}"


def _percent(times: Decimal) -> str:
    percent = abs(times - 1) * 100
    return f"{percent.quantize(Decimal(1), ROUND_DOWN)} %" if percent <= _MOST_SHOWN else f">{_MOST_SHOWN} %"


def _fold(times: Decimal) -> str:
    fold = times if times >= 1 else 1 / times
    return f"{fold.quantize(Decimal('0.1'), ROUND_DOWN)}-fold" if fold <= _MOST_SHOWN else f">{_MOST_SHOWN}-fold"


def day_of(when: Moment) -> str:
    """The day for reading, or the month or year where the chart gives no more."""
    return when.last.isoformat() if when.is_precise else when.printed[: len("2026-03")]


def beside_both(facts: Facts, analyte: str, after: Result, before: Result, days: Decimal) -> tuple[Result, ...]:
    """The final results of ``analyte`` nearest to either, the later first; none where they are not two."""
    near = (facts.within((analyte,), b2m.when, days) for b2m in (after, before))
    pair = tuple(dict.fromkeys(found[0] for found in near if found))
    return pair if len(pair) > 1 else ()


@answered_once
def kidney_beside(facts: Facts, result: Result) -> Result | None:
    """The creatinine nearest to ``result``, else the eGFR that the laboratory gave; none further off than a limit."""
    days = terms.limit("kidney_beside_days_to")
    near = (facts.within((analyte,), result.when, days) for analyte in ("creatinine", *REPORTED_EGFR))
    return next((found[0] for found in near if found), None)


def kidney_beside_both(facts: Facts, after: Result, before: Result) -> tuple[Result, Result] | None:
    """The creatinine, else the eGFR of one equation, near either result: two of them, no comparators."""
    days = terms.limit("kidney_beside_days_to")
    for analyte in ("creatinine", *REPORTED_EGFR):
        new, old = (
            next((k for k in facts.within((analyte,), b2m.when, days) if not k.comparator), None)
            for b2m in (after, before)
        )
        if new and old and new is not old and equation_of(new) == equation_of(old):
            return new, old
    return None
