"""The R-ISS stage of newly diagnosed myeloma, or the set of stages that the unknowns leave possible."""

from cds_service.facts import Facts
from cds_service.knowledge import myeloma, revised_iss
from cds_service.knowledge.cytogenetics import if_found_earlier
from cds_service.knowledge.model import Finding, Rule
from cds_service.knowledge.proposals import stage_to_file
from cds_service.knowledge.revised_iss import Basis

_LESIONS = ("del-17p", "t-4-14", "t-14-16")
_EVERY_STAGE = {1, 2, 3}


def evaluate(facts: Facts, rule: Rule) -> Finding | None:
    """Stages what ISS stages, by every completion of the LDH and FISH that are not known."""
    basis = revised_iss.basis(facts, rule, _LESIONS)
    if basis is None:
        return None
    stages = _stages(basis)
    if stages == _EVERY_STAGE:
        return None
    unknown = revised_iss.able_to_change_r_iss(basis)
    recorded = myeloma.recorded_otherwise(facts, "r-iss-stage", stages)
    outcome = "several" if len(stages) > 1 else "stage_2_by_iss" if basis.iss == {2} else f"stage_{max(stages)}"
    notes = revised_iss.notes_on_basis(facts, rule, basis, ldh_decides="LDH" in unknown)
    values = {
        "found_earlier": _by_earlier(basis, stages),
        "basis": basis.described,
        "stages": myeloma.numerals(stages),
        "unknown": ", ".join(unknown),
        "recorded": recorded,
        "off_dialysis": myeloma.off_dialysis(facts),
        **_by_b2m_before(facts, rule, basis, stages),
        **myeloma.also_raised(facts).values,
    }
    noted = (*_noted(outcome, notes, recorded), *myeloma.also_raised(facts).notes)
    stage = myeloma.numerals(stages)
    return rule.finding(
        outcome,
        facts.specimen,
        values=values,
        notes=noted,
        inputs=basis.results,
        coded=basis.coded,
        thresholds=basis.thresholds,
        proposals=() if outcome == "several" else stage_to_file(rule.id, stage, noted, basis.results, "iss-stage"),
    )


def _stages(basis: Basis) -> frozenset[int]:
    present = (lesion.present for lesion in basis.lesions.values())
    return revised_iss.r_iss_stages(basis.iss, basis.ldh.high, present)


def _by_earlier(basis: Basis, stages: frozenset[int]) -> str:
    counted = _stages(basis.with_found_earlier())
    return if_found_earlier(f"R-ISS would be stage {myeloma.numerals(counted)}" if counted != stages else "")


def _by_b2m_before(facts: Facts, rule: Rule, basis: Basis, stages: frozenset[int]) -> dict[str, str]:
    """What the stage would be by a B2M of before drugs that may be treatment, for text and headline."""
    found = revised_iss.by_b2m_before_drugs(facts, rule, basis)
    otherwise = _stages(found[0]) if found else stages
    if found is None or otherwise == stages:
        return {"before": "", "pre": ""}
    named, before = myeloma.numerals(otherwise), found[1]
    return {
        "before": f"By the serum B2M of before {before.begun}: R-ISS {named}.",
        "pre": before.in_headline(named) if len(otherwise) == 1 else "",
    }


def _noted(outcome: str, notes: tuple[str, ...], recorded: str) -> tuple[str, ...]:
    """The notes to show: those on LDH and FISH only where something rests on them."""
    return (*(notes if outcome != "stage_2_by_iss" else ()), *(("recorded_otherwise",) if recorded else ()))
