"""Why a call came to what it came to: the facts, what is missing, each rule's yes or no, every Observation's fate."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cds_service.cards.compose import threshold_text
from cds_service.config import load_settings
from cds_service.decide import Decision, decide
from cds_service.facts import Facts, Result
from cds_service.fhir.bundle import reference_of
from cds_service.fhir.shape import codings
from cds_service.hooks.body import parse_call
from cds_service.knowledge import terms
from cds_service.knowledge.model import Finding, Rule
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


def explain(call: Recorded, rules: Sequence[Rule], as_of: datetime) -> Explanation:
    """Decides a call and accounts for all of it.

    Raises:
        CallError: the call cannot be answered.
    """
    decision = decide(parse_call(call.request), rules=rules, as_of=as_of, settings=load_settings())
    facts = decision.facts
    if facts is None:
        return Explanation(decision, [], [], [], [], _observations(decision, call))
    return Explanation(
        decision=decision,
        results=[_result(r, facts) for r in facts.results],
        missing=[(m.item, str(m.reason), m.printed, m.reference) for m in facts.missing],
        problems=[(p.label, p.code, p.clinical_status, p.onset.printed if p.onset else "") for p in facts.problems],
        rules=[row for specimen in facts.specimens for row in _rules(facts.of(specimen), decision, rules)],
        observations=_observations(decision, call),
    )


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


def _rules(facts: Facts, decision: Decision, rules: Sequence[Rule]) -> list[tuple[str, ...]]:
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
            rows.append((facts.specimen, rule.id, *_said(rule, found[key])))
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
