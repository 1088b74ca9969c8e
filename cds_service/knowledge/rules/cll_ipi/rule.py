"""The CLL-IPI of untreated CLL: every total and every risk group that the data leave possible."""

from cds_service.facts import Facts
from cds_service.knowledge import lymphoid, scores
from cds_service.knowledge.model import Finding, Rule

_GROUPS = ("low", "intermediate", "high", "very high")
_LIMITS = ("intermediate_from", "high_from", "very_high_from")


def evaluate(facts: Facts, rule: Rule) -> Finding | None:
    """Adds up what is known, counts both ways what is not; says why not where the index was not made for it."""
    return lymphoid.index_of(facts, rule, lymphoid.CLL, _counted)


def _counted(facts: Facts, rule: Rule, disease: lymphoid.Disease) -> Finding:
    items = _items(facts, rule, disease)
    possible = scores.groups(scores.totals(items), [rule.value(limit) for limit in _LIMITS])
    return lymphoid.conclude(
        facts,
        rule,
        disease,
        items,
        [_GROUPS[group] for group in sorted(possible)],
        notes=lymphoid.near_limit(rule, disease.b2m, "b2m_above"),
        thresholds=("b2m_above", "age_above", *_LIMITS),
    )


def _items(facts: Facts, rule: Rule, disease: lymphoid.Disease) -> tuple[scores.Item, ...]:
    """Deletion of 17p and mutation of TP53 are one item; IGHV does not change with time, a stage does."""
    b2m, when, days = disease.b2m, disease.b2m.when, rule.value("baseline_days_to")
    tp53 = [
        scores.stated(facts, item, when, days, lasting=True, until=disease.treated_from)
        for item in ("del-17p", "tp53-mutation")
    ]
    return (
        scores.yes_or_no("TP53", scores.any_of(tp53), rule.value("tp53_points_to")),
        scores.yes_or_no("IGHV", scores.stated(facts, "ighv-unmutated", when), rule.value("ighv_points_to")),
        lymphoid.level_item(b2m, b2m.interval.is_above(rule.value("b2m_above")), rule.value("b2m_points_to")),
        scores.yes_or_no(
            "Binet or Rai stage", scores.stated(facts, "binet-b-c-or-rai-i-iv", when, days, until=disease.treated_from)
        ),
        scores.yes_or_no("age", scores.age(facts, when).is_above(rule.value("age_above"))),
    )
