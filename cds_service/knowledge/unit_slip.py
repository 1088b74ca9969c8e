"""Whether two results of one patient differ by what lies between two units: a question of the unit, never an answer."""

from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal

from cds_service.facts import Facts, Interval, Result
from cds_service.knowledge import series, states, terms
from cds_service.knowledge.model import Rule

#: Units in which laboratories report beside the canonical one; those of the analyte's own dimension count.
_OTHERS = ("mg/dL", "ug/dL", "ug/L", "ug/(24.h)", "mg/g{creat}")
_REAL = ("acute-kidney-injury", "kidney-transplant-rejection")


@dataclass(frozen=True, slots=True)
class Jump:
    """A result and an earlier one, apart by the factor that lies between ``unit`` and the canonical unit."""

    before: Result
    unit: str
    factor: Decimal
    rose: bool

    def meant(self, value: Decimal) -> Decimal:
        """What a number of the later result would stand for, were that the one in the wrong unit."""
        return value / self.factor if self.rose else value * self.factor

    def interval_meant(self, interval: Interval) -> Interval:
        """The same for all that the later result may stand for."""
        low, high = (None if end is None else self.meant(end) for end in (interval.low, interval.high))
        return replace(interval, low=low, high=high)


def jump(facts: Facts, rule: Rule, b2m: Result) -> Jump | None:
    """A jump from the newest earlier result that was measured alike as far as is known.

    None where the chart tells of a reason for so large a change: dialysis, acute kidney injury, rejection of a kidney
    transplant, or transplantation of one between the two results or shortly before.
    """
    alike = [r for r in series.earlier(facts, b2m) if not series.differ_in(b2m, r)]
    near = [r for r in alike if r.when.days_until(b2m.when) <= rule.value("jump_days_to")]
    if not near or _has_a_reason(facts, near[0]):
        return None
    least = rule.value("jump_factor_urine_from" if b2m.specimen in series.URINES else "jump_factor_from")
    asked = ((unit, factor) for unit, factor in _factors(b2m) if factor >= least)
    return next((found for unit, factor in asked if (found := _jump(rule, b2m, near[0], unit, factor))), None)


def _has_a_reason(facts: Facts, before: Result) -> bool:
    on_dialysis = states.dialysis(facts) is not states.Dialysis.NO
    return on_dialysis or bool(states.active(facts, *_REAL)) or _grafted_since(facts, before)


def _grafted_since(facts: Facts, before: Result) -> bool:
    """Whether a kidney may have been transplanted since ``before``, or shortly before it. No date is no reason."""
    since = before.when.first - timedelta(days=int(terms.limit("jump_transplant_days_to")))
    return any(graft and since <= graft.last for graft in states.kidney_grafts(facts))


def _factors(result: Result) -> list[tuple[str, Decimal]]:
    canonical = terms.analytes()[result.analyte].canonical
    others = [terms.units()[name] for name in _OTHERS]
    apart = [(u.reads, u.factor / canonical.factor) for u in others if u.dimension == canonical.dimension]
    return [(name, times if times > 1 else 1 / times) for name, times in apart]


def _jump(rule: Rule, b2m: Result, before: Result, unit: str, factor: Decimal) -> Jump | None:
    share = rule.value("jump_percent_to") / 100
    least, most = factor * (1 - share), factor * (1 + share)
    for rose, (after, other) in ((True, (b2m, before)), (False, (before, b2m))):
        if series.is_at_least(after, other, least) and series.is_at_most(after, other, most):
            return Jump(before, unit, factor, rose)
    return None
