"""The revised IPSSWM of Waldenström macroglobulinaemia: every total and risk group that the data leave possible."""

from cds_service.facts import Facts, Result
from cds_service.knowledge import lymphoid, scores
from cds_service.knowledge.model import Finding, Rule

_GROUPS = ("very low", "low", "intermediate", "high", "very high")
_LIMITS = ("low_from", "intermediate_from", "high_from", "very_high_from")
_AGES = ("age_1_point_from", "age_2_points_from")
_PYRUVATE_TO_LACTATE = "14805-6"
_BROMOCRESOL_PURPLE = "61152-5"


def evaluate(facts: Facts, rule: Rule) -> Finding | None:
    """Adds up what is known, counts both ways what is not. The rule ipsswm says why not for both."""
    return lymphoid.index_of(facts, rule, lymphoid.WALDENSTROM, _counted)


def _counted(facts: Facts, rule: Rule, disease: lymphoid.Disease) -> Finding:
    b2m, days = disease.b2m, rule.value("companion_days_to")
    ldhs, albumins = (
        scores.beside(facts, analyte, b2m.when, days, disease.treated_from) for analyte in ("ldh", "albumin")
    )
    high = scores.agreed(_ldh_counts(rule, ldh) for ldh in ldhs)
    low = scores.agreed(r.interval.is_below(rule.value("albumin_below")) for r in albumins)
    years = scores.age(facts, b2m.when)
    items = (
        scores.graded("age", *(scores.negated(years.is_below(rule.value(limit))) for limit in _AGES)),
        lymphoid.level_item(b2m, scores.negated(b2m.interval.is_below(rule.value("b2m_from")))),
        scores.yes_or_no("LDH", high, results=ldhs),
        scores.yes_or_no("albumin", low, results=albumins),
    )
    possible = scores.groups(scores.totals(items), [rule.value(limit) for limit in _LIMITS])
    unlike = tuple(dict.fromkeys(note for ldh in ldhs if (note := _unlike(rule, ldh))))
    on_limit = _on_limit(rule, b2m, ldhs)
    return lymphoid.conclude(
        facts,
        rule,
        disease,
        items,
        [_GROUPS[group] for group in sorted(possible)],
        notes=(*unlike, *_notes(rule, on_limit, albumins), *lymphoid.near_limit(rule, b2m, "b2m_from")),
        thresholds=("b2m_from", *_AGES, "ldh_from", "albumin_below"),
        wording={"on_limit": on_limit},
        told=("LDH",) if unlike else (),
    )


def _ldh_counts(rule: Rule, ldh: Result) -> bool | None:
    """Whether LDH reaches the limit; None where it was measured unlike the laboratory to which the limit belongs."""
    return None if _unlike(rule, ldh) else scores.negated(ldh.interval.is_below(rule.value("ldh_from")))


def _unlike(rule: Rule, ldh: Result) -> str:
    """The note on why LDH is not held against the limit; "" where it is."""
    own = ldh.reference_range.high if ldh.reference_range else None
    if ldh.loinc == _PYRUVATE_TO_LACTATE:
        return "ldh_method"
    if own is None:
        return "ldh_no_limit"
    return "ldh_other_limit" if own > rule.value("ldh_own_limit_to") else ""


def _on_limit(rule: Rule, b2m: Result, ldhs: tuple[Result, ...]) -> str:
    """Which of them lies on the very limit that the sources print differently; "" where none does."""
    limits = [("B2M", b2m, "b2m_from"), *(("LDH", ldh, "ldh_from") for ldh in ldhs if not _unlike(rule, ldh))]
    on_it = (name for name, r, limit in limits if r.value == rule.value(limit) and not r.comparator)
    return " and ".join(dict.fromkeys(on_it))


def _notes(rule: Rule, on_limit: str, albumins: tuple[Result, ...]) -> tuple[str, ...]:
    method = (rule.value("albumin_method_from"), rule.value("albumin_method_to"))
    asked = {
        "on_limit": bool(on_limit),
        "albumin_method": any(r.loinc == _BROMOCRESOL_PURPLE and method[0] <= r.value <= method[1] for r in albumins),
    }
    return tuple(note for note, holds in asked.items() if holds)
