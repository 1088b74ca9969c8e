"""What rules propose, as the FHIR resources that an EHR makes when a user accepts it.

Built and checked by fhir.resources.
"""

from datetime import datetime
from typing import Any

from fhir.resources.R4B.observation import Observation
from fhir.resources.R4B.servicerequest import ServiceRequest

from cds_service.facts import Result
from cds_service.knowledge.model import Code, Proposal
from cds_service.models import HookRequest

_REQUESTERS = ("Practitioner/", "PractitionerRole/")


def draft(proposal: Proposal, call: HookRequest, b2m: Result | None, as_of: datetime) -> dict[str, Any]:
    """A proposal as a resource of this call's patient, R4: a ServiceRequest draft, or a preliminary Observation.

    Args:
        proposal: what a rule proposes.
        call: whose patient, encounter and user it is for.
        b2m: the result that it is about, where there is one.
        as_of: when it is proposed.
    """
    made = _stage(proposal, call) if proposal.value else _order(proposal, call, b2m, as_of)
    resource: dict[str, Any] = made.model_dump(mode="json", exclude_none=True)
    return {"resourceType": made.get_resource_type(), **resource}


def _order(proposal: Proposal, call: HookRequest, b2m: Result | None, as_of: datetime) -> ServiceRequest:
    user = call.context.userId
    return ServiceRequest.model_validate(
        _about(call)
        | {
            "status": "draft",
            "intent": "proposal",
            "code": _concept(proposal.code),
            "authoredOn": as_of.date().isoformat(),  # the day: the same call gives the same card
            **({"requester": {"reference": user}} if user.startswith(_REQUESTERS) else {}),
            **({"reasonReference": [{"reference": b2m.reference}]} if b2m and b2m.reference else {}),
            **({"note": [{"text": proposal.note}]} if proposal.note else {}),
        }
    )


def _stage(proposal: Proposal, call: HookRequest) -> Observation:
    value, method = proposal.value, proposal.method
    derived_from = [{"reference": result.reference} for result in proposal.inputs if result.reference]
    return Observation.model_validate(
        _about(call)
        | {
            "meta": {"profile": [proposal.profile]},
            "status": "preliminary",
            "code": _concept(proposal.code),
            "effectiveDateTime": proposal.inputs[0].when.printed,
            **({"valueCodeableConcept": _concept(value)} if value else {}),
            **({"method": _concept(method)} if method else {}),
            **({"derivedFrom": derived_from} if derived_from else {}),
            **({"note": [{"text": proposal.note}]} if proposal.note else {}),
        }
    )


def _about(call: HookRequest) -> dict[str, Any]:
    encounter = call.context.encounterId
    return {
        "subject": {"reference": f"Patient/{call.context.patientId}"},
        **({"encounter": {"reference": f"Encounter/{encounter}"}} if encounter else {}),
    }


def _concept(code: Code) -> dict[str, Any]:
    return {"coding": [{"system": code.system, "code": code.code, "display": code.display}], "text": code.display}
