"""The CLL-IPI of untreated CLL: every total and every risk group that the data leave possible."""

from collections.abc import Mapping

from cds_service.facts import Facts, Presence
from cds_service.knowledge import context, lymphoid, scores
from cds_service.knowledge.model import Finding, Rule

_GROUPS = ("low", "intermediate", "high", "very high")
_LIMITS = ("intermediate_from", "high_from", "very_high_from")
_TP53 = {"del-17p": "del(17p)", "tp53-mutation": "TP53 mutation"}
#: The coded items of the stage, and what each is called where it counts and where it does not.
_STAGES = {
    "binet-b-c-or-rai-i-iv": {Presence.PRESENT: "Binet B-C or Rai I-IV", Presence.ABSENT: "Binet A or Rai 0"},
    "binet-stage": {Presence.PRESENT: "Binet B-C", Presence.ABSENT: "Binet A"},
    "rai-stage": {Presence.PRESENT: "Rai I-IV", Presence.ABSENT: "Rai 0"},
}


def evaluate(facts: Facts, rule: Rule) -> Finding | None:
    """Adds up what is known, counts both ways what is not; says why not where the index was not made for it."""
    return lymphoid.index_of(facts, rule, lymphoid.CLL, _counted)


def _counted(facts: Facts, rule: Rule, disease: lymphoid.Disease) -> Finding:
    stage, differ = _stage(facts, rule, disease)
    items = _items(facts, rule, disease, stage)
    possible = scores.groups(scores.totals(items), [rule.value(limit) for limit in _LIMITS])
    earlier = _earlier_tp53(facts, rule, disease)
    notes = {"tp53_earlier": earlier, "stages_differ": differ}
    return lymphoid.conclude(
        facts,
        rule,
        disease,
        items,
        [_GROUPS[group] for group in sorted(possible)],
        notes=(*(n for n, words in notes.items() if words), *lymphoid.near_limit(rule, disease.b2m, "b2m_above")),
        thresholds=("b2m_above", "age_above", *_LIMITS),
        wording={"tp53": earlier, "stages": differ},
        told=(stage.name,) if differ else (),
    )


def _items(facts: Facts, rule: Rule, disease: lymphoid.Disease, stage: scores.Item) -> tuple[scores.Item, ...]:
    """IGHV does not change with time, a stage does."""
    b2m, when = disease.b2m, disease.b2m.when
    ighv = scores.stated(facts, "ighv-unmutated", when)
    return (
        _tp53(facts, rule, disease),
        scores.of_codes(scores.yes_or_no("IGHV", ighv.holds, rule.value("ighv_points_to")), ighv),
        lymphoid.level_item(b2m, b2m.interval.is_above(rule.value("b2m_above")), rule.value("b2m_points_to")),
        stage,
        scores.yes_or_no("age", scores.age(facts, when).is_above(rule.value("age_above"))),
    )


def _stage(facts: Facts, rule: Rule, disease: lymphoid.Disease) -> tuple[scores.Item, str]:
    """The item of the stage, and in words the stages that leave it open because they disagree; "" where none do."""
    when, days = disease.b2m.when, rule.value("baseline_days_to")
    said = {item: scores.stated(facts, item, when, days, until=disease.treated_from) for item in _STAGES}
    known = [one.holds for one in said.values() if one.holds is not None]
    stage = scores.of_codes(scores.yes_or_no("Binet or Rai stage", scores.agreed(known)), *said.values())
    return stage, "" if stage.is_known else _disagreement(said)


def _disagreement(said: Mapping[str, scores.Stated]) -> str:
    """The stages that count, and those that do not, each with its days; "" unless there are both."""
    sides = [
        [
            f"{names[presence]} ({days})"
            for item, names in _STAGES.items()
            if (days := context.days_of(c for c in said[item].coded if c.presence is presence))
        ]
        for presence in (Presence.PRESENT, Presence.ABSENT)
    ]
    return " and ".join(name for side in sides for name in side) if all(sides) else ""


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
