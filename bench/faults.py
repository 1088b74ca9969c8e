"""Constant load, and then something fails: what is refused, what is lost, and that nothing is ever wrong."""

import contextlib
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from bench.load import Request, percentile, send
from bench.processes import MeasureError
from bench.reference import Reference
from bench.report import circumstances, note, table, tell
from bench.scene import Scene, scene
from bench.servers import PATH
from bench.steady import Event, SteadyLoad

#: Less than the header of any file of the store.
_NO_BYTES = 512
_LEEWAY_SECONDS, _HOUR_SECONDS = 45, 3600

Step = Callable[[Scene], None]


def _nothing(_: Scene) -> None:
    """Nothing happens."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens at its beginning, every second while it lasts, and at its end."""

    name: str
    begin: Step = _nothing
    each_second: Step = _nothing
    end: Step = _nothing
    on_postgresql: bool = False


def _keys_gone(at: Scene) -> None:
    at.tell_server(jwks="down")
    at.kill_all_workers()


FAULTS = {
    "worker": Fault("a worker killed every second", each_second=Scene.kill_a_worker),
    "workers": Fault("all workers killed", begin=Scene.kill_all_workers),
    "sqlite": Fault("SQLite's folder gone", begin=Scene.lose_store, end=Scene.bring_store_back),
    "postgresql": Fault("PostgreSQL crashed", begin=Scene.lose_store, end=Scene.bring_store_back, on_postgresql=True),
    "fhir": Fault(
        "FHIR server hangs", begin=lambda at: at.tell_server(fhir="hang"), end=lambda at: at.tell_server(fhir="up")
    ),
    "keys": Fault("keys' URL down, all workers killed", begin=_keys_gone, end=lambda at: at.tell_server(jwks="up")),
    "disk": Fault("no file can grow", begin=lambda at: at.limit_files(_NO_BYTES), end=lambda at: at.limit_files(-1)),
    "clock": Fault(
        "clock 45 s ahead",
        begin=lambda at: at.set_clock(_LEEWAY_SECONDS),
        end=lambda at: at.set_clock(0),
    ),
    "clock-hour": Fault(
        "clock an hour ahead",
        begin=lambda at: at.set_clock(_HOUR_SECONDS),
        end=lambda at: at.set_clock(0),
    ),
}


#: Of a different kind each.
QUICK = ("worker", "sqlite", "fhir")


class Times(NamedTuple):
    """Seconds of load before the fault, while it lasts, and after it; calls a second; workers."""

    before: float
    during: float
    after: float
    rate: float
    workers: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the calls and of the feedback of one fault.

    ``begun``, ``ended``: when the fault did (monotonic). Of the feedback, ``refused``: how often it was not
    acknowledged at once; ``unsent``: what never was; ``stored``: what is in the store; ``unstored``: what was
    acknowledged and is not; ``twice``: what is there more than once. ``replayed``: a token was believed twice.
    """

    events: Sequence[Event]
    begun: float
    ended: float
    acknowledged: int
    stored: int
    unstored: int
    twice: int
    refused: int
    unsent: int
    replayed: bool

    @property
    def counts(self) -> Counter[str]:
        """Calls by outcome; refused ones by status too."""
        found = Counter[str](event.outcome for event in self.events)
        found.update(str(event.status) for event in self.events if event.outcome == "refused")
        return found

    @property
    def is_bad(self) -> bool:
        """Whether anything happened that never may."""
        return bool(self.counts["wrong"] or self.unstored or self.twice or self.replayed)

    def p99(self, since: float, until: float) -> str:
        """Of the calls that were answered, in milliseconds."""
        taken = [e.seconds for e in self.events if since <= e.at < until and e.outcome in ("right", "incomplete")]
        return f"{1000 * percentile(taken, 99):.0f}" if taken else "none"

    @property
    def recovered(self) -> float:
        """Seconds from the fault's end until the last call that was not answered whole."""
        return max((e.at - self.ended for e in self.events if e.outcome != "right" and e.at > self.ended), default=0.0)


def measure_faults(names: Sequence[str], times: Times) -> bool:
    """Runs faults one after another and tells what came of them; whether nothing happened that never may."""
    rows, fine = [], True
    for name in names:
        fault = FAULTS[name]
        note(fault.name)
        try:
            found = _run(fault, times)
        except MeasureError as error:
            tell(f"{fault.name}: not measured: {error}\n")
            fine = False
            continue
        fine = fine and not found.is_bad
        rows.append(_row(fault, found))
    tell(circumstances())
    tell(
        f"{times.workers} workers, {times.rate:g} calls a second and a reaction to each card; every fault lasts "
        f"{times.during:g} s. Every fourth call lacks a prefetch key, which is fetched.\n"
    )
    tell(table(_HEADINGS, rows))
    return fine


def _run(fault: Fault, times: Times) -> Outcome:
    with loaded(fault, times) as (at, load):
        warm_up = [at.signed(Request(PATH, case.body)) for case in load.cases]
        send(at.port, warm_up, times.workers)
        with load.running():
            time.sleep(times.before)
            begun = time.monotonic()
            fault.begin(at)
            while time.monotonic() < begun + times.during:
                fault.each_second(at)
                time.sleep(min(1.0, times.during))
            fault.end(at)
            ended = time.monotonic()
            time.sleep(times.after)
        replayed = at.is_believed(warm_up[0])
        return outcome_of(at, load, begun, ended, replayed)


@contextlib.contextmanager
def loaded(fault: Fault, times: Times) -> Iterator[tuple[Scene, SteadyLoad]]:
    """The service with what it depends on, and the load for it, which does not run yet."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder,
        scene(Path(folder), times.workers, on_postgresql=fault.on_postgresql) as at,
    ):
        reference = Reference(at.fhir)
        yield at, SteadyLoad(at.port, at.cases(reference), times.rate, at.signed, reference)


def outcome_of(at: Scene, load: SteadyLoad, begun: float, ended: float, replayed: bool) -> Outcome:
    """What became of all that was sent, once the load has stopped."""
    stored, acknowledged = at.stored_feedback(), load.feedback.acknowledged
    known = {(card, datetime.fromisoformat(moment)) for card, moment in acknowledged}
    return Outcome(
        events=load.events,
        begun=begun,
        ended=ended,
        acknowledged=len(known),
        stored=len(stored),
        unstored=len(known - stored.keys()),
        twice=sum(count > 1 for count in stored.values()),
        refused=load.feedback.refused,
        unsent=len(load.feedback.pending),
        replayed=replayed,
    )


_HEADINGS = (
    "fault",
    "sent",
    "right",
    "without what was not had",
    "refused (status)",
    "no answer",
    "wrong",
    "all right again after s",
    "p99 ms before, during, after",
    "feedback refused at first",
    "acknowledged / stored",
    "lost / twice",
)


def _row(fault: Fault, found: Outcome) -> list[str]:
    counts, ever = found.counts, float("inf")
    statuses = ", ".join(f"{status}: {count}" for status, count in sorted(counts.items()) if status.isdigit())
    spans = ((0.0, found.begun), (found.begun, found.ended), (found.ended, ever))
    return [
        fault.name,
        str(len(found.events)),
        str(counts["right"]),
        str(counts["incomplete"]),
        f"{counts['refused']}{f' ({statuses})' if statuses else ''}",
        str(counts["lost"]),
        f"{counts['wrong']}{' and a token twice' if found.replayed else ''}",
        f"{found.recovered:.1f}",
        ", ".join(found.p99(*span) for span in spans),
        f"{found.refused}{f' ({found.unsent} never taken)' if found.unsent else ''}",
        f"{found.acknowledged} / {found.stored}",
        f"{found.unstored} / {found.twice}",
    ]
