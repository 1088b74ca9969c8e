"""The few elements of a resource that we use, in R4 shape, checked by fhir.resources one resource at a time.

Validating whole resources would lose good results over elements that nobody needs; a projection reads R4, R4B, R5 and
STU3 alike.
"""

from collections.abc import Callable

from fhir.resources.R4B.condition import Condition
from fhir.resources.R4B.observation import Observation
from pydantic import ValidationError

from cds_service.fhir.shape import Json, element, objects

_QUANTITY = ("value", "comparator", "unit", "system", "code")
_MODELS: dict[str, Callable[[Json], object]] = {
    "Observation": Observation.model_validate,
    "Condition": Condition.model_validate,
}


def fault(projection: Json) -> str:
    """Where a projection is not valid FHIR R4, as element paths without any of its values; "" where it is valid."""
    try:
        _MODELS[projection["resourceType"]](projection)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False, include_context=False)
        return (
            ", ".join(sorted({".".join(str(step) for step in fault["loc"]) for fault in found})[:3]) or "not valid FHIR"
        )
    return ""


def _present(**elements: object) -> Json:
    return {name: value for name, value in elements.items() if value is not None}


def _quantity(value: object) -> Json | None:
    return {name: value[name] for name in _QUANTITY if value.get(name) is not None} if isinstance(value, dict) else None


def observation(resource: Json, coding: Json) -> Json:
    """Of an Observation: status, the coding it was picked by, subject and quantity.

    Reference ranges are read apart, so that a bad one does not lose the result.
    """
    return _present(
        resourceType="Observation",
        status=resource.get("status"),
        code={"coding": [coding]},
        subject=_present(reference=element(resource, "subject", "reference")),
        valueQuantity=_quantity(resource.get("valueQuantity")),
    )


def condition(resource: Json) -> Json:
    """Of a Condition: its two statuses, codes and subject. STU3's plain status codes become concepts."""
    return _present(
        resourceType="Condition",
        clinicalStatus=_concept(resource.get("clinicalStatus")),
        verificationStatus=_concept(resource.get("verificationStatus")),
        code=_concept(resource.get("code")),
        subject=_present(reference=element(resource, "subject", "reference")),
    )


def _concept(value: object) -> Json | None:
    if isinstance(value, str):
        return {"coding": [{"code": value}]}
    coding = [_present(system=c.get("system"), code=c.get("code")) for c in objects(value, "coding")]
    return {"coding": [c for c in coding if c]} if any(coding) else None
