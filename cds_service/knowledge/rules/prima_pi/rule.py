"""The PRIMA-PI group of follicular lymphoma before first-line immunochemotherapy, or those that remain possible."""

from cds_service.facts import Facts
from cds_service.knowledge import lymphoid, scores
from cds_service.knowledge.model import Finding, Rule

_GROUPS = ("low", "intermediate", "high")
_BY_MARROW = {True: {"intermediate"}, False: {"low"}, None: {"low", "intermediate"}}


def evaluate(facts: Facts, rule: Rule) -> Finding | None:
    """Serum B2M decides the high group alone; below it the marrow decides. The rule flipi2 says why not for both."""
    return lymphoid.index_of(facts, rule, lymphoid.FOLLICULAR, _counted)


def _counted(facts: Facts, rule: Rule, disease: lymphoid.Disease) -> Finding:
    b2m = disease.b2m
    above = b2m.interval.is_above(rule.value("b2m_above"))
    marrow = scores.stated(
        facts, "marrow-involvement", b2m.when, rule.value("baseline_days_to"), until=disease.treated_from
    )
    items = [lymphoid.level_item(b2m, above)]
    items += [] if above else [scores.of_codes(scores.yes_or_no("marrow involvement", marrow.holds), marrow)]
    possible = _possible(above, marrow.holds)
    return lymphoid.conclude(
        facts,
        rule,
        disease,
        items,
        [group for group in _GROUPS if group in possible],
        notes=lymphoid.near_limit(rule, b2m, "b2m_above"),
        thresholds=("b2m_above",),
    )


def _possible(above: bool | None, marrow: bool | None) -> set[str]:
    if above:
        return {"high"}
    return _BY_MARROW[marrow] | ({"high"} if above is None else set())
