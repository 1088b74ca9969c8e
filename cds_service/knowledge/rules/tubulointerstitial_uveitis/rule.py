"""What urine B2M adds where the chart holds TINU, or uveitis with nephritis: at every age."""

from cds_service.facts import Facts, Result
from cds_service.knowledge import levels, states, urine
from cds_service.knowledge.model import Finding, Rule
from cds_service.knowledge.urine import Acidity

_TOGETHER, _SEPARATE = "uveitis and nephritis (TINU)", "uveitis and a nephritis code"
#: The list that holds every result of B2M, those in urine too.
_LIST = "b2m"
_TINU, _UVEITIS, _NEPHRITIS = "tinu", "uveitis", "tubulointerstitial-nephritis"


def evaluate(facts: Facts, rule: Rule) -> Finding | None:
    """Speaks of the urine B2M under review, or asks for one beside a serum B2M that has none."""
    b2m, chart = facts.b2m, _in_chart(facts)
    if b2m is None or not levels.can_be_compared(b2m) or not chart or _is_no_place(facts, b2m):
        return None
    notes = () if states.active(facts, _TINU) else ("two_entries",)
    values = {"chart": chart, "b2m": b2m.display, "named": _SEPARATE if notes else _TOGETHER}
    if facts.specimen == "serum":
        if facts.within(urine.B2M, b2m.when, rule.value("urine_beside_days_to")):
            return None
        outcome = "urine_not_known" if _LIST in facts.unknown else "no_urine"
        return rule.finding(outcome, facts.specimen, values=values, notes=notes, inputs=(b2m,))
    level, ph = levels.of_urine(facts, rule, b2m), urine.ph_of(facts, rule, b2m)
    outcome = {True: "raised", False: "not_raised", None: "no_limit"}[level.above]
    if not level.above and ph.acidity is not Acidity.VOUCHES:
        notes = (*notes, "ph_not_known")
    beside = urine.kidney_beside(facts, b2m)
    inputs = (b2m, *((ph.result,) if ph.result else ()), *(beside.results if beside else ()))
    return rule.finding(outcome, facts.specimen, values=values, notes=notes, inputs=inputs, thresholds=level.thresholds)


def _in_chart(facts: Facts) -> str:
    """What of TINU the chart holds, "" where nothing."""
    if tinu := states.active(facts, _TINU):
        return f"In the chart: {tinu[0].label}"
    uveitis, nephritis = states.active(facts, _UVEITIS), states.active(facts, _NEPHRITIS)
    return f"In the chart: {uveitis[0].label} and {nephritis[0].label}" if uveitis and nephritis else ""


def _is_no_place(facts: Facts, b2m: Result) -> bool:
    return states.dialysis(facts) is states.Dialysis.YES or states.pregnant(facts, b2m.when)
