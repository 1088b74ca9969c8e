"""Why a call came to what it came to: the facts, what is missing, each rule's yes or no, every Observation's fate."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cds_service.cards import trend_chart
from cds_service.cards.compose import threshold_text
from cds_service.cards.suppression import History
from cds_service.config import Settings, load_settings
from cds_service.decide import Decision, decide
from cds_service.facts import Facts, Result
from cds_service.fhir.bundle import reference_of
from cds_service.fhir.local_codes import NO_LOCAL_CODES, LocalCodes
from cds_service.fhir.shape import codings
from cds_service.hooks.body import parse_call
from cds_service.knowledge import terms
from cds_service.knowledge.model import Finding, Rule
from cds_service.models import HookRequest
from cds_service.replay.calls import Recorded, not_asked_for


@dataclass(frozen=True, slots=True)
class Explanation:
    """Rows of text, ready to be shown as tables."""

    decision: Decision
    results: list[tuple[str, ...]]
    missing: list[tuple[str, ...]]
    problems: list[tuple[str, ...]]
    rules: list[tuple[str, ...]]
    observations: list[tuple[str, ...]]
    held: list[tuple[str, ...]] = field(default_factory=list)


#: What was shown before to the user of a call.
HistoryOf = Callable[[HookRequest], History | None]


def explain(
    call: Recorded,
    rules: Sequence[Rule],
    as_of: datetime,
    *,
    settings: Settings | None = None,
    codes: LocalCodes = NO_LOCAL_CODES,
    silent: Collection[str] = (),
    history_of: HistoryOf = lambda call: None,
) -> Explanation:
    """Decides a call and accounts for all of it; ``silent`` rules decide and show nothing.

    ``settings`` are those of the environment by default; ``codes`` are the site's own.

    Raises:
        CallError: the call cannot be answered.
    """
    request = parse_call(call.request)
    decision = decide(
        request,
        rules=rules,
        as_of=as_of,
        settings=settings or load_settings(),
        codes=codes,
        silent=silent,
        history=history_of(request),
    )
    facts = decision.facts
    if facts is None:
        return Explanation(decision, [], [], [], [], _observations(decision, call))
    return Explanation(
        decision=decision,
        results=[_result(r, facts) for r in facts.results],
        missing=[(m.item, str(m.reason), m.printed, m.reference) for m in facts.missing],
        problems=[(p.label, p.code, p.clinical_status, p.onset.printed if p.onset else "") for p in facts.problems],
        rules=[row for specimen in facts.specimens for row in _rules(facts.of(specimen), decision, rules, silent)],
        observations=_observations(decision, call),
        held=[
            (h.saying.lead, f"{h.shown_at:%Y-%m-%d %H:%M %Z}", f"{h.until:%Y-%m-%d %H:%M %Z}") for h in decision.held
        ],
    )


def charts(found: Explanation, rules: Sequence[Rule]) -> list[tuple[str, str]]:
    """Each specimen that has results, with the course of its B2M as SVG."""
    facts = found.decision.facts
    if facts is None:
        return []
    findings = found.decision.findings
    drawn = [(specimen, trend_chart.chart(facts.of(specimen), findings, rules)) for specimen in facts.specimens]
    return [(specimen, svg) for specimen, svg in drawn if svg]


def _result(result: Result, facts: Facts) -> tuple[str, ...]:
    under_review = result in facts.under_review.values()
    name = terms.analytes()[result.analyte].short
    return (
        f"{name} *" if under_review else name,
        result.printed,
        result.quantity,
        result.when.printed,
        result.reference_range.printed if result.reference_range else "",
        result.reference,
    )


def _rules(facts: Facts, decision: Decision, rules: Sequence[Rule], silent: Collection[str]) -> list[tuple[str, ...]]:
    failed = {(failure.rule, failure.specimen): failure.error for failure in decision.failures}
    found = {(finding.rule, finding.specimen): finding for finding in decision.findings}
    rows: list[tuple[str, ...]] = []
    asked_by = "orders" if facts.ordered else "results"
    for rule in (rule for rule in rules if rule.asked_by == asked_by):
        key = (rule.id, facts.specimen)
        if facts.specimen not in rule.specimens:
            rows.append((facts.specimen, rule.id, "no", "not for this specimen"))
        elif key in failed:
            rows.append((facts.specimen, rule.id, "failed", failed[key]))
        elif key in found:
            card, because = _said(rule, found[key])
            rows.append((facts.specimen, rule.id, "silent here" if rule.id in silent else card, because))
        else:
            rows.append((facts.specimen, rule.id, "no", f"silent when {'; or '.join(rule.silent_when)}"))
    return rows


def _said(rule: Rule, finding: Finding) -> tuple[str, str]:
    """Whether it makes a card, and what decided: the finding in words, its thresholds, its notes."""
    outcome = rule.outcomes[finding.outcome]
    limits = "; ".join(threshold_text(name, rule.thresholds[name], finding.inputs) for name in finding.thresholds)
    parts = [f"{finding.outcome}.", outcome.found.format_map(finding.values)]
    parts += [f"Thresholds: {limits}."] if limits else []
    parts += [f"Notes: {', '.join(finding.notes)}."] if finding.notes else []
    return ("yes" if outcome.raises_card else "beside"), " ".join(parts)


def _observations(decision: Decision, call: Recorded) -> list[tuple[str, ...]]:
    chart, facts = decision.chart, decision.facts
    rows: list[tuple[str, ...]] = [(reference, "", reason) for reference, reason in chart.discarded]
    for place, resource in enumerate(chart.observations):
        fate = facts.fates.get(place, "code-not-known") if facts else "nothing-under-review"
        codes = " ".join(f"{system}|{code}" for system, code in codings(resource, "code"))
        rows.append((reference_of(resource), codes, fate))
    rows += [(reference_of(resource), "", "not-asked-for") for resource in not_asked_for(call)]
    return rows
