"""The slim check of what stands beside a B2M refuses exactly what fhir.resources refuses of the same projection."""

from decimal import Decimal
from typing import Any

import pytest
from fhir.resources.R4B.condition import Condition
from fhir.resources.R4B.medicationadministration import MedicationAdministration
from fhir.resources.R4B.medicationrequest import MedicationRequest
from fhir.resources.R4B.medicationstatement import MedicationStatement
from fhir.resources.R4B.procedure import Procedure
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cds_service.fhir import project
from cds_service.fhir.dates import read_moment
from cds_service.fhir.values import Stated

_texts = st.one_of(
    st.none(),
    st.sampled_from(["mg/L", "http://unitsofmeasure.org", " mg/L", "mg/L ", "a  b", "a b", "", " ", "\n", "a\nb", "µ"]),
    st.text(max_size=8),
    st.sampled_from([5, True, Decimal("1.5"), [], {}, ["mg/L"], {"a": 1}]),
)
_quantities = st.fixed_dictionaries({}, optional=dict.fromkeys(("unit", "system", "code", "other"), _texts))
_numbers = st.decimals(min_value=-1000, max_value=100_000, places=3)


@given(_quantities, _numbers, st.sampled_from(["", "<", "<=", ">", ">="]), _texts, _texts)
def test_both_checks_agree(unit: dict[str, Any], number: Decimal, comparator: str, status: Any, subject: Any) -> None:
    resource = {"status": status, "subject": {"reference": subject}}
    coding = {"system": "http://loinc.org", "code": "2160-0"}
    projection = project.observation(resource, coding, Stated(number, comparator, unit, ""))
    assert bool(project.fault_of_companion(projection)) == bool(project.fault(projection))
    assert project.fault_of_b2m(projection) == project.fault(projection)


_concepts = st.one_of(
    st.none(),
    st.builds(lambda *c: {"coding": list(c)}, st.fixed_dictionaries({}, optional={"system": _texts, "code": _texts})),
    _texts,
)
_resources = st.fixed_dictionaries(
    {"subject": st.fixed_dictionaries({"reference": _texts})},
    optional={
        **dict.fromkeys(("status", "intent"), _texts),
        **dict.fromkeys(("clinicalStatus", "verificationStatus", "code"), _concepts),
    },
)
_MODELS: dict[str, Any] = {
    model.__name__: model
    for model in (Condition, MedicationRequest, MedicationStatement, MedicationAdministration, Procedure)
}


@given(st.sampled_from(sorted(_MODELS)), _resources, _concepts, st.booleans())
def test_both_checks_agree_on_lists(kind: str, elements: dict[str, Any], drug: Any, dated: bool) -> None:
    resource = {"resourceType": kind, **elements}
    made = {
        "Condition": lambda: project.condition(resource),
        "Procedure": lambda: project.procedure(resource),
    }.get(kind, lambda: project.medication(resource, [drug], read_moment("2026-03-02") if dated else None))()
    try:
        _MODELS[kind].model_validate(made)
    except ValidationError:
        assert project.fault_of_companion(made)
    else:
        assert not project.fault_of_companion(made)


@pytest.mark.parametrize("fault", [project.fault, project.fault_of_b2m, project.fault_of_companion])
def test_faults_are_named_by_their_place_alone(fault: Any) -> None:
    given = Stated(Decimal(1), "", {"unit": {"secret": 1}, "code": "mg/L"}, "")
    projection = project.observation({"status": "final"}, {"system": "http://loinc.org", "code": "2160-0"}, given)
    said = fault(projection)
    assert "valueQuantity.unit" in said
    assert "secret" not in said
