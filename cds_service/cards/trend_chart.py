"""Serial B2M with the kidney below it as one SVG, self-contained, without script or style, readable without colour.

``trend_content`` finds what to show, ``chart_scale`` where it lies, ``trend_panel`` draws a series.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from string import ascii_lowercase, ascii_uppercase
from textwrap import wrap
from xml.etree.ElementTree import Element, tostring

from cds_service.cards.chart_scale import Box, TimeScale, cut, time_scale, width_of
from cds_service.cards.markdown import plain
from cds_service.cards.svg import INK, SIZE, add, box_around, frame, hatched, hatching, line, number, sample_line, write
from cds_service.cards.trend_content import (
    Event,
    Kind,
    Limit,
    Series,
    b2m_series,
    event_in_words,
    events,
    in_words,
    joints,
    kidney_series,
    limit_in_words,
    limits,
    lists_not_whole,
    ranges_in_words,
)
from cds_service.cards.trend_panel import (
    HATCHING,
    LIMIT_DASH,
    UNSURE_DASH,
    Frame,
    direction,
    draw_panel,
    draw_shape,
    is_doubtful,
)
from cds_service.facts import Facts, Moment, Result
from cds_service.knowledge.model import Finding, Rule

_WIDTH, _EDGE, _LEFT = 640.0, 8.0, 52.0
#: Where the panels end: beside the labels of thresholds, or where there are none.
_RIGHT, _FULL_RIGHT = 484.0, 600.0
_FLAGS_Y, _B2M_TOP, _B2M_BOTTOM = 34.0, 48.0, 248.0
_KIDNEY_TOP, _KIDNEY_HEIGHT = 288.0, 100.0
_TO_LEGEND, _ROW, _SIGNS_X, _TEXTS_X = 40.0, 16.0, 24.0, 48.0
_HEAD = 12.0
_FLAG = 17.0
_MOST_ROWS = 3
_DASHES = {Kind.TREATMENT: "", Kind.REPLACEMENT: "9 4", Kind.MEASUREMENT: "2 3"}
_KINDS = {
    Kind.TREATMENT: "upright: treatment begun or ordered",
    Kind.REPLACEMENT: "upright: dialysis or transplant",
    Kind.MEASUREMENT: "upright: laboratory or method changes; results on either side are not joined",
}
_DOUBTFUL = "hollow, broken outline: provisional, or its unit or value in doubt; not joined"
_DIRECTIONS = {"below": "triangle down: below the value shown", "above": "triangle up: above the value shown"}
_UNSURE = "joined, though laboratory or method is not stated of both, or one is no plain number"
_NO_KIDNEY = "No creatinine or eGFR was read"


def chart(facts: Facts, findings: Iterable[Finding], rules: Iterable[Rule]) -> str:
    """The SVG for the B2M of the specimen that ``facts`` are seen for; "" where no result of it can be read.

    ``findings`` are what ``rules`` found, of other specimens too: the thresholds that decided are drawn.
    """
    b2m = b2m_series(facts)
    if b2m is None:
        return ""
    kidney = kidney_series(facts)
    found = limits(facts, findings, rules, b2m.results[0].analyte)
    marked = events(facts, b2m.results)
    taken = [r.when for r in (*b2m.results, *(kidney.results if kidney else ()))]
    on_axis, off_axis = _by_nearness(marked, taken)
    moments = [*taken, *(event.when for event in on_axis if event.when)]
    times = time_scale(moments, _LEFT, _RIGHT if found else _FULL_RIGHT)
    drawing = _Drawing(facts, times, b2m, kidney, found, _flags(on_axis, times))
    return drawing.svg(in_words(b2m, kidney, found, marked, facts.b2m), off_axis)


def _by_nearness(marked: Sequence[Event], taken: Sequence[Moment]) -> tuple[list[Event], list[Event]]:
    """Which events lie on the time axis: those no further from the results than these span, or any beside one day.

    So a drug begun long ago does not press the results together.
    """
    first, last = min(when.first for when in taken), max(when.last for when in taken)
    span = last - first
    near = [e for e in marked if e.when and (not span or (first - e.when.last <= span and e.when.first - last <= span))]
    return near, [event for event in marked if event not in near]


@dataclass(frozen=True, slots=True)
class _Flag:
    """Events so close together that one letter stands for them, each with its place."""

    letter: str
    events: tuple[tuple[float, Event], ...]


def _flags(on_axis: Sequence[Event], times: TimeScale) -> list[_Flag]:
    groups: list[list[tuple[float, Event]]] = []
    placed = ((times.at(event.when), event) for event in on_axis if event.when)
    for x, event in sorted(placed, key=lambda pair: pair[0]):
        if groups and x - groups[-1][0][0] < _FLAG:
            groups[-1].append((x, event))
        else:
            groups.append([(x, event)])
    # A chart is too narrow for more groups than letters.
    return [_Flag(*pair) for pair in zip(ascii_uppercase + ascii_lowercase, map(tuple, groups), strict=False)]


class _Drawing:
    """One chart in the making."""

    def __init__(
        self,
        facts: Facts,
        times: TimeScale,
        b2m: Series,
        kidney: Series | None,
        found: Sequence[Limit],
        flags: Sequence[_Flag],
    ) -> None:
        self.facts, self.times, self.b2m, self.kidney = facts, times, b2m, kidney
        self.limits, self.flags = found, flags
        self.bottom = _KIDNEY_TOP + (_KIDNEY_HEIGHT if kidney else 0)
        self.root = Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "role": "img", "width": "100%"})

    def svg(self, words: str, off_axis: Sequence[Event]) -> str:
        """The whole of it; ``words`` describe it to those who do not see it."""
        self.root.attrib |= {"font-family": "sans-serif", "fill": INK}
        add(self.root, "title").text = f"{self.b2m.title} and {self.kidney.name if self.kidney else 'kidney'} over time"
        add(self.root, "desc").text = words
        hatching(self.root, HATCHING)
        self._events()
        write(self.root, _EDGE, _HEAD, self.b2m.title, size=_HEAD, bold=True)
        b2m = add(self.root, "g", class_="panel", data_panel="b2m")
        draw_panel(b2m, self.b2m, self._frame(_B2M_TOP, _B2M_BOTTOM), self.limits, self.facts.b2m)
        self._kidney()
        self._time_axis()
        self.root.set("viewBox", f"0 0 {number(_WIDTH)} {number(self._legend(off_axis))}")
        return tostring(self.root, encoding="unicode")

    def _frame(self, top: float, bottom: float) -> Frame:
        uprights = tuple(x for flag in self.flags for x, _ in flag.events)
        return Frame(self.times, top, bottom, _WIDTH - 2, uprights)

    def _events(self) -> None:
        """A line through both panels for every event, and one letter for those that stand close."""
        for flag in self.flags:
            group = add(self.root, "g", class_="flag", data_letter=flag.letter)
            x = flag.events[0][0]
            box = box_around(x, _FLAGS_Y, _FLAG / 2 - 1)
            frame(group, box)
            write(group, x, _FLAGS_Y + 4, flag.letter, anchor="middle", bold=True)
            for x, event in flag.events:
                mark = add(group, "g", class_="event", data_kind=event.kind)
                add(mark, "title").text = plain(event_in_words(event))
                for top, bottom in ((box.bottom, _B2M_BOTTOM), (_KIDNEY_TOP, self.bottom)):
                    line(mark, x, top, x, bottom, dash=_DASHES[event.kind], stroke_opacity=0.8)

    def _kidney(self) -> None:
        title = self.kidney.title if self.kidney else _NO_KIDNEY
        write(self.root, _EDGE, _KIDNEY_TOP - 12, title, size=_HEAD, bold=bool(self.kidney))
        if self.kidney:
            panel = add(self.root, "g", class_="panel", data_panel="kidney")
            draw_panel(panel, self.kidney, self._frame(_KIDNEY_TOP, self.bottom), (), None)

    def _time_axis(self) -> None:
        axis = add(self.root, "g", class_="time-axis")
        line(axis, self.times.left, self.bottom, self.times.right, self.bottom)
        for x, words in self.times.ticks():
            line(axis, x, self.bottom, x, self.bottom + 4)
            write(axis, x, self.bottom + 17, words, anchor="middle")

    def _legend(self, off_axis: Sequence[Event]) -> float:
        """What letters, lines and marks stand for; the height of it all."""
        legend, y = add(self.root, "g", class_="legend"), self.bottom + _TO_LEGEND
        for letter, words in self._letters(off_axis):
            write(legend, _SIGNS_X, y, letter, anchor="middle", bold=True)
            y = _entry(legend, y, words)
        for sign, words in self._signs():
            sign.set("transform", f"translate({number(_SIGNS_X)} {number(y - 4)})")
            legend.append(sign)
            y = _entry(legend, y, words)
        return y

    def _letters(self, off_axis: Sequence[Event]) -> Iterator[tuple[str, str]]:
        for flag in self.flags:
            yield flag.letter, "; ".join(event_in_words(event) for _, event in flag.events)
        if off_axis:
            yield "–", f"Not on the time axis: {'; '.join(event_in_words(event) for event in off_axis)}"
        if lacking := lists_not_whole(self.facts):
            yield "!", f"Not at hand, or not all of it: {', '.join(lacking)}. What is not marked may still have been."

    def _signs(self) -> Iterator[tuple[Element, str]]:
        """The lines and marks that the chart has, each with what it stands for."""
        for limit in self.limits:
            yield sample_line(LIMIT_DASH), limit_in_words(limit, self.b2m.unit)
        shown = [series for series in (self.b2m, self.kidney) if series]
        for series in shown:
            if words := ranges_in_words(series.results):
                sign = Element("g")
                hatched(sign, Box(-14, -5, 14, 5), HATCHING, stroke=INK, stroke_opacity=0.5)
                yield sign, f"the laboratory's range of {series.name}: {words}"
        if any(not joint.surely for series in shown for joint in joints(series.results)):
            yield sample_line(UNSURE_DASH), _UNSURE
        kinds = {event.kind for flag in self.flags for _, event in flag.events}
        yield from ((sample_line(_DASHES[kind]), _KINDS[kind]) for kind in Kind if kind in kinds)
        yield from _marks_explained([result for series in shown for result in series.results])


def _marks_explained(results: Sequence[Result]) -> Iterator[tuple[Element, str]]:
    """An example of each kind of mark that does not explain itself."""
    examples = {_DOUBTFUL: next((r for r in results if is_doubtful(r)), None)}
    for where, words in _DIRECTIONS.items():
        examples[words] = next((r for r in results if direction(r) == where), None)
    for words, example in examples.items():
        if example:
            sign = Element("g")
            draw_shape(sign, example, 0, 0)
            yield sign, words


def _entry(legend: Element, y: float, words: str) -> float:
    """Writes an entry of the legend on a few rows; where the next one begins."""
    text, room = plain(words), _WIDTH - _TEXTS_X - _EDGE
    letters = int(len(text) * room / max(width_of(text, SIZE), room))
    for row in wrap(text, letters, max_lines=_MOST_ROWS, placeholder=" …"):
        write(legend, _TEXTS_X, y, cut(row, SIZE, room))
        y += _ROW
    return y
