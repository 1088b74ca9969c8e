"""The R-ISS stage of newly diagnosed myeloma, or the set of stages that the unknowns leave possible."""

from itertools import product

from cds_service.facts import Facts
from cds_service.knowledge import cytogenetics, myeloma, revised_iss
from cds_service.knowledge.cytogenetics import Lesion
from cds_service.knowledge.model import Finding, Rule
from cds_service.knowledge.revised_iss import Ldh, r_iss_stages

_LESIONS = ("del-17p", "t-4-14", "t-14-16")
_EVERY_STAGE = {1, 2, 3}


def evaluate(facts: Facts, rule: Rule) -> Finding | None:
    """Stages what ISS stages, by every completion of the LDH and FISH that are not known."""
    b2m = myeloma.to_stage(facts, rule)
    if b2m is None:
        return None
    albumins, _ = myeloma.albumins_beside(facts, rule, b2m)
    iss = myeloma.iss_stages(b2m.interval, albumins, rule)
    ldh = revised_iss.ldh_beside(facts, rule, b2m)
    lesions = {key: cytogenetics.lesion(facts, rule, b2m, key) for key in _LESIONS}
    stages = r_iss_stages(iss, ldh.high, [lesion.present for lesion in lesions.values()])
    if stages == _EVERY_STAGE:
        return None
    deciding = _would_decide(iss, ldh, tuple(lesions.values()))
    recorded = myeloma.recorded_otherwise(facts, "r-iss-stage", stages)
    values = {
        "basis": f"ISS {myeloma.numerals(iss)}; {ldh.described}; {cytogenetics.described(lesions.values())}",
        "stages": myeloma.numerals(stages),
        "unknown": ", ".join(deciding),
        "recorded": recorded,
    }
    outcome = "several" if len(stages) > 1 else "stage_2_by_iss" if iss == {2} else f"stage_{max(stages)}"
    notes = revised_iss.notes_on_inputs(facts, rule, b2m, ldh, lesions, ldh_decides="LDH" in deciding)
    return rule.finding(
        outcome,
        facts.specimen,
        values=values,
        notes=_noted(outcome, notes, recorded),
        inputs=(b2m, *albumins, *ldh.results),
        thresholds=("ldh_limits_above",) if ldh.high is not None else (),
    )


def _noted(outcome: str, notes: tuple[str, ...], recorded: str) -> tuple[str, ...]:
    """The notes to show: those on LDH and FISH only where something rests on them."""
    return (*(notes if outcome != "stage_2_by_iss" else ()), *(("recorded_otherwise",) if recorded else ()))


def _would_decide(iss: frozenset[int], ldh: Ldh, lesions: tuple[Lesion, ...]) -> list[str]:
    """The unknowns of which some completion would leave fewer stages."""
    present = [lesion.present for lesion in lesions]
    now = r_iss_stages(iss, ldh.high, present)
    settled = {
        "the ISS stage": [r_iss_stages({stage}, ldh.high, present) for stage in iss],
        "LDH": [r_iss_stages(iss, high, present) for high in revised_iss.completions(ldh.high)],
        "FISH": [r_iss_stages(iss, ldh.high, held) for held in product(*map(revised_iss.completions, present))],
    }
    return [name for name, outcomes in settled.items() if any(outcome != now for outcome in outcomes)]
