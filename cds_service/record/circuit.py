"""Leaves a store alone for a while after it failed, and counts what is lost meanwhile."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock

_log = logging.getLogger(__name__)
COOL_DOWN_SECONDS = 10.0


@dataclass(slots=True)
class Circuit:
    """Open after a failure, for the cool-down: nobody then waits for what does not answer, and after it one at a time.

    ``lost`` counts what was not kept since the start, by kind, and ``on_lost`` is told of each. ``clock``: seconds that
    only go forward.
    """

    clock: Callable[[], float]
    cool_down_seconds: float = COOL_DOWN_SECONDS
    lost: Counter[str] = field(default_factory=Counter)
    on_lost: Callable[[str], None] = lambda kind: None
    _until: float | None = None
    _lock: Lock = field(default_factory=Lock)
    _probing: Lock = field(default_factory=Lock)

    @property
    def is_open(self) -> bool:
        """Whether the store is to be left alone now."""
        until = self._until
        return until is not None and self.clock() < until

    @contextmanager
    def attempt(self, *, at_once: bool = False) -> Iterator[bool]:
        """Whether the store may be tried in this block: while it answers by all, after a failure by one at a time.

        ``at_once``: also within the cool-down.
        """
        if self._until is None:
            yield True
        elif (self.is_open and not at_once) or not self._probing.acquire(blocking=False):
            yield False
        else:
            try:
                yield True
            finally:
                self._probing.release()

    def lose(self, kind: str | None) -> None:
        """Counts something that is not kept, where there is something."""
        with self._lock:
            if kind:
                self.lost[kind] += 1
                self.on_lost(kind)

    def fail(self, why: str) -> None:
        """Notes a failure; the first of a cool-down is logged."""
        with self._lock:
            if not self.is_open:
                self._until = self.clock() + self.cool_down_seconds
                _log.error("the store cannot be used: %s; not kept since the start: %s", why, self._said())

    def succeed(self) -> None:
        """Notes that the store answers; the first time after a failure is logged."""
        with self._lock:
            if self._until is not None:
                self._until = None
                _log.warning("the store can be used again; not kept since the start: %s", self._said())

    def _said(self) -> str:
        return ", ".join(f"{kind} {count}" for kind, count in sorted(self.lost.items())) or "nothing"
