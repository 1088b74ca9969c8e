"""The IPSSWM of Waldenström macroglobulinaemia: every total and every risk group that the data leave possible."""

from cds_service.facts import Facts
from cds_service.knowledge import lymphoid, scores
from cds_service.knowledge.model import Finding, Rule

_GROUPS = ("low", "intermediate", "high")
_LIMITS = ("intermediate_from", "high_from")
_WITH_AGE = _GROUPS.index("intermediate")


def evaluate(facts: Facts, rule: Rule) -> Finding | None:
    """Adds up what is known, counts both ways what is not; says why not for this index and its revision."""
    return lymphoid.index_of(facts, rule, lymphoid.WALDENSTROM, _counted)


def _counted(facts: Facts, rule: Rule, disease: lymphoid.Disease) -> Finding:
    b2m = disease.b2m
    old = scores.yes_or_no("age", scores.age(facts, b2m.when).is_above(rule.value("age_above")))
    others = _others(facts, rule, disease)
    possible = _possible(rule, old, others)
    return lymphoid.conclude(
        facts,
        rule,
        disease,
        (old, *others),
        [_GROUPS[group] for group in sorted(possible)],
        notes=lymphoid.near_limit(rule, b2m, "b2m_above"),
        thresholds=("b2m_above", "age_above", "haemoglobin_to", "platelets_to", "m_protein_above", *_LIMITS),
    )


def _possible(rule: Rule, old: scores.Item, others: tuple[scores.Item, ...]) -> frozenset[int]:
    """The point for age is no part of the low group: with it the group is at least intermediate."""
    limits, rest = [rule.value(limit) for limit in _LIMITS], scores.totals(others)
    found = [
        scores.groups({total + point for total in rest}, limits, lowest=_WITH_AGE if point else 0)
        for point in old.points
    ]
    return frozenset().union(*found)


def _others(facts: Facts, rule: Rule, disease: lymphoid.Disease) -> tuple[scores.Item, ...]:
    b2m, days = disease.b2m, rule.value("companion_days_to")
    haemoglobins, platelets, proteins = (
        scores.beside(facts, analyte, b2m.when, days, disease.treated_from)
        for analyte in ("hemoglobin", "platelets", "m-protein")
    )
    anaemic = scores.agreed(scores.negated(r.interval.is_above(rule.value("haemoglobin_to"))) for r in haemoglobins)
    few = scores.agreed(scores.negated(r.interval.is_above(rule.value("platelets_to"))) for r in platelets)
    high = scores.agreed(r.interval.is_above(rule.value("m_protein_above")) for r in proteins)
    return (
        scores.yes_or_no("haemoglobin", anaemic, results=haemoglobins),
        scores.yes_or_no("platelets", few, results=platelets),
        lymphoid.level_item(b2m, b2m.interval.is_above(rule.value("b2m_above"))),
        scores.yes_or_no("M-protein by electrophoresis", high, results=proteins),
    )
