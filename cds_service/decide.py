"""The whole story of one call on one screen: gather, read, evaluate, compose."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import perf_counter

from cds_service.cards.compose import Offer, compose
from cds_service.cards.order_card import compose_order
from cds_service.cards.suggestions import suggestions
from cds_service.cards.suppression import HeldBack, History, Saying, Window, held_back
from cds_service.config import Settings
from cds_service.errors import NothingDecided
from cds_service.facts import Facts, Result
from cds_service.fhir.draft import draft
from cds_service.fhir.gather import Fetch, gather
from cds_service.fhir.local_codes import NO_LOCAL_CODES, LocalCodes
from cds_service.fhir.read import read
from cds_service.fhir.sorting import Chart
from cds_service.knowledge.model import Finding, Proposal, Rule
from cds_service.models import Card, HookRequest, Suggestion

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

    ``sayings`` is what each of the cards says; ``held`` what is not shown, having been shown before.
    ``timings`` are milliseconds by stage. ``chart`` and ``sayings`` live as long as the call and are never kept.
    """

    chart: Chart
    facts: Facts | None = None
    findings: tuple[Finding, ...] = ()
    failures: tuple[Failure, ...] = ()
    cards: tuple[Card, ...] = ()
    sayings: tuple[Saying, ...] = ()
    held: tuple[HeldBack, ...] = ()
    timings: dict[str, float] = field(default_factory=dict)


def decide(
    call: HookRequest,
    *,
    rules: Sequence[Rule],
    as_of: datetime,
    settings: Settings,
    fetch: Fetch | None = None,
    codes: LocalCodes = NO_LOCAL_CODES,
    history: History | None = None,
    silent: Collection[str] = (),
) -> Decision:
    """Decides what to show for a call at the time ``as_of``.

    ``fetch`` opens the questions to the call's FHIR server, without it nothing is asked; ``codes`` are the site's own.
    ``history`` is asked what was shown before, where there is something to show; without it everything is shown.
    What the rules named in ``silent`` find is kept and not shown.

    Raises:
        MalformedCall, DataUnavailable: the call cannot be answered, see ``gather``.
        NothingDecided: every rule failed.
    """
    clock = _Stopwatch()
    chart = gather(call, max_entries=settings.max_entries, fetch=fetch, codes=codes)
    clock.lap("gather")
    if not (chart.has_b2m or chart.ordered):
        return Decision(chart, timings=clock.laps)
    newest_within = settings.chart_review_max_age_days if call.hook == PATIENT_VIEW else None
    facts = read(chart, as_of=as_of, newest_within_days=newest_within)
    clock.lap("read")
    findings, failures = evaluate(facts, rules)
    clock.lap("evaluate")
    failed = [failure.specimen for failure in failures if failure.rule not in silent]
    window = Window(timedelta(hours=settings.repeat_after_hours), timedelta(hours=settings.repeat_soon_hours))
    composed = (compose_order if facts.ordered else compose)(
        facts,
        [finding for finding in findings if finding.rule not in silent],
        rules,
        failed,
        offer=_offer(call, as_of, settings),
        hold_back=lambda sayings: held_back(sayings, history, as_of, window),
    )
    clock.lap("compose")
    return Decision(chart, facts, findings, failures, composed.cards, composed.sayings, composed.held, clock.laps)


def _offer(call: HookRequest, as_of: datetime, settings: Settings) -> Offer:
    """Makes suggestions of what rules propose; a stage to file only where the site wants that."""

    def offer(proposals: Sequence[Proposal], b2m: Result | None) -> tuple[Suggestion, ...]:
        wanted = [proposal for proposal in proposals if settings.propose_stage or proposal.value is None]
        return suggestions(wanted, lambda proposal: draft(proposal, call, b2m, as_of))

    return offer


def evaluate(facts: Facts, rules: Sequence[Rule]) -> tuple[tuple[Finding, ...], tuple[Failure, ...]]:
    """Runs each rule on each specimen that it is for, under review or being ordered; one that fails stops no other.

    Raises:
        NothingDecided: all of them failed.
    """
    findings: list[Finding] = []
    failures: list[Failure] = []
    asked = [rule for rule in rules if rule.asked_by == ("orders" if facts.ordered else "results")]
    seen = [facts.of(specimen) for specimen in facts.specimens]
    runs = [(view, rule) for view in seen for rule in asked if view.specimen in rule.specimens]
    for view, rule in runs:
        try:
            finding = rule.evaluate(view)
        except Exception as error:  # a rule may fail in any way; the others must still be heard
            failures.append(Failure(rule.id, view.specimen, type(error).__name__))
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
