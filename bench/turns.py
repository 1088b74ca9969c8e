"""What servers did in turns with the same bodies, and what that comes to."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from bench.load import percentile, send
from bench.processes import MeasureError, cpu_of_family
from bench.servers import Contender

_TRIES = 3


@dataclass(frozen=True, slots=True)
class Turn:
    """What one server did with one list of bodies: CPU seconds a request, requests a second, seconds of each."""

    cpu: float
    rate: float
    latencies: tuple[float, ...]


#: The turns of every round by size, connections and contender.
Found = dict[tuple[str, int, str], list[Turn]]


def take_turn(server: Contender, sent: Sequence[bytes], connections: int) -> Turn:
    """Sends the bodies; once more where a worker was replaced meanwhile, since its CPU time is not known then.

    Raises:
        MeasureError: an answer is not as it should be, or there is none.
    """
    for last in (*[False] * (_TRIES - 1), True):
        requests = [server.prepare(body) for body in sent]
        before = cpu_of_family(server.process)
        try:
            seconds, answers = send(server.port, requests, connections)
        except MeasureError:
            if last:
                raise
            continue
        after = cpu_of_family(server.process)
        for body, answer in zip(sent, answers, strict=True):
            if answer.status != 200:
                raise MeasureError(f"{server.name} answered with {answer.status}: {answer.body[:300]!r}")
            server.check(body, answer.body)
        if before.keys() == after.keys():
            cpu = sum(after.values()) - sum(before.values())
            return Turn(cpu / len(sent), len(sent) / seconds, tuple(answer.seconds for answer in answers))
    raise MeasureError(f"{server.name} replaces its workers all the time")


def cpu_ratios(found: Found, size: str, one: str, other: str, other_size: str = "") -> list[float]:
    """By round, the CPU time of one server as a multiple of another's, over all numbers of connections together."""
    ours, theirs = cpu_of(found, size, one), cpu_of(found, other_size or size, other)
    return [mine / their for mine, their in zip(ours, theirs, strict=False)]


def cpu_of(found: Found, size: str, name: str) -> list[float]:
    """By round, CPU seconds a request, over all numbers of connections together."""
    by_round: dict[int, list[float]] = defaultdict(list)
    for (of_size, _, of_name), turns in found.items():
        for number, turn in enumerate(turns if (of_size, of_name) == (size, name) else ()):
            by_round[number].append(turn.cpu)
    return [sum(taken) / len(taken) for taken in by_round.values()]


def of_all(turns: Sequence[Turn], percent: int) -> float:
    """A percentile in seconds: the median of those of the rounds, so that one bad moment is one round's."""
    return median(percentile(turn.latencies, percent) for turn in turns)
