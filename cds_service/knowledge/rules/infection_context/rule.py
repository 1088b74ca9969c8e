"""HIV, CMV, EBV, pneumonia and sepsis in the problem list beside a raised serum B2M, and when to look again."""

from datetime import timedelta
from decimal import Decimal

from cds_service.facts import Facts, Problem, Result
from cds_service.knowledge import context, states
from cds_service.knowledge.model import Finding, Rule

_MARKERS = {"hiv": ("hiv-rna", "cd4"), "cmv": ("cmv-dna",), "ebv": ("ebv-dna",)}
_NO_MARKER = {"hiv": "no HIV-1 RNA or CD4 result", "cmv": "no CMV DNA result", "ebv": ""}


def evaluate(facts: Facts, rule: Rule) -> Finding | None:
    """Names the infections, their evidence, and the viral load and CD4 count near the B2M."""
    b2m = context.level_to_explain(facts, rule)
    if b2m is None:
        return None
    viral = context.present(facts, *_MARKERS)
    acute = tuple(p for p in states.acute_infections(facts, b2m.when) if states.is_confirmed(p))
    if not viral and not acute:
        return None
    keys = tuple(key for key in _MARKERS if any(p.key == key for p in viral))
    days = rule.value("markers_days_to")
    near = {key: context.beside(facts, b2m.when, days, *_MARKERS[key]) for key in keys}
    ebv, repeat = _ebv(facts, rule, b2m, viral)
    said = [context.in_words(near[key], b2m.when) or _NO_MARKER[key] for key in keys]
    infections = ", ".join(dict.fromkeys(p.label for p in (*viral, *acute)))
    notes = (*(key for key in keys if key != "ebv"), ebv, "acute" if acute else "")
    return rule.finding(
        "infection",
        facts.specimen,
        values={"infections": infections, "beside": _beside(days, said), **repeat},
        notes=tuple(note for note in notes if note),
        inputs=(b2m, *(result for key in keys for result in near[key])),
        thresholds=(*(("markers_days_to",) if viral else ()), *(("ebv_settled_days_from",) if ebv else ())),
    )


def _beside(days: Decimal, said: list[str]) -> str:
    told = ", ".join(text for text in said if text)
    return f"; within {days} days of the B2M (service default): {told}" if told else ""


def _ebv(facts: Facts, rule: Rule, b2m: Result, viral: tuple[Problem, ...]) -> tuple[str, dict[str, str]]:
    """The note on Epstein-Barr virus and its values; "" beside HLH, where it is no mononucleosis that settles."""
    entries = [p for p in viral if p.key == "ebv"]
    if not entries or states.active(facts, "hlh"):
        return "", {}
    onsets = [p.onset.last for p in entries if p.onset]
    if not onsets:
        return "ebv_undated", {}
    settled = max(onsets) + timedelta(days=int(rule.value("ebv_settled_days_from")))
    return ("ebv_past", {}) if b2m.when.first >= settled else ("ebv_recent", {"repeat": settled.isoformat()})
