"""What was already said: the same of the same result is not told to the same user again within a window."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class Saying:
    """What one card would say. ``text`` holds all by which it would be another saying, patient data too: never kept.

    ``lead`` names the finding that leads it, "rule-id/outcome".
    """

    text: str
    indicator: Literal["info", "warning"]
    lead: str


@dataclass(frozen=True, slots=True)
class Shown:
    """When a saying was last shown to the user of the call, and what became of it.

    ``again_soon``: it was set aside for a reason that asks for it again. ``answered``: the user reacted to it, and so
    has seen it.
    """

    at: datetime
    again_soon: bool = False
    answered: bool = False


class History(Protocol):
    """What was shown before, to the user of one call about its patient."""

    def shown(self, texts: Sequence[str]) -> Mapping[str, Shown]:
        """Those of the sayings that were shown to this user; none where that cannot be asked."""


@dataclass(frozen=True, slots=True)
class Window:
    """For how long a saying is not repeated; zero for never. ``soon`` holds where it was set aside until later."""

    usual: timedelta
    soon: timedelta


@dataclass(frozen=True, slots=True)
class HeldBack:
    """A saying that is not shown now, since when, and until when."""

    saying: Saying
    shown_at: datetime
    until: datetime


def held_back(
    sayings: Sequence[Saying], history: History | None, as_of: datetime, window: Window
) -> dict[Saying, HeldBack]:
    """Those of the sayings that are not to be shown at ``as_of``. A warning without a reaction always is."""
    if history is None or not window.usual or not sayings:
        return {}
    shown = history.shown([saying.text for saying in sayings])
    held = {}
    for saying in sayings:
        before = shown.get(saying.text)
        if before is None or (saying.indicator == "warning" and not before.answered):
            continue
        until = before.at + (min(window.soon, window.usual) if before.again_soon else window.usual)
        if as_of < until:
            held[saying] = HeldBack(saying, before.at, until)
    return held
