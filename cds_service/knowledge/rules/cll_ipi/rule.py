"""The CLL-IPI of untreated CLL: every total and every risk group that the data leave possible."""

from cds_service.facts import Facts
from cds_service.knowledge import lymphoid, scores
from cds_service.knowledge.model import Finding, Rule

_GROUPS = ("low", "intermediate", "high", "very high")
_LIMITS = ("intermediate_from", "high_from", "very_high_from")
_TP53 = {"del-17p": "del(17p)", "tp53-mutation": "TP53 mutation"}
_STAGES = ("binet-b-c-or-rai-i-iv", "binet-stage", "rai-stage")


def evaluate(facts: Facts, rule: Rule) -> Finding | None:
    """Adds up what is known, counts both ways what is not; says why not where the index was not made for it."""
    return lymphoid.index_of(facts, rule, lymphoid.CLL, _counted)


def _counted(facts: Facts, rule: Rule, disease: lymphoid.Disease) -> Finding:
    items = _items(facts, rule, disease)
    possible = scores.groups(scores.totals(items), [rule.value(limit) for limit in _LIMITS])
    earlier = _earlier_tp53(facts, rule, disease)
    return lymphoid.conclude(
        facts,
        rule,
        disease,
        items,
        [_GROUPS[group] for group in sorted(possible)],
        notes=(*(("tp53_earlier",) if earlier else ()), *lymphoid.near_limit(rule, disease.b2m, "b2m_above")),
        thresholds=("b2m_above", "age_above", *_LIMITS),
        wording={"tp53": earlier},
    )


def _items(facts: Facts, rule: Rule, disease: lymphoid.Disease) -> tuple[scores.Item, ...]:
    """IGHV does not change with time, a stage does; Binet and Rai stages that differ leave it open."""
    b2m, when, days = disease.b2m, disease.b2m.when, rule.value("baseline_days_to")
    ighv = scores.stated(facts, "ighv-unmutated", when)
    stages = [scores.stated(facts, item, when, days, until=disease.treated_from) for item in _STAGES]
    known = [stage.holds for stage in stages if stage.holds is not None]
    return (
        _tp53(facts, rule, disease),
        scores.of_codes(scores.yes_or_no("IGHV", ighv.holds, rule.value("ighv_points_to")), ighv),
        lymphoid.level_item(b2m, b2m.interval.is_above(rule.value("b2m_above")), rule.value("b2m_points_to")),
        scores.of_codes(scores.yes_or_no("Binet or Rai stage", scores.agreed(known)), *stages),
        scores.yes_or_no("age", scores.age(facts, when).is_above(rule.value("age_above"))),
    )


def _tp53(facts: Facts, rule: Rule, disease: lymphoid.Disease) -> scores.Item:
    """Deletion of 17p and mutation of TP53 are one item; one that is absent is named beside one that is not known."""
    when, days = disease.b2m.when, rule.value("baseline_days_to")
    said = {
        name: scores.stated(facts, item, when, days, lasting=True, until=disease.treated_from)
        for item, name in _TP53.items()
    }
    holds = scores.any_of([half.holds for half in said.values()])
    absent = next((name for name, half in said.items() if half.holds is False), "")
    halves = f" ({absent} absent, {next(n for n in said if n != absent)} not known)" if holds is None and absent else ""
    return scores.of_codes(scores.yes_or_no(f"TP53{halves}", holds, rule.value("tp53_points_to")), *said.values())


def _earlier_tp53(facts: Facts, rule: Rule, disease: lymphoid.Disease) -> str:
    """The newest result of each test of TP53 that lies long before the B2M, where no newer one shows it aberrant."""
    when, days, until = disease.b2m.when, rule.value("baseline_days_to"), disease.treated_from
    if any(scores.stated(facts, item, when, days, until=until).holds for item in _TP53):
        return ""
    earlier = {name: scores.long_before(facts, item, when, days, until) for item, name in _TP53.items()}
    return lymphoid.dated({name: result for name, result in earlier.items() if result}, when)
