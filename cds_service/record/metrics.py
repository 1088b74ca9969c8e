"""What Prometheus is told of calls, in clinical and technical terms. docs/operations.md has each metric.

Labels are ids of rules, services and prefetch keys, kinds and states: never an id or a text of a call.
"""

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest, values
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from cds_service.decide import Decision, Failure
from cds_service.fhir.bundle import Group
from cds_service.fhir.gather import Fetch, Fetching
from cds_service.fhir.searches import Search
from cds_service.knowledge import identity
from cds_service.models import HookRequest
from cds_service.record.account import missing_of

CONTENT_TYPE = CONTENT_TYPE_LATEST
#: CDS Hooks asks for answers in about 0.5 s; 2 s is the default for how long FHIR servers are waited for.
_CALL_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_STAGE_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
#: Where shared metrics lie, in the environment as prometheus_client wants it.
_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_KNOWLEDGE, _KNOWLEDGE_LABELS = "b2m_cds_knowledge_info", ("version", "hash")
_READY, _READY_LABELS = "b2m_cds_ready", ("check",)
#: What a store may lose: counted from 0 on, so that the first loss is an increase too.
_KINDS = ("decision", "token", "feedback", "site change")


def share(folder: Path, process: Callable[[], int]) -> None:
    """Has all metrics made from now on, in this process and its forks, add up through files in ``folder``.

    Args:
        folder: empty, and nobody else's.
        process: tells processes that run at the same time apart. One that takes the number of another that has ended
            goes on with its counts, so that there are never more files than processes.
    """
    os.environ[_FOLDER] = str(folder)
    values.ValueClass = values.MultiProcessValue(process)  # type: ignore[no-untyped-call]


class Metrics:
    """The metrics of one application, in a registry of their own; shared between processes after ``share``."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.labels: dict[str, tuple[str, ...]] = {_KNOWLEDGE: _KNOWLEDGE_LABELS, _READY: _READY_LABELS}
        """Each metric as it is exposed, with its labels."""
        self._calls = self._counter("calls", "Calls answered, by HTTP status.", "service", "status")
        self._call_seconds = self._histogram(
            "call_seconds", "Time from a call's arrival to its answer.", _CALL_SECONDS, "service"
        )
        self._stage_seconds = self._histogram("stage_seconds", "Time of each stage of a call.", _STAGE_SECONDS, "stage")
        self._unauthenticated = self._counter("unauthenticated", "Requests without a token that is believed.", "reason")
        self._no_keys = self._counter("key_set_failures", "Times that no key of a client was to be had.", "client")
        self._cards = self._counter("cards", "Cards shown.", "service", "indicator")
        self._held = self._counter("held_cards", "Cards not shown, since they were shown before.")
        self._findings = self._counter("findings", "What rules found, by their mode.", "rule", "outcome", "mode")
        self._failures = self._counter("rule_failures", "Rules that could not be run.", "rule", "error")
        self._missing = self._counter("missing", "Data that rules could have used.", "item", "reason")
        self._unsent = self._counter("prefetch_missing", "Prefetch keys that a call did not bring.", "key")
        self._fetches = self._counter("fetches", "Searches of FHIR servers, by what came.", "key", "outcome")
        self._fetch_seconds = self._histogram("fetch_seconds", "Time spent on asking a FHIR server.", _CALL_SECONDS)
        self._feedback = self._counter("feedback", "Feedback on cards.", "service", "outcome")
        self._lost = self._counter("store_lost", "What the store could not keep.", "kind")
        for kind in _KINDS:
            self._lost.labels(kind)

    def _counter(self, name: str, said: str, *labels: str) -> Counter:
        self.labels[f"b2m_cds_{name}_total"] = labels
        return Counter(f"b2m_cds_{name}", said, labels, registry=self._registry)

    def _histogram(self, name: str, said: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        self.labels[f"b2m_cds_{name}"] = labels
        return Histogram(f"b2m_cds_{name}", said, labels, buckets=buckets, registry=self._registry)

    def answered(self, service: str, status: int, seconds: float) -> None:
        """A call was answered; ``service`` is the id of one that is offered, or "" for none."""
        self._calls.labels(service, str(status)).inc()
        self._call_seconds.labels(service).observe(seconds)

    def refused(self, reason: str) -> None:
        """A request was not let in; ``reason`` is one of the texts of ``hooks/trust.py``, which quote nothing."""
        self._unauthenticated.labels(reason).inc()

    def without_keys(self, client: str) -> None:
        """The public keys of a registered client were asked for, and none came."""
        self._no_keys.labels(client).inc()

    def brought(self, keys: Iterable[str], call: HookRequest) -> None:
        """Which of the prefetch keys that a service asks for a call did not bring."""
        for key in keys:
            if key not in (call.prefetch or {}):
                self._unsent.labels(key).inc()

    def decided(self, decision: Decision, service: str, silent: Collection[str]) -> None:
        """What was found in a call, and what is shown of it; ``silent`` are the rules that show nothing."""
        for finding in decision.findings:
            mode = "silent" if finding.rule in silent else "on"
            self._findings.labels(finding.rule, finding.outcome, mode).inc()
        for card in decision.cards:
            self._cards.labels(service, card.indicator).inc()
        for item, reason in dict.fromkeys(missing_of(decision)):
            self._missing.labels(item, reason).inc()
        for stage, milliseconds in decision.timings.items():
            self._stage_seconds.labels(stage).observe(milliseconds / 1000)
        self._held.inc(len(decision.held))

    def failed(self, failures: Iterable[Failure]) -> None:
        """Rules could not be run."""
        for failure in failures:
            self._failures.labels(failure.rule, failure.error).inc()

    def stage(self, name: str) -> AbstractContextManager[object]:
        """Takes the time of a stage that is not part of a decision."""
        return self._stage_seconds.labels(name).time()

    def given(self, service: str, outcomes: Iterable[str]) -> None:
        """Feedback was kept."""
        for outcome in outcomes:
            self._feedback.labels(service, outcome).inc()

    def lost(self, kind: str) -> None:
        """The store could not keep something."""
        self._lost.labels(kind).inc()

    def counting(self, fetch: Fetch) -> Fetch:
        """The same ``fetch``, counted."""

        def opened(call: HookRequest) -> Fetching | None:
            fetching = fetch(call)
            return _Counted(fetching, self._fetches, self._fetch_seconds) if fetching else None

        return opened

    def exposition(self, ready: Mapping[str, bool]) -> bytes:
        """All metrics, of all processes where they are shared, as Prometheus reads them; ``ready`` is of this one."""
        registry: Collector = self._registry
        if _FOLDER in os.environ:
            registry = MultiProcessCollector(None)  # type: ignore[no-untyped-call]
        return generate_latest(registry) + generate_latest(_Present(ready))


class _Counted:
    """Questions to a FHIR server, counted by what came of them."""

    def __init__(self, fetching: Fetching, fetches: Counter, seconds: Histogram) -> None:
        self._fetching, self._fetches, self._seconds = fetching, fetches, seconds

    def groups(self, asked: Mapping[str, Search | None]) -> Mapping[str, Group]:
        with self._seconds.time():
            answers = self._fetching.groups(asked)
        for key, group in answers.items():
            self._fetches.labels(key, group.lacking or "complete").inc()
        return answers


class _Present(Collector):
    """How things are when they are asked for: which knowledge decides, what is ready. No process has to keep it."""

    def __init__(self, ready: Mapping[str, bool]) -> None:
        self._ready = ready

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(_KNOWLEDGE, "Which knowledge decides; always 1.", labels=_KNOWLEDGE_LABELS)
        family.add_metric((identity.source().version, identity.knowledge_hash()), 1)
        yield family
        family = GaugeMetricFamily(_READY, "What has been had since the start: 1 or 0.", labels=_READY_LABELS)
        for check, passed in self._ready.items():
            family.add_metric((check,), int(passed))
        yield family
