"""What a browser is handed: Markdown and SVG as HTML."""

from collections.abc import Sequence
from typing import Any

from markdown_it import MarkdownIt
from markupsafe import Markup


def _markdown() -> MarkdownIt:
    """CommonMark with GitHub's tables; no HTML, no image, no link but to https."""
    made = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    made.validateLink = lambda url: url.startswith("https://")  # type: ignore[method-assign]
    made.add_render_rule("link_open", _link)
    return made


def _link(renderer: Any, tokens: Sequence[Any], at: int, options: Any, _environment: Any) -> str:
    tokens[at].attrSet("rel", "noopener noreferrer")
    tokens[at].attrSet("target", "_blank")
    opened: str = renderer.renderToken(tokens, at, options, _environment)
    return opened


def _table_open(renderer: Any, tokens: Sequence[Any], at: int, options: Any, _environment: Any) -> str:
    """A table that is wider than a side pane scrolls by itself, by keyboard too."""
    opened: str = renderer.renderToken(tokens, at, options, {})
    return f'<div class="wide" role="group" aria-label="Table" tabindex="0">{opened}'


def _table_close(renderer: Any, tokens: Sequence[Any], at: int, options: Any, _environment: Any) -> str:
    return f"{renderer.renderToken(tokens, at, options, {})}</div>"


def _head_open(renderer: Any, tokens: Sequence[Any], at: int, options: Any, _environment: Any) -> str:
    tokens[at].attrSet("scope", "col")
    opened: str = renderer.renderToken(tokens, at, options, {})
    return opened


_MARKDOWN = _markdown()
_MARKDOWN.add_render_rule("th_open", _head_open)
_PAGE = _markdown()
for _kind, _rule in (("th_open", _head_open), ("table_open", _table_open), ("table_close", _table_close)):
    _PAGE.add_render_rule(_kind, _rule)


def of_markdown(markdown: str) -> Markup:
    """Markdown as HTML that holds nothing which acts: what comes as HTML stays text."""
    return Markup(_MARKDOWN.render(markdown))  # noqa: S704 - html is off


def of_page(markdown: str) -> Markup:
    """The same for a page of its own, whose tables scroll by themselves."""
    return Markup(_PAGE.render(markdown))  # noqa: S704 - html is off


def of_svg(svg: str) -> Markup:
    """A chart of ours (``cards.trend_chart``), which escapes every text in it, as a part of a page."""
    return Markup(svg)  # noqa: S704 - made by an XML tree
