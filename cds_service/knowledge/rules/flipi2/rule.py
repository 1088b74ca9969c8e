"""FLIPI-2 of newly diagnosed follicular lymphoma: every total and every risk group that the data leave possible."""

from cds_service.facts import Facts
from cds_service.knowledge import lymphoid, scores
from cds_service.knowledge.model import Finding, Rule

_GROUPS = ("low", "intermediate", "high")
_LIMITS = ("intermediate_from", "high_from")


def evaluate(facts: Facts, rule: Rule) -> Finding | None:
    """Adds up what is known, counts both ways what is not; says why not for this index and PRIMA-PI."""
    return lymphoid.index_of(facts, rule, lymphoid.FOLLICULAR, _counted)


def _counted(facts: Facts, rule: Rule, disease: lymphoid.Disease) -> Finding:
    items = _items(facts, rule, disease)
    possible = scores.groups(scores.totals(items), [rule.value(limit) for limit in _LIMITS])
    return lymphoid.conclude(
        facts,
        rule,
        disease,
        items,
        [_GROUPS[group] for group in sorted(possible)],
        thresholds=("haemoglobin_below", "age_above", *_LIMITS),
    )


def _items(facts: Facts, rule: Rule, disease: lymphoid.Disease) -> tuple[scores.Item, ...]:
    b2m, when, days = disease.b2m, disease.b2m.when, rule.value("baseline_days_to")
    haemoglobins = scores.beside(facts, "hemoglobin", when, rule.value("companion_days_to"), disease.treated_from)
    node = scores.stated(facts, "longest-node-above-6-cm", when, days, until=disease.treated_from)
    marrow = scores.stated(facts, "marrow-involvement", when, days, until=disease.treated_from)
    low = scores.agreed(r.interval.is_below(rule.value("haemoglobin_below")) for r in haemoglobins)
    return (
        scores.yes_or_no(
            lymphoid.OWN_LIMIT.format("serum B2M"), lymphoid.b2m_above_own_limit(facts, b2m), results=(b2m,)
        ),
        scores.of_codes(scores.yes_or_no("node above 6 cm", node.holds), node),
        scores.of_codes(scores.yes_or_no("marrow involvement", marrow.holds), marrow),
        scores.yes_or_no("haemoglobin", low, results=haemoglobins),
        scores.yes_or_no("age", scores.age(facts, when).is_above(rule.value("age_above"))),
    )
