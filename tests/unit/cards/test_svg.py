"""Elements of an SVG."""

from xml.etree.ElementTree import Element, tostring

from cds_service.cards.svg import add, number, write


def test_text_is_escaped_and_without_control_characters() -> None:
    group = Element("g")
    write(group, 1, 2.25, "<b>&\x00\ufffe\ud800 \u202ex\n")
    assert tostring(group, encoding="unicode") == (
        '<g><text x="1" y="2.2" font-size="11" text-anchor="start">&lt;b&gt;&amp; x</text></g>'
    )


def test_names_of_attributes_and_coordinates() -> None:
    assert add(Element("g"), "line", class_="x", stroke_width=1.5).attrib == {"class": "x", "stroke-width": "1.5"}
    assert (number(2.0), number(2.04), number(7), number("y")) == ("2", "2", "7", "y")
