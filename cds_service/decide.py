"""The whole story of one call on one screen: gather, read, evaluate, compose."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from time import perf_counter

from cds_service.cards.compose import compose
from cds_service.config import Settings
from cds_service.errors import NothingDecided
from cds_service.facts import Facts
from cds_service.fhir.gather import Fetch, gather
from cds_service.fhir.local_codes import NO_LOCAL_CODES, LocalCodes
from cds_service.fhir.read import read
from cds_service.fhir.sorting import Chart
from cds_service.knowledge.model import Finding, Rule
from cds_service.models import Card, HookRequest

PATIENT_VIEW = "patient-view"


@dataclass(frozen=True, slots=True)
class Failure:
    """A rule that could not be run: which one, on which specimen, and the kind of error (never its text)."""

    rule: str
    specimen: str
    error: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What was found in one call, and what is shown of it. Logs and metrics are written from this.

    ``timings`` are milliseconds by stage. ``chart`` lives as long as the call and is never kept.
    """

    chart: Chart
    facts: Facts | None = None
    findings: tuple[Finding, ...] = ()
    failures: tuple[Failure, ...] = ()
    cards: tuple[Card, ...] = ()
    timings: dict[str, float] = field(default_factory=dict)


def decide(
    call: HookRequest,
    *,
    rules: Sequence[Rule],
    as_of: datetime,
    settings: Settings,
    fetch: Fetch | None = None,
    codes: LocalCodes = NO_LOCAL_CODES,
) -> Decision:
    """Decides what to show for a call at the time ``as_of``.

    ``fetch`` opens the questions to the call's FHIR server, without it nothing is asked; ``codes`` are the site's own.

    Raises:
        MalformedCall, DataUnavailable: the call cannot be answered, see ``gather``.
        NothingDecided: every rule failed.
    """
    clock = _Stopwatch()
    chart = gather(call, max_entries=settings.max_entries, fetch=fetch, codes=codes)
    clock.lap("gather")
    if not chart.has_b2m:
        return Decision(chart, timings=clock.laps)
    newest_within = settings.chart_review_max_age_days if call.hook == PATIENT_VIEW else None
    facts = read(chart, as_of=as_of, newest_within_days=newest_within)
    clock.lap("read")
    findings, failures = evaluate(facts, rules)
    clock.lap("evaluate")
    cards = compose(facts, findings, rules, [failure.specimen for failure in failures])
    clock.lap("compose")
    return Decision(chart, facts, findings, failures, tuple(cards), clock.laps)


def evaluate(facts: Facts, rules: Sequence[Rule]) -> tuple[tuple[Finding, ...], tuple[Failure, ...]]:
    """Runs each rule on each specimen under review that it is for; one that fails does not stop the others.

    Raises:
        NothingDecided: all of them failed.
    """
    findings: list[Finding] = []
    failures: list[Failure] = []
    runs = [(specimen, rule) for specimen in facts.under_review for rule in rules if specimen in rule.specimens]
    for specimen, rule in runs:
        try:
            finding = rule.evaluate(facts.of(specimen))
        except Exception as error:  # a rule may fail in any way; the others must still be heard
            failures.append(Failure(rule.id, specimen, type(error).__name__))
        else:
            findings += [finding] if finding else []
    if runs and len(failures) == len(runs):
        raise NothingDecided(failures)
    return tuple(findings), tuple(failures)


class _Stopwatch:
    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._since = perf_counter()

    def lap(self, stage: str) -> None:
        now = perf_counter()
        self.laps[stage] = (now - self._since) * 1000
        self._since = now
