"""Serial results as a table in the card: what changed from one to the next, and the kidney beside each."""

from collections.abc import Collection, Sequence

from cds_service.cards.markdown import escape, table
from cds_service.facts import Facts, Result, answered_once
from cds_service.knowledge import series, terms, urine

_MOST_ROWS = 6
_FEWEST_EARLIER = 2
_NOT_COMPARED = "not compared"
#: The specimens of which a change is shown at all; in others the values speak for themselves.
_SHOW_CHANGE = ("serum", *urine.SPECIMENS)


@answered_once
def serial_results(facts: Facts) -> tuple[Result, ...]:
    """The result under review and up to five before it, newest first; none where fewer than two came before."""
    b2m, before = facts.b2m, earlier_results(facts)
    return (b2m, *before[: _MOST_ROWS - 1]) if b2m and len(before) >= _FEWEST_EARLIER else ()


@answered_once
def earlier_results(facts: Facts) -> tuple[Result, ...]:
    """All results of the same analyte that were taken before the one under review or may have been, newest first."""
    b2m = facts.b2m
    if b2m is None:
        return ()
    others = (r for r in facts.series(b2m.analyte) if r != b2m)
    return tuple(r for r in others if series.came_before(r, b2m) or not series.order_is_known(r, b2m))


def trend_table(facts: Facts) -> list[str]:
    """The lines of the table of ``serial_results``; none where there is no series."""
    shown = serial_results(facts)
    if not shown:
        return []
    every = (shown[0], *earlier_results(facts))
    rows = [_row(facts, result, every) for result in shown]
    name = terms.analytes()[shown[0].analyte].short
    taken = escape(f"{name[0].upper()}{name[1:]}, taken")
    return table((taken, "As printed", "Converted", "From the one before", "Creatinine or eGFR near it"), rows)


@answered_once
def results_in_table(facts: Facts) -> tuple[Result, ...]:
    """What the table shows: the series, then the creatinine or eGFR beside each of its results."""
    shown = serial_results(facts)
    beside = (series.kidney_beside(facts, result) for result in shown)
    return tuple(dict.fromkeys([*shown, *(kidney for kidney in beside if kidney)]))


def only_in_table(facts: Facts, used: Collection[Result]) -> frozenset[Result]:
    """What need not be shown again elsewhere: all but the result under review and the kidney beside it, if ``used``.

    That neither where the row of the result under review tells all of it.
    """
    shown = serial_results(facts)
    if not shown:
        return frozenset()
    beside = series.kidney_beside(facts, shown[0])
    kept = {shown[0], *([beside] if beside and beside in used and not _is_told_in_row(beside, shown[0]) else [])}
    return frozenset(results_in_table(facts)) - kept


def _is_told_in_row(kidney: Result, result: Result) -> bool:
    """Whether the cell beside ``result`` says all that a row of its own would: time, value as printed, no range."""
    return kidney.when == result.when and kidney.printed == kidney.quantity and kidney.reference_range is None


def _row(facts: Facts, result: Result, every: Sequence[Result]) -> tuple[str, ...]:
    kidney = series.kidney_beside(facts, result)
    marks = " (provisional)" if result.provisional else ""
    marks += "" if all(r == result or series.order_is_known(r, result) for r in every) else " (order not known)"
    return (
        escape(series.day_of(result.when)) + marks,
        escape(result.printed),
        escape(result.quantity) if result.quantity != result.printed else "–",
        _change(result, every),
        _kidney(kidney, result) if kidney else "none read",
    )


def _change(result: Result, every: Sequence[Result]) -> str:
    """From the newest result that was taken before for certain; its day is said where another row stands between."""
    before = next((r for r in every if series.came_before(r, result)), None)
    if before is None or result.specimen not in _SHOW_CHANGE:
        return "–"
    between = every.index(before) - every.index(result) != 1
    return _compared(result, before) + (f", from {series.day_of(before.when)}" if between else "")


def _compared(result: Result, before: Result) -> str:
    if not (series.is_usable(result) and series.is_usable(before)):
        return _NOT_COMPARED
    differs = " and ".join(series.differ_in(result, before))
    if differs:
        return f"other {differs}: {_NOT_COMPARED}"
    change = series.signed_change(result, before)
    return change if series.are_alike(result, before) else f"{change} (laboratory or method not stated)"


def _kidney(kidney: Result, result: Result) -> str:
    days = kidney.when.days_until(result.when)
    apart = f", {days} day{'s' if days > 1 else ''} off" if days else ""
    return escape(f"{terms.analytes()[kidney.analyte].short} {kidney.quantity}{apart}")
