"""Small FHIR resources for the tests of reading."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from cds_service.config import Settings
from cds_service.facts import Facts
from cds_service.fhir.gather import gather
from cds_service.fhir.read import read
from cds_service.fhir.searches import searches
from cds_service.fhir.sorting import Chart
from cds_service.models import HookRequest

AS_OF = datetime(2026, 3, 3, 9, 0, tzinfo=UTC)
TAKEN = "2026-03-02T08:10:00+01:00"


def quantity(value: Any = Decimal("4.2"), unit: str | None = "mg/L", **parts: Any) -> dict[str, Any]:
    known = {"unit": unit, "system": "http://unitsofmeasure.org", "code": unit} if unit else {}
    return {"value": value, **known, **parts}


def observation(loinc: str = "1952-1", value: Any = None, **parts: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": "b2m",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": loinc}]},
        "subject": {"reference": "Patient/p"},
        "effectiveDateTime": TAKEN,
        "valueQuantity": quantity() if value is None else value,
    } | parts


def condition(*codings: tuple[str, str], **parts: Any) -> dict[str, Any]:
    return {
        "resourceType": "Condition",
        "id": "c",
        "code": {"coding": [{"system": system, "code": code} for system, code in codings]},
        "subject": {"reference": "Patient/p"},
    } | parts


def patient(**parts: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": "p", "gender": "female", "birthDate": "1958-06-14"} | parts


def bundle(*resources: Any, **parts: Any) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": r} for r in resources]} | parts


def call(results: Any = None, hook: str = "lab-result-review", **prefetch: Any) -> dict[str, Any]:
    """A call with a whole chart: what is not named is known to be none."""
    none = {"patient": patient(), **{key: bundle() for key in searches()}}
    given = {key: value for key, value in (none | prefetch).items() if value != "absent"}
    context = {"userId": "Practitioner/u", "patientId": "p"} | ({} if results is None else {"results": results})
    return {
        "hook": hook,
        "hookInstance": "6f1d7c9e-0000-4000-8000-000000000001",
        "context": context,
        "prefetch": given,
    }


def chart(*args: Any, **kwargs: Any) -> Chart:
    return gather(HookRequest.model_validate(call(*args, **kwargs)), max_entries=Settings().max_entries)


def facts(*args: Any, newest_within_days: int | None = None, **kwargs: Any) -> Facts:
    return read(chart(*args, **kwargs), as_of=AS_OF, newest_within_days=newest_within_days)
