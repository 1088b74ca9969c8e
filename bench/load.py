"""Sends requests over connections that are kept open, each from a thread of its own, and times every answer."""

import contextlib
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from statistics import quantiles
from threading import Barrier

from bench.processes import HOST, MeasureError

_ANSWER_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Request:
    """A POST of JSON."""

    path: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, and the seconds from the request's first byte to its own last."""

    status: int
    body: bytes
    seconds: float


def post(connection: HTTPConnection, request: Request) -> Answer:
    """One request and its whole answer.

    Raises:
        OSError, HTTPException: there is none.
    """
    began = time.perf_counter()
    connection.request("POST", request.path, request.body, {"Content-Type": "application/json", **request.headers})
    response = connection.getresponse()
    body = response.read()
    return Answer(response.status, body, time.perf_counter() - began)


def send(port: int, requests: Sequence[Request], connections: int) -> tuple[float, list[Answer]]:
    """Sends all of them, each connection its next as soon as it is answered.

    Returns:
        Seconds from the first request to the last answer; the answers in the order of the requests.

    Raises:
        MeasureError: one was not answered.
    """
    connections = min(connections, len(requests))
    answers: list[Answer | None] = [None] * len(requests)
    waiting = iter(range(len(requests)))
    start = Barrier(connections + 1)

    def work() -> None:
        with contextlib.closing(HTTPConnection(HOST, port, timeout=_ANSWER_SECONDS)) as connection:
            connection.connect()
            start.wait()
            for place in waiting:  # next() of a range is one step for all threads
                answers[place] = post(connection, requests[place])

    with ThreadPoolExecutor(connections) as threads:
        work_done = [threads.submit(work) for _ in range(connections)]
        start.wait(_ANSWER_SECONDS)
        began = time.perf_counter()
        try:
            for done in work_done:
                done.result()
        except (OSError, HTTPException) as error:
            raise MeasureError(f"a request was not answered: {type(error).__name__}") from None
    return time.perf_counter() - began, [answer for answer in answers if answer]


def percentile(numbers: Sequence[float], percent: int) -> float:
    """Of one number only, that one."""
    return quantiles(numbers, n=100, method="inclusive")[percent - 1] if len(numbers) > 1 else numbers[0]
