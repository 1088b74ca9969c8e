"""Text from a chart in a card: nothing in it acts."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.cards.markdown import bullets, escape, plain, table


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("3.5 mg/L", "3.5 mg/L"),
        ("<3.5 mg/L", "&lt;3.5 mg/L"),
        ("<img src=x>", "&lt;img src=x&gt;"),
        ("a|b", r"a\|b"),
        ("[a](b)", r"\[a\](b)"),
        ("*_`~#", r"\*\_\`\~\#"),
        ("&lt;", "&amp;lt;"),
        ("https://evil.example", "https&#58;//evil.example"),
        ("www.evil.example", "www&#46;evil.example"),
        ("a@b.example", "a&#64;b.example"),
        ("two\nlines\tand\x00more", "two lines and more"),
        ("\u202eright to left", "right to left"),
        ("x" * 200, "x" * 119 + "…"),
    ],
)
def test_escape(text: str, escaped: str) -> None:
    assert escape(text) == escaped


@given(st.text(max_size=200))
def test_nothing_active_is_left(text: str) -> None:
    safe = escape(text)
    assert not re.search(r"[<>\n\r]", safe)
    assert not re.search(r"(?<!\\)[`*_\[\]|~]", re.sub(r"\\\\", "", safe))
    assert not re.search(r"(?i)https?:|www\.", safe)


def test_plain_keeps_what_prints() -> None:
    assert plain(" µg/mL  \n\n 4 ") == "µg/mL 4"


def test_table_and_bullets() -> None:
    assert table(("A", "B"), [("1", "2")]) == ["| A | B |", "| --- | --- |", "| 1 | 2 |"]
    assert bullets(["a", "", "b", "a"]) == ["- a", "- b"]
