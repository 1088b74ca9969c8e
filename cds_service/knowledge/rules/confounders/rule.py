"""Drugs and diseases in the chart that change serum B2M by themselves: the weightiest leads, the others are notes."""

from cds_service.facts import Facts, Medication, Result
from cds_service.knowledge import context, series, treatment
from cds_service.knowledge.model import Finding, Rule

_CLASSES = {
    "interferon": ("interferon-alfa",),
    "raising_drug": ("raises-serum-b2m",),
    "glucocorticoid": ("glucocorticoid",),
}
_DISEASES = {"liver_disease": "liver-disease", "carcinoma": "carcinoma"}
_FALLS_WITH_TREATMENT = ("sarcoidosis", "sle", "adult-onset-still")
_OF_ITS_OWN = ("interferon", "raising_drug", "liver_disease", "carcinoma", "glucocorticoid")
_MOST_NAMED = 3


def evaluate(facts: Facts, rule: Rule) -> Finding | None:
    """Interferon alfa speaks at any level that can be read, all else only where a level is to be explained."""
    b2m = facts.b2m
    if b2m is None:
        return None
    drugs = {kind: _current(facts, rule, b2m, kind) for kind in _CLASSES}
    drugs["raising_drug"] = tuple(d for d in drugs["raising_drug"] if d not in drugs["interferon"])
    said = [name for name in _OF_ITS_OWN if _speaks(facts, rule, name, drugs)]
    if not said:
        return None
    lead, *others = said
    named = drugs.get(lead, ())
    return rule.finding(
        lead,
        facts.specimen,
        values={"drugs": _named(named)} if named else {},
        notes=(*_evidence(said, drugs), *(name for name in others if name not in _DISEASES)),
        inputs=(b2m,),
        thresholds=("current_days_to",) if any(drugs.values()) else (),
    )


def _current(facts: Facts, rule: Rule, b2m: Result, kind: str) -> tuple[Medication, ...]:
    return treatment.current_drugs(facts, b2m.when, rule.value("current_days_to"), *_CLASSES[kind])


def _speaks(facts: Facts, rule: Rule, name: str, drugs: dict[str, tuple[Medication, ...]]) -> bool:
    if name == "interferon":
        return bool(drugs[name])
    explain = context.level_to_explain(facts, rule) is not None
    if name == "glucocorticoid":
        return bool(drugs[name]) and bool(context.present(facts, *_FALLS_WITH_TREATMENT)) and _fell(facts, rule)
    return explain and bool(drugs[name] if name in drugs else context.present(facts, _DISEASES[name]))


def _fell(facts: Facts, rule: Rule) -> bool:
    """Whether the level is lower for certain than the newest earlier one that may be compared."""
    b2m = context.readable(facts)
    earlier = series.earlier(facts, b2m) if b2m else ()
    before = next((r for r in earlier if b2m and not series.differ_in(b2m, r)), None)
    return bool(b2m and before and series.is_at_least(b2m, before, rule.value("fell_below")) is False)


def _evidence(said: list[str], drugs: dict[str, tuple[Medication, ...]]) -> tuple[str, ...]:
    """The notes with figures, for what is said at all."""
    raising = {drug.key for drug in drugs["raising_drug"]} if "raising_drug" in said else set()
    asked = {
        "ciclosporin": "ciclosporin" in raising,
        "lithium": bool(raising & treatment.LITHIUM),
        **{name: name in said for name in _DISEASES},
    }
    return tuple(note for note, holds in asked.items() if holds)


def _named(drugs: tuple[Medication, ...]) -> str:
    """Each drug with its dates, the first few; a form that may be local is said."""
    listed = list(dict.fromkeys(f"{drug.label} ({_course(drug)})" for drug in drugs))
    return ", ".join(listed[:_MOST_NAMED]) + (" and others" if len(listed) > _MOST_NAMED else "")


def _course(drug: Medication) -> str:
    begun = f"from {series.day_of(drug.start)}" if drug.start else "begin not dated"
    ended = f" to {series.day_of(drug.end)}" if drug.end else ""
    return begun + ended + ("" if drug.systemic else ", form not stated")
