"""What entries of the chart are called that no term table knows: text from the chart, to be escaped."""

from collections.abc import Iterable

from cds_service.facts import Facts

_MOST_NAMED = 2
#: The longest name of an entry that is shown in full, in characters.
_NAME = 40


def quoted(names: Iterable[str]) -> str:
    """The first of the names, each once and in quotation marks; "" where none says anything."""
    each = list(dict.fromkeys(" ".join(name.split()) for name in names if name.strip()))
    shown = [f"“{name}”" if len(name) <= _NAME else f"“{name[: _NAME - 1]}…”" for name in each[:_MOST_NAMED]]
    return ", ".join(shown) + (" and others" if len(each) > _MOST_NAMED else "")


def problems(facts: Facts) -> str:
    """How many active entries of the problem list name no diagnosis we know, and what the first are called; else ""."""
    count, named = len(facts.unrecognised_problems), quoted(facts.unrecognised_problems)
    entries = (
        "1 active entry of the problem list is" if count == 1 else f"{count} active entries of the problem list are"
    )
    among = ": " if count <= _MOST_NAMED else ", among them "
    return f"; {entries} not recognised{among + named if named else ''}" if count else ""
