"""What a call waits for a FHIR server that takes its time, in round trips to that server."""

import contextlib
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

from bench.bodies import USUAL, bodies, on_opening, to_fetch
from bench.load import Request, percentile, send
from bench.processes import HOST, MeasureError
from bench.report import circumstances, note, table, tell
from bench.servers import CHART_PATH, PATH, Service, allowed, fhir_server, our_service

_WARM_UP = 5


class _Kind(NamedTuple):
    """A way to call: its name, whether the server takes batches, and how the call is made of one with prefetch."""

    name: str
    batch: bool
    made: Callable[[bytes, str], Request]


def _review(body: bytes, server: str) -> Request:
    return Request(PATH, to_fetch(body, server))


def _opening(body: bytes, server: str) -> Request:
    return Request(CHART_PATH, on_opening(to_fetch(body, server)))


_KINDS = (
    _Kind("all prefetched", False, lambda body, _: Request(PATH, body)),
    _Kind("lab-result-review, nothing prefetched", False, _review),
    _Kind("the same, server takes a batch", True, _review),
    _Kind("patient-view, nothing prefetched, has B2M", False, _opening),
    _Kind("the same, server takes a batch", True, _opening),
)


def measure_fetch(calls: int, delay_ms: float) -> None:
    """Calls one after another, each for another patient, and tells how long they took.

    Args:
        calls: of each kind.
        delay_ms: of every answer of the FHIR server.

    Raises:
        MeasureError: an answer is not that of the prefetched call.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as name, fhir_server(Path(name), delay_ms) as fhir:
        server = f"http://{HOST}:{fhir}/fhir"
        with contextlib.ExitStack() as stack:
            ports = {}
            for batch in (False, True):
                profile = allowed(server, batch=batch)
                service = Service(Path(name) / f"batch-{batch}", {"OPEN_ACCESS": "1"}, profile)
                ports[batch] = stack.enter_context(our_service(service))[1]
            trips = _round_trips(fhir, calls)
            rows = list(_rows(fhir, ports, calls, server, percentile(trips, 50)))
    tell(circumstances())
    tell(f"A FHIR server that answers after {delay_ms:g} ms; its round trip, p50: {_ms(trips, 50)} ms.\n")
    tell(
        table(
            [
                "calls one after another, 40 kB",
                "p50 ms",
                "p99 ms",
                "p50 / round trip",
                "beyond prefetched / round trip",
            ],
            rows,
        )
    )


def _round_trips(fhir: int, calls: int) -> list[float]:
    """Seconds of reading one Patient over a connection that is kept open."""
    body = bodies(USUAL, 1, "trip", datetime.now(UTC))[0]
    send(fhir, [Request("/charts", body)], 1)
    path = f"/fhir/Patient/{json.loads(body)['context']['patientId']}"
    found = []
    with contextlib.closing(HTTPConnection(HOST, fhir, timeout=30)) as connection:
        for _ in range(calls + _WARM_UP):
            began = time.perf_counter()
            connection.request("GET", path)
            connection.getresponse().read()
            found.append(time.perf_counter() - began)
    return found[_WARM_UP:]


def _rows(fhir: int, ports: dict[bool, int], calls: int, server: str, trip: float) -> Iterator[list[str]]:
    prefetched = 0.0
    for number, kind in enumerate(_KINDS):
        note(kind.name)
        sent = bodies(USUAL, calls + _WARM_UP, f"fetch {number}", datetime.now(UTC))
        send(fhir, [Request("/charts", body) for body in sent], 1)
        seconds, answers = zip(*_answers(ports[kind.batch], [kind.made(body, server) for body in sent]), strict=True)
        reference = [_shown(answer) for _, answer in _answers(ports[False], [Request(PATH, body) for body in sent])]
        if kind.made is not _opening and [_shown(answer) for answer in answers] != reference:
            raise MeasureError(f"{kind.name}: other cards than with prefetch")
        taken = seconds[_WARM_UP:]
        p50 = percentile(taken, 50)
        prefetched = p50 if number == 0 else prefetched
        beyond = f"{(p50 - prefetched) / trip:.2f}" if number else ""
        yield [kind.name, _ms(taken, 50), _ms(taken, 99), f"{p50 / trip:.2f}" if number else "", beyond]


def _answers(port: int, requests: Sequence[Request]) -> Iterator[tuple[float, bytes]]:
    for answer in send(port, requests, 1)[1]:
        if answer.status != 200:
            raise MeasureError(f"answered with {answer.status}: {answer.body[:300]!r}")
        yield answer.seconds, answer.body


def _shown(answer: bytes) -> list[tuple[str, str]]:
    """What a user reads."""
    return [(card["summary"], card["detail"]) for card in json.loads(answer)["cards"]]


def _ms(seconds: Sequence[float], percent: int) -> str:
    return f"{1000 * percentile(seconds, percent):.1f}"
