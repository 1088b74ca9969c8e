"""Why a user may set a card aside: HL7's codes where one fits, else our own; what each means for showing it again."""

from dataclasses import dataclass

from cds_service.models import Coding

#: HL7's reasons for not following guidance, CDS Hooks 3.0.0-ballot (CC0-1.0).
HL7 = "http://terminology.hl7.org/CodeSystem/non-adherence-reason-codes"
#: Our own; docs/decisions.md says whose name that is.
OWN = "https://b2m-cds.org/CodeSystem/override-reason"


@dataclass(frozen=True, slots=True)
class OverrideReason:
    """A reason, and whether it asks for the same card again soon."""

    coding: Coding
    again_soon: bool = False


def _reason(system: str, code: str, display: str, *, again_soon: bool = False) -> OverrideReason:
    return OverrideReason(Coding(system=system, code=code, display=display), again_soon)


REASONS = (
    _reason(OWN, "already-known", "Already known or dealt with"),
    _reason(HL7, "cds-not-applicable", "PC CDS does not apply to patient"),
    _reason(
        HL7, "wrong-time-workflow", "PC CDS delivered at wrong time in workflow or patient lifecycle", again_soon=True
    ),
    _reason(HL7, "inappropriate-recipient", "PC CDS delivered to inappropriate recipient/role"),
    _reason(
        HL7,
        "need-more-info",
        "Could not address recommended action due to need for more information/pending results/pending consult",
        again_soon=True,
    ),
    _reason(
        HL7,
        "recipient-disagrees-evidence",
        "Recipient disagrees with recommendation because of issues with the evidence",
    ),
    _reason(OWN, "result-in-doubt", "The result itself is in doubt: sample, unit, laboratory"),
    _reason(OWN, "chart-wrong", "A diagnosis, drug or result of the chart that this rests on is wrong"),
)


def asks_for_it_again(system: str, code: str) -> bool:
    """Whether a card that was overridden for this reason is to be shown again soon."""
    return any(r.again_soon for r in REASONS if (r.coding.system, r.coding.code) == (system, code))
