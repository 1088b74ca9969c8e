"""Drugs of the medication list that may account for a raised urine B2M."""

from cds_service.facts import Facts, Medication, Presence, Result
from cds_service.knowledge import context, levels, states, urine
from cds_service.knowledge.levels import Level
from cds_service.knowledge.model import Finding, Rule
from cds_service.knowledge.treatment import current_drugs, ended_at_no_time_told, list_is_whole, unrecognised
from cds_service.knowledge.urine import Acidity

_SOURCED = "tubulotoxic-sourced"
_MOST_NAMED = 6


def evaluate(facts: Facts, rule: Rule) -> Finding | None:
    """Names the drugs beside a urine B2M that is raised, or that does not reassure."""
    b2m = facts.b2m
    if b2m is None or not levels.can_be_compared(b2m) or _says_nothing(facts, rule, b2m):
        return None
    given = current_drugs(facts, b2m.when, rule.value("given_days_to"), "tubulotoxic", _SOURCED)
    sourced = [m for m in given if _SOURCED in m.classes]
    others = [m for m in given if _SOURCED not in m.classes]
    told = {m.label for m in given}
    over = [m for m in ended_at_no_time_told(facts, b2m.when, "tubulotoxic", _SOURCED) if m.label not in told]
    phosphate = context.beside(facts, b2m.when, rule.value("beside_days_to"), "phosphate")
    beside = _beside(facts, rule, b2m, phosphate)
    values = {"sourced": _named(sourced), "unsourced": _named(others), "over": _named(over)}
    outcome = _outcome(facts, sourced, others, over)
    also_over = ("also_over",) if over and outcome != "over" else ()
    return rule.finding(
        outcome,
        facts.specimen,
        values={**values, "beside": beside, "entries": unrecognised(facts)},
        notes=(*_notes(facts, sourced, others, over), *also_over, *(("beside",) if beside else ())),
        inputs=(b2m, *phosphate),
        thresholds=("given_days_to",) if given or over else (),
    )


def _says_nothing(facts: Facts, rule: Rule, b2m: Result) -> bool:
    """Whether there is nothing to account for, or no conclusion on the tubule is drawn."""
    if states.pregnant(facts, b2m.when) or states.dialysis(facts) is states.Dialysis.YES:
        return True
    reassures = urine.ph_of(facts, rule, b2m).acidity is Acidity.VOUCHES
    return levels.of_urine(facts, rule, b2m).above is False and reassures


def _outcome(facts: Facts, sourced: list[Medication], others: list[Medication], over: list[Medication]) -> str:
    if sourced or others:
        return "sourced" if sourced else "unsourced"
    if over:
        return "over"
    return "none_recognised" if list_is_whole(facts) else "list_unknown"


def _notes(
    facts: Facts, sourced: list[Medication], others: list[Medication], over: list[Medication]
) -> tuple[str, ...]:
    named = bool(sourced or others or over)
    asked = {
        "also_unsourced": bool(sourced and others),
        "window": bool(sourced or others),
        "list_incomplete": named and not list_is_whole(facts),
        "unrecognised": not named and list_is_whole(facts) and bool(facts.unrecognised_medications),
        "tenofovir": any(m.key == "tenofovir-disoproxil" for m in sourced),
    }
    return tuple(note for note, holds in asked.items() if holds)


def _beside(facts: Facts, rule: Rule, b2m: Result, phosphate: tuple[Result, ...]) -> str:
    """Phosphate and urine glucose near the urine, in words; "" where there is neither."""
    days = rule.value("beside_days_to")
    strips = [c for c in facts.coded if c.item == "urine-glucose-strip" and c.when and not c.provisional]
    near = [c for c in strips if c.when and c.when.days_until(b2m.when) <= days and c.presence is not Presence.UNCLEAR]
    said = [f"{context.in_words(phosphate, b2m.when)}{_against_its_range(phosphate[0])}"] if phosphate else []
    said += [f"urine glucose by strip {found}" for found in sorted({c.presence.value for c in near})]
    return ", ".join(said)


def _against_its_range(result: Result) -> str:
    low = result.reference_range.low if result.reference_range else None
    if low is None or not result.interval.is_below(low):
        return ""
    return f", below the laboratory's limit of {Level(limit=low, origin='laboratory').filed(result)}"


def _named(drugs: list[Medication]) -> str:
    """The drugs with their dates, each once: of two entries of one drug the one whose route is known."""
    ordered = sorted(drugs, key=lambda drug: drug.systemic is None)
    by_label: dict[str, Medication] = {}
    for drug in ordered:
        by_label.setdefault(drug.label, drug)
    said = [f"{label} ({'; '.join(_details(drug))})" for label, drug in by_label.items()]
    return ", ".join(said[:_MOST_NAMED]) + (" and others" if len(said) > _MOST_NAMED else "")


def _details(drug: Medication) -> list[str]:
    spans = (("from", drug.start), ("to", drug.end))
    dates = [f"{word} {when.last if when.is_precise else when.printed}" for word, when in spans if when]
    return [" ".join(dates) or "not dated", *(("route not stated",) if drug.systemic is None else ())]
