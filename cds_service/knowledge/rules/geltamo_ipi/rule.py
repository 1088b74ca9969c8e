"""The GELTAMO-IPI of newly diagnosed DLBCL: every total and every risk group that the data leave possible."""

from cds_service.facts import Facts
from cds_service.knowledge import lymphoid, scores
from cds_service.knowledge.model import Finding, Rule

_GROUPS = ("low", "low-intermediate", "high-intermediate", "high")
_LIMITS = ("low_intermediate_from", "high_intermediate_from", "high_from")
_AGES = ("age_1_point_from", "age_2_points_from")
_STAGE = "ann-arbor-iii-iv"


def evaluate(facts: Facts, rule: Rule) -> Finding | None:
    """Adds up what is known, counts both ways what is not; says why not where the index was not made for it."""
    return lymphoid.index_of(facts, rule, lymphoid.DLBCL, _counted)


def _counted(facts: Facts, rule: Rule, disease: lymphoid.Disease) -> Finding:
    advanced = scores.stated(
        facts, _STAGE, disease.b2m.when, rule.value("baseline_days_to"), until=disease.treated_from
    )
    items = (*_items(facts, rule, disease), scores.of_codes(scores.yes_or_no("stage III-IV", advanced.holds), advanced))
    possible = scores.groups(scores.totals(items), [rule.value(limit) for limit in _LIMITS])
    return lymphoid.conclude(
        facts,
        rule,
        disease,
        items,
        [_GROUPS[group] for group in sorted(possible)],
        notes=("stage",) if advanced.holds else (),
        thresholds=(*_AGES, *_LIMITS),
    )


def _items(facts: Facts, rule: Rule, disease: lymphoid.Disease) -> tuple[scores.Item, ...]:
    b2m, when, days = disease.b2m, disease.b2m.when, rule.value("baseline_days_to")
    ldhs = scores.beside(facts, "ldh", when, rule.value("companion_days_to"), disease.treated_from)
    high = scores.agreed(scores.above_own_limit(ldh) for ldh in ldhs)
    years = scores.age(facts, when)
    ecog = [
        scores.stated(facts, item, when, days, until=disease.treated_from) for item in ("ecog-2-to-4", "ecog-3-to-4")
    ]
    return (
        scores.graded("age", *(scores.negated(years.is_below(rule.value(limit))) for limit in _AGES)),
        scores.of_codes(scores.graded("ECOG", *(said.holds for said in ecog)), *ecog),
        scores.yes_or_no(lymphoid.OWN_LIMIT.format("LDH"), high, results=ldhs),
        scores.yes_or_no(
            lymphoid.OWN_LIMIT.format("serum B2M"), lymphoid.b2m_above_own_limit(facts, b2m), results=(b2m,)
        ),
    )
