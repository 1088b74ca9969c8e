"""Whether an Observation stands as a result: its status, and whether it carries what could change its meaning."""

from cds_service.facts import Reason
from cds_service.fhir.shape import Json, text

#: The statuses with which an Observation is a result; a preliminary one is provisional.
COUNTING = {"final", "amended", "corrected", "appended", "preliminary"}


def why_not_a_result(resource: Json) -> Reason | None:
    """Why an Observation is no result that may be interpreted, or None where it is one."""
    status = text(resource, "status")
    if resource.get("modifierExtension"):
        return Reason.MODIFIER
    if status == "entered-in-error":
        return Reason.ENTERED_IN_ERROR
    return None if status in COUNTING else Reason.STATUS


def is_provisional(resource: Json) -> bool:
    """Whether an Observation may still change."""
    return text(resource, "status") == "preliminary"
