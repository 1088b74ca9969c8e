"""What a server that holds only a chart would answer to a template."""

from typing import Any

import pytest

from cds_service.replay.prefetch import answer
from tests.unit.fhir.make import condition, observation, patient

LAB = [{"coding": [{"system": "http://x", "code": "laboratory"}]}]
CHART = (patient(), observation(), observation("2160-0", id="cr", category=LAB), condition(("urn:x", "y")))
CONTEXT = {"patientId": "p"}


@pytest.mark.parametrize(
    ("template", "ids"),
    [
        ("Observation?patient={{context.patientId}}", ["b2m", "cr"]),
        ("Observation?patient={{context.patientId}}&code=http://loinc.org|1952-1,http://loinc.org|83078-6", ["b2m"]),
        ("Observation?code=2160-0&_sort=-date&_count=1", ["cr"]),
        ("Observation?code=http%3A%2F%2Floinc.org%7C2160-0", ["cr"]),
        ("Observation?category=laboratory", ["cr"]),
        ("Observation?category=http://x|laboratory&code=1952-1", []),
        ("Observation?_id=cr", ["cr"]),
        ("Observation?status=final", ["b2m", "cr"]),
        ("Condition?patient={{ context.patientId }}", ["c"]),
        ("Encounter?patient=p", []),
    ],
)
def test_searches(template: str, ids: list[str]) -> None:
    found = answer(template, CONTEXT, CHART)
    assert [entry["resource"]["id"] for entry in found["entry"]] == ids
    assert found["total"] == len(ids)


def test_reads() -> None:
    found: Any = answer("Patient/{{context.patientId}}", CONTEXT, CHART)
    assert found["id"] == "p"
    assert answer("Patient/q", CONTEXT, CHART) is None
