"""What a browser is handed: Markdown and SVG as HTML, and the policy under which it shows a page."""

from collections.abc import Sequence
from typing import Any

from markdown_it import MarkdownIt
from markupsafe import Markup

#: Nothing but what this service itself sends, and in no other page's frame.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)


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


_MARKDOWN = _markdown()


def of_markdown(markdown: str) -> Markup:
    """Markdown as HTML that holds nothing which acts: what comes as HTML stays text."""
    return Markup(_MARKDOWN.render(markdown))  # noqa: S704 - html is off


def of_svg(svg: str) -> Markup:
    """A chart of ours (``cards.trend_chart``), which escapes every text in it, as a part of a page."""
    return Markup(svg)  # noqa: S704 - made by an XML tree
