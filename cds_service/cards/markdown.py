"""Text from a chart made safe for GitHub-flavoured Markdown and for clients that pass raw HTML through."""

import re

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;", '"': "&quot;"}
_SPECIAL = {sign: f"\\{sign}" for sign in "\\`*_[]|~#"}
_TABLE = str.maketrans(_ENTITIES | _SPECIAL)
_AUTOLINK = re.compile(r"(?i)\b(https?|ftp|mailto|xmpp)(:)|\b(www)(\.)")
_LONGEST = 120


def escape(text: str, longest: int = _LONGEST) -> str:
    """``text`` on one line, at most ``longest`` characters, with no sign left that Markdown or HTML would act on."""
    line = plain(text)
    shown = line if len(line) <= longest else line[: longest - 1] + "…"
    return _AUTOLINK.sub(_unlinked, shown.translate(_TABLE))


def _unlinked(match: re.Match[str]) -> str:
    word, sign = match[1] or match[3], match[2] or match[4]
    return f"{word}&#{ord(sign)};"


def plain(text: str) -> str:
    """``text`` on one line without control characters."""
    printable = text if text.isprintable() else "".join(sign if sign.isprintable() else " " for sign in text)
    return " ".join(printable.split())


def table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    """The lines of a table whose cells are Markdown already."""
    return [_row(header), _row(tuple("---" for _ in header)), *(_row(row) for row in rows)]


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


def bullets(items: list[str]) -> list[str]:
    """The lines of a list whose items are Markdown already; each item once."""
    return [f"- {item}" for item in dict.fromkeys(items) if item]
