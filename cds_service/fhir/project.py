"""The few elements of a resource that we use, in R4 shape, checked one resource at a time.

Validating whole resources would lose good results over elements that nobody needs; a projection reads R4, R4B, R5 and
STU3 alike. fhir.resources checks what is B2M or a coded result; what stands beside them, of which a chart holds a
hundred times as much, is checked by slim models of the same projections, at a tenth of the cost. Tests hold both to
the same answers.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import lru_cache
from typing import Annotated

from fhir.resources.R4B.codeableconcept import CodeableConcept
from fhir.resources.R4B.coding import Coding
from fhir.resources.R4B.observation import Observation
from fhir_core.types import Code, String, Uri
from pydantic import BaseModel, ConfigDict, ValidationError

from cds_service.facts import Moment
from cds_service.fhir.shape import Json, element, objects, text
from cds_service.fhir.values import Stated

_QUANTITY = ("value", "comparator", "unit", "system", "code")


class _Slim(BaseModel):
    """What a projection holds, by the same definitions of FHIR's data types as fhir.resources has."""

    model_config = ConfigDict(strict=True, extra="forbid")


class _Coding(_Slim):
    system: Annotated[str, Uri()] | None = None
    code: Annotated[str, Code()] | None = None


class _Concept(_Slim):
    coding: list[_Coding]


class _Reference(_Slim):
    reference: Annotated[str, String()] | None = None


class _Quantity(_Slim):
    value: Decimal
    comparator: Annotated[str, Code()] | None = None
    unit: Annotated[str, String()] | None = None
    system: Annotated[str, Uri()] | None = None
    code: Annotated[str, Code()] | None = None


class _Measurement(_Slim):
    resourceType: str
    status: Annotated[str, Code()]
    code: _Concept
    subject: _Reference
    valueQuantity: _Quantity


class _Condition(_Slim):
    resourceType: str
    clinicalStatus: _Concept | None = None
    verificationStatus: _Concept | None = None
    code: _Concept | None = None
    subject: _Reference


class _Medication(_Slim):
    resourceType: str
    status: Annotated[str, Code()]
    medicationCodeableConcept: _Concept
    subject: _Reference


class _Requested(_Medication):
    intent: Annotated[str, Code()]


class _Administered(_Medication):
    effectiveDateTime: str


class _Procedure(_Slim):
    resourceType: str
    status: Annotated[str, Code()]
    code: _Concept | None = None
    subject: _Reference


_SLIM: dict[str, Callable[[Json], object]] = {
    "Observation": _Measurement.model_validate,
    "Condition": _Condition.model_validate,
    "MedicationRequest": _Requested.model_validate,
    "MedicationStatement": _Medication.model_validate,
    "MedicationAdministration": _Administered.model_validate,
    "Procedure": _Procedure.model_validate,
}


def fault(projection: Json) -> str:
    """Where an Observation's projection is not valid FHIR R4, as element paths without any of its values; else ""."""
    return _fault_of(Observation.model_validate, projection)


def fault_of_b2m(projection: Json) -> str:
    """The same of a B2M, without its code: that is one of our own tables, and costs half of the check."""
    (coding,) = projection["code"]["coding"]
    return fault({**projection, "code": _concept_of(coding["system"], coding["code"])})


@lru_cache(maxsize=64)
def _concept_of(system: str, code: str) -> CodeableConcept:
    return CodeableConcept(coding=[Coding(system=system, code=code)])


def fault_of_companion(projection: Json) -> str:
    """The same of what stands beside a B2M: a measurement, a diagnosis, a drug, a procedure."""
    return _fault_of(_SLIM[projection["resourceType"]], projection)


def _fault_of(model: Callable[[Json], object], projection: Json) -> str:
    try:
        model(projection)
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


def observation(resource: Json, coding: Json, value: Stated) -> Json:
    """Of an Observation: status, the coding it was picked by, subject, and the value as the quantity that it is.

    Reference ranges are read apart, so that a bad one does not lose the result.
    """
    return _present(
        resourceType="Observation",
        status=resource.get("status"),
        code={"coding": [coding]},
        subject=_present(reference=element(resource, "subject", "reference")),
        valueQuantity=_quantity({**value.unit, "value": value.number, "comparator": value.comparator or None}),
    )


def coded_observation(resource: Json, coding: Json, components: Iterable[tuple[Json, Json]] = ()) -> Json:
    """Of an Observation whose result is a code: status, the coding it was picked by, subject and value.

    Of its ``components`` those given, each with its coding.
    """
    return _present(
        resourceType="Observation",
        status=resource.get("status"),
        code={"coding": [coding]},
        subject=_present(reference=element(resource, "subject", "reference")),
        component=[{"code": {"coding": [code]}, **_answer(part)} for code, part in components] or None,
        **_answer(resource),
    )


def _answer(holder: Json) -> Json:
    """The kinds of value that can be an answer, with what they display."""
    concept = holder.get("valueCodeableConcept")
    coding = [_present(**{n: c.get(n) for n in ("system", "code", "display")}) for c in objects(concept, "coding")]
    shown = _present(coding=[c for c in coding if c] or None, text=element(concept, "text"))
    return _present(
        valueCodeableConcept=shown or None,
        valueBoolean=holder.get("valueBoolean"),
        valueString=holder.get("valueString"),
        valueQuantity=_quantity(holder.get("valueQuantity")),
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


def medication(resource: Json, concepts: Iterable[object], when: Moment | None) -> Json:
    """Of a MedicationRequest, -Statement or -Administration: status, intent, what was given, and to whom.

    The codings of the drug are those of ``concepts``, wherever they stood. ``when``: the day that we read, for the
    administration, which has to have one; dates are read apart, so that an odd one does not lose the drug.
    """
    kind = text(resource, "resourceType")
    given = when.first.isoformat() if when and kind == "MedicationAdministration" else None
    merged = {"coding": [coding for concept in concepts for coding in objects(concept, "coding")]}
    return _present(
        resourceType=kind,
        status=resource.get("status"),
        intent=resource.get("intent") if kind == "MedicationRequest" else None,
        medicationCodeableConcept=_concept(merged),
        subject=_present(reference=element(resource, "subject", "reference")),
        effectiveDateTime=given,
    )


def procedure(resource: Json) -> Json:
    """Of a Procedure: its status, codes and subject."""
    return _present(
        resourceType="Procedure",
        status=resource.get("status"),
        code=_concept(resource.get("code")),
        subject=_present(reference=element(resource, "subject", "reference")),
    )


def _concept(value: object) -> Json | None:
    if isinstance(value, str):
        return {"coding": [{"code": value}]}
    coding = [_present(system=c.get("system"), code=c.get("code")) for c in objects(value, "coding")]
    return {"coding": [c for c in coding if c]} if any(coding) else None
