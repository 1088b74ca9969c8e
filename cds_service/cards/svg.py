"""Elements of an SVG: presentation attributes only, in the colour of the text around it; no style, no script.

The standard library's tree escapes every text; ``plain`` leaves no character that XML does not allow.
"""

from xml.etree.ElementTree import Element, SubElement

from cds_service.cards.chart_scale import Box
from cds_service.cards.markdown import plain

INK = "currentColor"
SIZE = 11.0


def add(parent: Element, tag: str, **attributes: object) -> Element:
    """A new element; "_" in an attribute's name stands for "-", and for nothing at its end."""
    named = {name.rstrip("_").replace("_", "-"): number(value) for name, value in attributes.items()}
    return SubElement(parent, tag, named)


def number(value: object) -> str:
    """A coordinate to one decimal; anything else as it is."""
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)


def line(
    parent: Element, x1: float, y1: float, x2: float, y2: float, *, dash: str = "", **attributes: object
) -> Element:
    """A straight line; ``dash`` is that of ``stroke-dasharray``."""
    dashed = {"stroke_dasharray": dash} if dash else {}
    return add(parent, "line", x1=x1, y1=y1, x2=x2, y2=y2, stroke=INK, **dashed, **attributes)


def write(
    parent: Element, x: float, y: float, words: str, *, size: float = SIZE, anchor: str = "start", bold: bool = False
) -> None:
    """A text on one line."""
    weight = {"font_weight": "bold"} if bold else {}
    add(parent, "text", x=x, y=y, font_size=size, text_anchor=anchor, **weight).text = plain(words)


def frame(parent: Element, box: Box) -> None:
    """The outline of a box."""
    add(
        parent,
        "rect",
        x=box.left,
        y=box.top,
        width=box.right - box.left,
        height=box.bottom - box.top,
        fill="none",
        stroke=INK,
    )


def box_around(x: float, y: float, reach: float) -> Box:
    """A square about a point."""
    return Box(x - reach, y - reach, x + reach, y + reach)


def sample_line(dash: str) -> Element:
    """A short line about the origin, for a legend."""
    sign = Element("g")
    line(sign, -14, 0, 14, 0, dash=dash)
    return sign


def hatching(root: Element, name: str) -> None:
    """A pattern of slanting lines, to be used as ``fill="url(#name)"``."""
    made = {"id": name, "width": 7, "height": 7, "patternUnits": "userSpaceOnUse", "patternTransform": "rotate(45)"}
    line(add(add(root, "defs"), "pattern", **made), 0, 0, 0, 7, stroke_opacity=0.35)


def hatched(parent: Element, box: Box, name: str, **attributes: object) -> None:
    """A box filled with the pattern ``name``."""
    sides = {"x": box.left, "y": box.top, "width": box.right - box.left, "height": box.bottom - box.top}
    add(parent, "rect", **sides, fill=f"url(#{name})", **attributes)
