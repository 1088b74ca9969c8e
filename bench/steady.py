"""Constant load: calls at a fixed rate whatever becomes of them, feedback on the cards; each answer is judged."""

import contextlib
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from typing import Literal, NamedTuple

from bench.load import Answer, Request, post
from bench.processes import HOST
from bench.reference import Reference, digest
from bench.servers import PATH

_THREADS = 8
_ANSWER_SECONDS = 15.0
_FEEDBACK_PATH = f"{PATH}/feedback"
_FEEDBACK_SECONDS = 20.0

#: right: the cards that the body should get. incomplete: those of a FHIR server that was not in time. refused: another
#: status than 200, which an EHR sees and can act on. lost: no answer. wrong: any other cards.
Outcome = Literal["right", "incomplete", "refused", "lost", "wrong"]


class Case(NamedTuple):
    """A body, and what is right for it: the whole answer, and the one without what is fetched."""

    body: bytes
    whole: str
    late: str


class Event(NamedTuple):
    """What became of one call: when it was sent (monotonic seconds), how long it took, its status (0: none)."""

    at: float
    seconds: float
    outcome: Outcome
    status: int


@dataclass
class Feedback:
    """Reactions by (card, time): those that were acknowledged, and those that have to be sent again."""

    acknowledged: set[tuple[str, str]] = field(default_factory=set)
    pending: list[tuple[str, str]] = field(default_factory=list)
    refused: int = 0


class SteadyLoad:
    """Sends cases in turns from some threads until it is stopped.

    Args:
        port: of the service.
        cases: what is sent.
        rate: calls a second, all threads together.
        signed: adds a token to a request.
        reference: asked again where an answer differs, since time goes on.
    """

    def __init__(
        self,
        port: int,
        cases: Sequence[Case],
        rate: float,
        signed: Callable[[Request], Request],
        reference: Reference,
    ) -> None:
        self._port, self._signed, self._reference = port, signed, reference
        self.cases = cases
        self._turns = itertools.cycle(cases)
        self._pause = _THREADS / rate
        self._lock, self._stop = threading.Lock(), threading.Event()
        self.events: list[Event] = []
        self.feedback = Feedback()
        self._threads = [threading.Thread(target=self._work, args=(n,), daemon=True) for n in range(_THREADS)]

    @contextlib.contextmanager
    def running(self) -> Iterator["SteadyLoad"]:
        """Load while the block runs; then feedback that was not acknowledged is sent until it is, or time is up."""
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join(2 * _ANSWER_SECONDS)
        until = time.monotonic() + _FEEDBACK_SECONDS
        while self.feedback.pending and time.monotonic() < until:
            with _connection(self._port) as connection, contextlib.suppress(OSError, HTTPException):
                while self.feedback.pending:
                    self._react(connection, self.feedback.pending.pop())
            time.sleep(0.2)

    def _work(self, number: int) -> None:
        due = time.monotonic() + self._pause * number / _THREADS
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            with _connection(self._port) as connection, contextlib.suppress(OSError, HTTPException):
                while not self._stop.wait(max(0.0, due - time.monotonic())):
                    due = max(due + self._pause, time.monotonic())
                    self._call(connection)

    def _call(self, connection: HTTPConnection) -> None:
        """One call, and a reaction to its card.

        Raises:
            OSError, HTTPException: there was no answer; noted before.
        """
        with self._lock:
            case = next(self._turns)
        at = time.monotonic()
        try:
            answer = post(connection, self._signed(Request(PATH, case.body)))
        except (OSError, HTTPException):
            self.events.append(Event(at, time.monotonic() - at, "lost", 0))
            raise
        outcome = judged(case, answer, self._reference.answers)
        self.events.append(Event(at, answer.seconds, outcome, answer.status))
        if outcome in ("right", "incomplete"):
            self._react(connection, (_first_card(answer), datetime.now(UTC).isoformat()))

    def _react(self, connection: HTTPConnection, reaction: tuple[str, str]) -> None:
        """Sends feedback; what is not acknowledged is kept to be sent again.

        Raises:
            OSError, HTTPException: there was no answer.
        """
        card, moment = reaction
        told = {"feedback": [{"card": card, "outcome": "overridden", "outcomeTimestamp": moment}]}
        status = 0
        try:
            status = post(connection, self._signed(Request(_FEEDBACK_PATH, json.dumps(told).encode()))).status
        finally:
            with self._lock:
                if status == 200:
                    self.feedback.acknowledged.add(reaction)
                else:
                    self.feedback.refused += 1
                    self.feedback.pending.append(reaction)


def judged(case: Case, answer: Answer, now: Callable[[bytes], tuple[str, str]]) -> Outcome:
    """What an answer to a case is; where it is not as expected, ``now`` tells what is by now: time goes on."""
    if answer.status != 200:
        return "refused"
    found = digest(answer.body)
    whole, late = (case.whole, case.late) if found in (case.whole, case.late) else now(case.body)
    return "right" if found == whole else "incomplete" if found == late else "wrong"


def _first_card(answer: Answer) -> str:
    return str(json.loads(answer.body)["cards"][0]["uuid"])


@contextlib.contextmanager
def _connection(port: int) -> Iterator[HTTPConnection]:
    with contextlib.closing(HTTPConnection(HOST, port, timeout=_ANSWER_SECONDS)) as connection:
        yield connection
