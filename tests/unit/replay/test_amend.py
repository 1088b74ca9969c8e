"""Results of a call filed otherwise, wherever the call holds them."""

from copy import deepcopy
from decimal import Decimal
from typing import Any

import pytest

from cds_service.fhir.local_codes import NO_LOCAL_CODES, LocalCodes
from cds_service.replay.amend import Entry, amended, codes_of, entry_of, observations
from tests.unit.fhir.make import bundle, call, observation

B2M = "b2m-serum"
CODES = codes_of(B2M, NO_LOCAL_CODES)


def result(**changed: Any) -> dict[str, Any]:
    return {**observation(), "id": "b2m", **changed}


def only(request: Any, reference: str = "Observation/b2m") -> dict[str, Any]:
    (found,) = observations(request)[reference]
    return found


def change(resource: dict[str, Any], *entry: str) -> dict[str, Any]:
    request = call(bundle(resource))
    return only(amended(request, {("Observation/b2m", B2M): Entry(*entry)}, NO_LOCAL_CODES))


def test_what_is_filed_is_told_as_text() -> None:
    resource = result(
        valueQuantity={"value": Decimal("3.20"), "comparator": "<", "unit": "mg/L"}, effectiveDateTime="2026-03-01"
    )
    assert entry_of([resource], CODES) == Entry("<3.20", "mg/L", "2026-03-01")


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"valueQuantity": None}, ""),
        ({"valueQuantity": {"unit": "mg/L"}}, ""),
        ({"valueQuantity": {"value": 3, "code": "mg/L"}}, "3"),
        ({"valueQuantity": {"value": "3,2"}}, "3,2"),
    ],
)
def test_values_in_other_shapes(changed: dict[str, Any], expected: str) -> None:
    found = entry_of([result(**changed)], CODES)
    assert found is not None
    assert found.value == expected


def test_a_text_and_a_period_are_told_too() -> None:
    resource = result(valueString="> 40 mg/L", effectivePeriod={"start": "2026-03-01"})
    del resource["valueQuantity"], resource["effectiveDateTime"]
    assert entry_of([resource], CODES) == Entry("> 40 mg/L", "", "2026-03-01")


@pytest.mark.parametrize(
    "changed", [{"valueString": "and a text"}, {"valueRatio": {}, "valueQuantity": None}, {"code": {}}]
)
def test_what_cannot_be_changed_as_text(changed: dict[str, Any]) -> None:
    assert entry_of([result(**changed)], CODES) is None


def test_nothing_is_changed_where_nothing_differs() -> None:
    request = call(bundle(result()))
    as_it_is = entry_of([only(request)], CODES)
    assert as_it_is is not None
    assert amended(request, {("Observation/b2m", B2M): as_it_is}, NO_LOCAL_CODES) == request


def test_a_value_keeps_the_coded_unit_and_a_new_unit_loses_it() -> None:
    quantity = {"value": 4, "unit": "mg/L", "system": "http://unitsofmeasure.org", "code": "mg/L"}
    resource = result(valueQuantity=quantity, effectiveDateTime="2026-03-01")
    assert change(resource, ">5.60", "mg/L", "2026-03-01")["valueQuantity"] == {
        **quantity, "value": Decimal("5.60"), "comparator": ">",
    }  # fmt: skip
    assert change(resource, "4", "nmol/L", "2026-03-01")["valueQuantity"] == {"value": Decimal(4), "unit": "nmol/L"}


def test_what_is_no_number_is_filed_as_text_and_nothing_as_nothing() -> None:
    assert change(result(), "see note", "mg/L", "2026-03-01")["valueString"] == "see note mg/L"
    emptied = change(result(dataAbsentReason={"text": "x"}), "", "", "2026-03-01")
    assert not [name for name in emptied if name.startswith("value")]
    assert "dataAbsentReason" not in emptied


def test_a_date_takes_the_place_of_every_other() -> None:
    resource = result(effectivePeriod={"start": "2026-03-01"})
    entry = entry_of([resource], CODES)
    assert entry is not None
    changed = change(resource, entry.value, entry.unit, "2026-02-01")
    assert {name: value for name, value in changed.items() if name.startswith("effective")} == {
        "effectiveDateTime": "2026-02-01"
    }
    assert not [name for name in change(resource, entry.value, entry.unit, "") if name.startswith("effective")]


def test_every_copy_is_changed_and_the_call_itself_is_not() -> None:
    request = call(bundle(result()), other=bundle(result()))
    before = deepcopy(request)
    changed = amended(request, {("Observation/b2m", B2M): Entry("9", "mg/L", "2026-03-01")}, NO_LOCAL_CODES)
    assert [one["valueQuantity"]["value"] for one in observations(changed)["Observation/b2m"]] == [9, 9]
    assert request == before


def test_a_copy_that_is_coded_otherwise_is_left() -> None:
    request = call(bundle(result()), other=bundle(result(code={})))
    changed = amended(request, {("Observation/b2m", B2M): Entry("9", "mg/L", "")}, NO_LOCAL_CODES)
    values = [one["valueQuantity"]["value"] for one in observations(changed)["Observation/b2m"]]
    assert sorted(values) == [Decimal("4.2"), 9]


def test_components_and_contained_results_are_found() -> None:
    coded = result()
    part = {name: coded[name] for name in ("code", "valueQuantity")}
    panel = {"resourceType": "Observation", "id": "panel", "code": {}, "component": [{"code": {}}, part]}
    report = {"resourceType": "DiagnosticReport", "id": "r", "contained": [{**coded, "id": "c"}]}
    request = call(bundle(panel, report))
    changes = {
        ("Observation/panel", B2M): Entry("8", "mg/L", ""),
        ("DiagnosticReport/r#c", B2M): Entry("9", "mg/L", ""),
        ("Observation/none", B2M): Entry("9", "mg/L", ""),
        ("Observation/panel", "no-analyte"): Entry("9", "mg/L", ""),
    }
    changed = amended(request, changes, NO_LOCAL_CODES)
    assert only(changed, "Observation/panel")["component"][1]["valueQuantity"]["value"] == 8
    assert only(changed, "DiagnosticReport/r#c")["valueQuantity"]["value"] == 9


def test_a_code_of_the_sites_own_is_known() -> None:
    codes = codes_of(B2M, LocalCodes({("urn:x", "B2MS"): "1952-1"}))
    assert ("urn:x", "B2MS") in codes
    assert entry_of([result(code={"coding": [{"system": "urn:x", "code": "B2MS"}]})], codes) is not None
