"""What a reader may accept with one click: a companion test to order, a computed stage to file."""

from collections.abc import Iterable

from cds_service.facts import Result
from cds_service.knowledge import terms
from cds_service.knowledge.model import Code, Proposal
from cds_service.knowledge.terms.coded import filing_of_stage

#: Notes of a staging rule that take nothing from the stage: all others do, and a stage with them is not filed.
_NO_DOUBT = {"no_treatment_recognised", "albumin_not_needed", "selection"}
_STAGE_NOTE = (
    "Computed by decision support from the results it derives from, for newly diagnosed, untreated myeloma; "
    "preliminary until a clinician confirms it."
)


def order_of(analyte: terms.Analyte, note: str = "", when: str = "") -> Proposal:
    """The order of a laboratory test, by the first of its codes; ``when`` is said beside its name."""
    code = analyte.loinc[0]
    specimen = "" if analyte.specimen.removesuffix(" ratio") in analyte.short else f" ({analyte.specimen})"
    return Proposal(
        f"Order {analyte.short}{specimen}{f', {when}' if when else ''}", Code(terms.LOINC, code.code, code.name), note
    )


def stage_to_file(
    key: str, stage: str, notes: Iterable[str], inputs: tuple[Result, ...], rests_on: str = ""
) -> tuple[Proposal, ...]:
    """A stage ("I", "II", "III") of "iss-stage" or "r-iss-stage" as an Observation, where nothing speaks against it.

    ``notes`` are those of the rule, ``inputs`` what it was computed from, the B2M first; ``rests_on`` names the rule
    whose own stage has to be as certain.
    """
    if not _NO_DOUBT.issuperset(notes):
        return ()
    filed = filing_of_stage(key, stage)
    value = Code(*filed.value)
    label = f"File as preliminary: {value.display}"
    method = Code(*filed.method)
    return (Proposal(label, Code(*filed.code), _STAGE_NOTE, value, method, filed.profile, inputs, rests_on),)
