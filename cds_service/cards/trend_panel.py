"""One panel of the trend chart: axis, laboratory's range, thresholds, lines between results, and the results."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from xml.etree.ElementTree import Element

from cds_service.cards.chart_scale import (
    Box,
    Room,
    TimeScale,
    ValueScale,
    along,
    cut,
    place,
    spread,
    value_scale,
    width_of,
)
from cds_service.cards.markdown import plain
from cds_service.cards.svg import INK, SIZE, add, box_around, hatched, line, number, write
from cds_service.cards.trend_content import Limit, Series, joints, result_in_words
from cds_service.facts import Result, legible

HATCHING = "laboratory-range"
LIMIT_DASH, UNSURE_DASH = "7 3 2 3", "4 4"
_DOUBT_DASH = "2 2"
_MARK, _RING = 4.0, 7.5
_LABEL, _LABEL_GAP = 14.0, 13.0
_LONGEST_LABEL = 90
_ALL_LABELLED = 12


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a panel lies: its time axis, its upper and lower edge, how far labels on its right may reach.

    ``uprights`` are the places of lines drawn through it.
    """

    times: TimeScale
    top: float
    bottom: float
    labels_to: float
    uprights: tuple[float, ...]


def draw_panel(
    panel: Element, shown: Series, frame: Frame, limits: Sequence[Limit], under_review: Result | None
) -> None:
    """Draws a series into the element ``panel``; ``limits`` are its thresholds."""
    times, scale = frame.times, value_scale(_heights(shown.results, limits), frame.top, frame.bottom)
    for y, words in scale.ticks():
        line(panel, times.left, y, times.right, y, stroke_opacity=0.15)
        write(panel, times.left - 5, y + 4, words, anchor="end")
    _ranges(panel, shown.results, times, scale)
    _limits(panel, limits, frame, scale)
    joined = []
    for joint in joints(shown.results):
        x1, y1 = times.at(joint.before.when), scale.y(joint.before.value)
        x2, y2 = times.at(joint.after.when), scale.y(joint.after.value)
        dash, surely = ("", "yes") if joint.surely else (UNSURE_DASH, "no")
        line(panel, x1, y1, x2, y2, dash=dash, stroke_width=1.5, class_="joint", data_surely=surely)
        joined.append((x1, y1, x2, y2))
    for result in shown.results:
        _mark(panel, result, times, scale, is_under_review=result == under_review)
    ink = [Box(x - 1, frame.top, x + 1, frame.bottom) for x in frame.uprights]
    ink += [Box(times.left, y - 1, times.right, y + 1) for y in (scale.y(limit.value) for limit in limits)]
    ink += [box for ends in joined for box in along(*ends)]
    _labels(panel, shown.results, times, scale, under_review, ink)


def _heights(results: Sequence[Result], limits: Sequence[Limit]) -> Iterator[Decimal]:
    """All that must fit between the bottom and the top of a panel."""
    yield from (limit.value for limit in limits)
    for result in results:
        given = result.reference_range
        ends = (result.value, result.interval.high, given.high if given else None)
        yield from (end for end in ends if end is not None)


def _ranges(panel: Element, results: Sequence[Result], times: TimeScale, scale: ValueScale) -> None:
    """The laboratory's range at each time, from half-way to the result before to half-way to the one after."""
    places = [times.at(r.when) for r in results]
    edges = [times.left, *((a + b) / 2 for a, b in pairwise(places)), times.right]
    spans: list[tuple[tuple[Decimal, Decimal] | None, float, float]] = []
    for result, (left, right) in zip(results, pairwise(edges), strict=True):
        ends = _range_of(result)
        if spans and spans[-1][0] == ends:
            left = spans.pop()[1]
        spans.append((ends, left, right))
    for ends, left, right in spans:
        if ends:
            box = Box(left, scale.y(ends[1]), right, scale.y(ends[0]))
            hatched(panel, box, HATCHING, class_="reference-range", data_low=ends[0], data_high=ends[1])
            line(panel, left, box.top, right, box.top, stroke_opacity=0.5)


def _range_of(result: Result) -> tuple[Decimal, Decimal] | None:
    """The ends of the laboratory's range, from 0 where it has no lower one; None without an upper one."""
    given = result.reference_range
    if given is None or given.high is None:
        return None
    return min(given.low or Decimal(0), given.high), given.high


def _limits(panel: Element, limits: Sequence[Limit], frame: Frame, scale: ValueScale) -> None:
    """Each threshold as a line, with its side, its number and the rules that used it on the right."""
    from_the_top = sorted(limits, key=lambda limit: -limit.value)
    heights = [scale.y(limit.value) for limit in from_the_top]
    labels = spread(heights, _LABEL_GAP, scale.top, scale.bottom)
    right = frame.times.right
    for limit, y, label_y in zip(from_the_top, heights, labels, strict=True):
        group = add(panel, "g", class_="limit", data_value=limit.value, data_side=limit.side)
        line(group, frame.times.left, y, right, y, dash=LIMIT_DASH)
        line(group, right, y, right + 15, label_y)
        more = f" +{len(limit.rules) - 1}" if len(limit.rules) > 1 else ""
        words = f"{limit.side} {legible(limit.value)} {limit.rules[0]}{more}"
        write(group, right + 18, label_y + 4, cut(words, SIZE, frame.labels_to - right - 18))


# ------------------------------------------------------------------ results


def is_doubtful(result: Result) -> bool:
    """Whether a result is provisional, or its value or unit in doubt."""
    return result.provisional or result.suspicion is not None


def direction(result: Result) -> str:
    """Where the value lies from the number shown: "below" or "above" of a comparator, else "value"."""
    return {"<": "below", ">": "above"}.get(result.comparator[:1], "value")


def _mark(panel: Element, result: Result, times: TimeScale, scale: ValueScale, *, is_under_review: bool) -> None:
    """A result: its shape, the range that a conversion leaves, the days that a date leaves, a ring if under review."""
    x, y = times.at(result.when), scale.y(result.value)
    certain = "no" if is_doubtful(result) else "yes"
    shape = direction(result)
    group = add(panel, "g", class_="result", data_shape=shape, data_certain=certain, data_value=result.value)
    add(group, "title").text = plain(result_in_words(result))
    low, high = result.interval.low, result.interval.high
    if shape == "value" and low is not None and high is not None and low < high:
        bar = add(group, "g", class_="interval")
        for end in (low, high):
            line(bar, x - 4, scale.y(end), x + 4, scale.y(end))
        line(bar, x, scale.y(low), x, scale.y(high))
    lies = place(result.when, times.offset)
    if lies.first < lies.last:
        line(group, times.x(lies.first), y, times.x(lies.last), y, class_="days")
    draw_shape(group, result, x, y)
    if is_under_review:
        group.set("data-under-review", "yes")
        add(group, "circle", cx=x, cy=y, r=_RING, fill="none", stroke=INK)


def draw_shape(group: Element, result: Result, x: float, y: float) -> None:
    """A filled circle, or an open triangle that points where the value lies; hollow and broken where in doubt."""
    doubtful = is_doubtful(result)
    outline = {"stroke": INK, "stroke_width": 1.5, **({"stroke_dasharray": _DOUBT_DASH} if doubtful else {})}
    if direction(result) == "value":
        add(group, "circle", cx=x, cy=y, r=_MARK, fill="none" if doubtful else INK, **outline)
        return
    tip = _MARK if direction(result) == "below" else -_MARK
    corners = ((x - 5, y - tip), (x + 5, y - tip), (x, y + 1.5 * tip))
    points = " ".join(f"{number(float(across))},{number(float(down))}" for across, down in corners)
    add(group, "polygon", points=points, fill="none", **outline)


def _labels(
    panel: Element,
    results: Sequence[Result],
    times: TimeScale,
    scale: ValueScale,
    under_review: Result | None,
    ink: Sequence[Box],
) -> None:
    """The number beside each mark where there is room: first of the result under review, then of comparators.

    Off the lines (``ink``) where that can be: "7.9" with a line through its point is no longer 7.9 for sure. Of a long
    series what finds no such place is left to the words of the mark.
    """
    places = [(r, times.at(r.when), scale.y(r.value)) for r in results]
    area = Box(times.left, scale.top - 6, times.right + 16, scale.bottom)
    room = Room(area, [box_around(x, y, _RING) for _, x, y in places])
    newest_first = reversed(places)
    for result, x, y in sorted(newest_first, key=lambda p: (p[0] != under_review, not p[0].comparator)):
        words = cut(f"{result.comparator}{result.shown}", SIZE, _LONGEST_LABEL)
        boxes = list(_beside(x, y, width_of(words, SIZE) + 4))
        box = room.claim(b for b in boxes if not any(b.meets(a) for a in ink))
        if box is None and (len(results) <= _ALL_LABELLED or result == under_review or result.comparator):
            box = room.claim(boxes)
        if box:
            middle = (box.left + box.right) / 2
            write(panel, middle, box.bottom - 3, words, anchor="middle", bold=result == under_review)


def _beside(x: float, y: float, width: float) -> Iterator[Box]:
    """Where a label may stand about a mark: above, below, right of it, left of it."""
    for left, bottom in ((x - width / 2, y - 8), (x - width / 2, y + 22), (x + 8, y + 7), (x - 8 - width, y + 7)):
        yield Box(left, bottom - _LABEL, left + width, bottom)
