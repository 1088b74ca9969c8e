"""Urine B2M against an upper limit, with the pH that a low value needs."""

from cds_service.facts import Facts, Result
from cds_service.knowledge import context, levels, states, urine
from cds_service.knowledge.levels import Level
from cds_service.knowledge.model import Finding, Rule
from cds_service.knowledge.urine import Acidity, Ph

_WHOSE = {"laboratory": "the laboratory's own upper limit", "default": "the service default for adults"}
_LOW = {
    Acidity.VOUCHES: "not_above",
    Acidity.ACID: "not_reassuring",
    Acidity.ADJUSTED: "not_reassuring_ph_adjusted",
    Acidity.UNKNOWN: "not_reassuring_ph_unknown",
}
#: TINU is left to the rule on it, which speaks wherever this one compares.
_RAISING = ("tubular-disorder", "tubulointerstitial-nephritis", "cadmium")
_LIGHT_CHAINS = ("myeloma", "myeloma-relapse", "smouldering-myeloma", "mgus-or-smouldering", "al-amyloidosis")


def evaluate(facts: Facts, rule: Rule) -> Finding | None:
    """Compares with the laboratory's limit, else the adult default; a low value counts only if the pH allows."""
    b2m = facts.b2m
    if b2m is None or not levels.can_be_compared(b2m):
        return None
    values = {"what": "24 h urine B2M" if facts.specimen == "24 h urine" else "Urine B2M", "b2m": b2m.display}
    if state := _state(facts, b2m):
        return rule.finding(state, facts.specimen, values=values, inputs=(b2m,))
    level, ph = levels.of_urine(facts, rule, b2m), urine.ph_of(facts, rule, b2m)
    outcome = _outcome(level, ph)
    if level.limit is not None:
        values |= {"limit": level.filed(b2m), "in_full": level.in_full(b2m), "whose": _WHOSE[level.origin]}
    beside = urine.kidney_beside(facts, b2m) if level.above else None
    if beside:
        values["kidney"] = beside.words
    if ph.result:
        values["ph"] = f"{ph.result.comparator}{ph.result.shown}"
    return rule.finding(
        outcome,
        facts.specimen,
        values=values | ({"causes": _causes_in_chart(facts)} if level.above else {}),
        notes=(*_notes(facts, b2m, level, ph), *(("kidney",) if beside else ())),
        inputs=(b2m, *((ph.result,) if ph.result else ()), *(beside.results if beside else ())),
        thresholds=("acid_below", *level.thresholds),
    )


def _state(facts: Facts, b2m: Result) -> str:
    if states.pregnant(facts, b2m.when):
        return "pregnancy"
    return "dialysis" if states.dialysis(facts) is states.Dialysis.YES else ""


def _outcome(level: Level, ph: Ph) -> str:
    if level.limit is None:
        return "no_range" if level.default_exists else "no_default"
    if level.above is None:
        return "unclear"
    return f"above_{level.origin}" if level.above else _LOW[ph.acidity]


def _notes(facts: Facts, b2m: Result, level: Level, ph: Ph) -> tuple[str, ...]:
    asked = {
        "ph_acid": ph.acidity is Acidity.ACID and level.above is not False,
        "ph_unknown": ph.acidity in (Acidity.UNKNOWN, Acidity.ADJUSTED) and level.above is None,
        "concentration": facts.specimen == "urine",
        "child": level.limit is not None and states.is_child(facts, b2m.when) is True,
        "dialysis_unclear": states.dialysis(facts) is states.Dialysis.UNCLEAR,
        "biotin": "immulite" in b2m.method.lower(),
    }
    return tuple(note for note, holds in asked.items() if holds)


def _causes_in_chart(facts: Facts) -> str:
    asked = {
        "In the problem list, and known to raise it": _RAISING,
        "Light chains may harm the tubule; in the problem list": _LIGHT_CHAINS,
        "In the problem list, with no source for what it does to urine B2M": ("kidney-transplant-rejection",),
    }
    named = {lead: ", ".join(dict.fromkeys(p.label for p in context.present(facts, *asked[lead]))) for lead in asked}
    if any(named.values()):
        return " ".join(f"{lead}: {labels}." for lead, labels in named.items() if labels)
    return "The problem list was not available in full." if "conditions" in facts.unknown else ""
