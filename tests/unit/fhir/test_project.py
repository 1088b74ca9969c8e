"""The slim check of the results beside a B2M refuses exactly what fhir.resources refuses of the same projection."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.fhir import project
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


@pytest.mark.parametrize("fault", [project.fault, project.fault_of_companion])
def test_faults_are_named_by_their_place_alone(fault: Any) -> None:
    given = Stated(Decimal(1), "", {"unit": {"secret": 1}, "code": "mg/L"}, "")
    projection = project.observation({"status": "final"}, {"system": "http://loinc.org", "code": "2160-0"}, given)
    said = fault(projection)
    assert "valueQuantity.unit" in said
    assert "secret" not in said
