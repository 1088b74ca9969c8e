"""HIV, cytomegalovirus and Epstein-Barr virus in the problem list beside a raised serum B2M, and when to look again."""

from datetime import date, timedelta
from decimal import Decimal

from cds_service.facts import Facts, Problem, Result
from cds_service.knowledge import context
from cds_service.knowledge.model import Finding, Rule

_MARKERS = {"hiv": ("hiv-rna", "cd4"), "cmv": ("cmv-dna",), "ebv": ("ebv-dna",)}
_NO_MARKER = {"hiv": "no HIV-1 RNA or CD4 result", "cmv": "no CMV DNA result", "ebv": ""}


def evaluate(facts: Facts, rule: Rule) -> Finding | None:
    """Names the infections, their evidence, and the viral load and CD4 count near the B2M."""
    b2m = context.level_to_explain(facts, rule)
    problems = context.present(facts, *_MARKERS)
    if b2m is None or not problems:
        return None
    keys = tuple(key for key in _MARKERS if any(p.key == key for p in problems))
    days = rule.value("markers_days_to")
    near = {key: context.beside(facts, b2m.when, days, *_MARKERS[key]) for key in keys}
    settled = _settled_on(rule, problems)
    said = [context.in_words(near[key], b2m.when) or _NO_MARKER[key] for key in keys]
    values = {"infections": ", ".join(dict.fromkeys(p.label for p in problems)), "beside": _beside(days, said)}
    return rule.finding(
        "infection",
        facts.specimen,
        values=values | ({"repeat": settled.isoformat()} if settled else {}),
        notes=tuple(_ebv_note(b2m, settled) if key == "ebv" else key for key in keys),
        inputs=(b2m, *(result for key in keys for result in near[key])),
        thresholds=("markers_days_to", *(("ebv_settled_days_from",) if "ebv" in keys else ())),
    )


def _beside(days: Decimal, said: list[str]) -> str:
    told = ", ".join(text for text in said if text)
    return f"; within {days} days of the B2M (service default): {told}" if told else ""


def _settled_on(rule: Rule, problems: tuple[Problem, ...]) -> date | None:
    """The day by which serum B2M had returned towards normal after mononucleosis; None where its onset is not known."""
    onsets = [p.onset.last for p in problems if p.key == "ebv" and p.onset]
    return max(onsets) + timedelta(days=int(rule.value("ebv_settled_days_from"))) if onsets else None


def _ebv_note(b2m: Result, settled: date | None) -> str:
    if settled is None:
        return "ebv_undated"
    return "ebv_past" if b2m.when.first >= settled else "ebv_recent"
