"""Results of the laboratory that count as organ damage by myeloma (of CRAB all but bone), where nothing else explains
them. The limits are those of the rule that asks.
"""

from cds_service.facts import Facts, Result
from cds_service.knowledge import context, states
from cds_service.knowledge.model import Rule

_LIMIT_ABOVE = {
    "calcium-corrected": "crab_calcium_mass_above",
    "calcium-corrected-moles": "crab_calcium_above",
    "calcium": "crab_calcium_mass_above",
    "calcium-moles": "crab_calcium_above",
    "creatinine": "crab_creatinine_above",
}
_HAEMOGLOBIN = "hemoglobin"
_CHRONIC_KIDNEY_DISEASE = ("ckd", "end-stage-kidney-disease")


def beyond_limits(facts: Facts, rule: Rule, b2m: Result) -> tuple[Result, ...]:
    """Of each analyte the final result nearest to the B2M, within ``context_days_to``, if it is beyond for certain.

    Without creatinine on dialysis, and without haemoglobin in moles, of which laboratories mean two things.
    """
    near = context.beside(facts, b2m.when, rule.value("context_days_to"), *_LIMIT_ABOVE, _HAEMOGLOBIN)
    dialysed = states.dialysis(facts) is states.Dialysis.YES
    return tuple(r for r in near if _is_beyond(rule, r) and not (dialysed and r.analyte == "creatinine"))


def is_of_earlier_kidney_disease(facts: Facts, results: tuple[Result, ...], *gammopathies: str) -> bool:
    """Whether it is creatinine alone, in chronic kidney disease recorded before the first of the gammopathies."""
    diagnosed = states.first_diagnosed(facts, *gammopathies)
    if diagnosed is None or {result.analyte for result in results} != {"creatinine"}:
        return False
    return any(p.onset and p.onset.last < diagnosed.first for p in context.present(facts, *_CHRONIC_KIDNEY_DISEASE))


def _is_beyond(rule: Rule, result: Result) -> bool:
    if result.analyte != _HAEMOGLOBIN:
        return result.interval.is_above(rule.value(_LIMIT_ABOVE[result.analyte])) is True
    given = result.reference_range
    limits = [rule.value("crab_hemoglobin_below")]
    if given and given.low is not None:
        limits.append(given.low - rule.value("crab_hemoglobin_under_range_above"))
    return result.interval.is_below(max(limits)) is True
