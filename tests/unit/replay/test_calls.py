"""Recorded charts to calls, and dates moved."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cds_service.errors import InputFileError
from cds_service.fhir.gather import prefetch_templates
from cds_service.fhir.searches import PAGE_SIZE
from cds_service.models import HookRequest
from cds_service.replay import calls
from cds_service.replay.calls import (
    SERVICES,
    Prepared,
    dump_json,
    for_charts,
    not_asked_for,
    observations_in,
    prepare,
    read_fixtures,
)
from cds_service.replay.dates import moved
from cds_service.replay.inputs import Fault, Input
from cds_service.replay.run import decide_here
from tests.unit.fhir.make import AS_OF, bundle, call, condition, observation, patient, quantity

HOOKS = {"lab-result-review": "b2m-result-review"}


def prepared(document: Any, **expected: Any) -> Prepared:
    found = prepare(Input("x.json", document, expected), HOOKS)
    assert isinstance(found, Prepared)
    return found


def test_a_bundle_is_the_whole_chart_of_each_patient_in_it() -> None:
    creatinine = observation("2160-0", quantity(1, "mg/dL"), id="cr")
    sodium = observation("2951-2", quantity(140, "mmol/L"), id="na")
    stranger = observation(id="x", subject={"reference": "Patient/q"})
    document = bundle(patient(), observation(), creatinine, sodium, condition(("urn:x", "y")), stranger)
    found = prepared(document)
    first, second = (call.request for call in found.calls)
    assert HookRequest.model_validate(first).context.patientId == "p"
    assert set(first["prefetch"]) == set(prefetch_templates())
    held = {key: len(value["entry"]) for key, value in first["prefetch"].items() if key != "patient"}
    assert {key: count for key, count in held.items() if count} == {"b2m": 1, "kidney": 1, "conditions": 1}
    assert second["context"]["patientId"] == "q"
    assert second["prefetch"]["patient"] is None
    assert found.left_out == {"not-asked-for": 1}
    assert [r["id"] for r in not_asked_for(found.calls[0])] == ["na"]


def test_a_bundle_is_the_whole_chart_however_long_it_is() -> None:
    daily = [
        observation("2160-0", quantity(1, "mg/dL"), id=f"cr-{day}", effectiveDateTime=f"2026-01-{day % 28 + 1:02}")
        for day in range(PAGE_SIZE * 2)
    ]
    (found,) = prepared(bundle(patient(), observation(), *daily)).calls
    assert decide_here(found, as_of=AS_OF).missing == ()


def test_a_transaction_is_what_a_server_would_make_of_it() -> None:
    entries = [
        {"fullUrl": "urn:uuid:1", "resource": {"resourceType": "Patient"}},
        {"fullUrl": "urn:uuid:2", "resource": observation(subject={"reference": "urn:uuid:1"})},
        {"resource": observation(id="d", subject={"reference": "Device/x"})},
        {"resource": observation(id="n", subject=None)},
    ]
    found = prepared({"resourceType": "Bundle", "type": "transaction", "entry": entries, "id": "t"})
    (call,) = found.calls
    assert call.name == "x.json (t)"
    assert call.request["context"]["patientId"] == "1"
    assert call.request["prefetch"]["patient"]["id"] == "1"
    assert call.request["prefetch"]["b2m"]["entry"][0]["resource"]["subject"] == {"reference": "Patient/1"}
    assert found.left_out == {"not-a-patients": 1, "no-subject": 1}


def test_a_single_resource_is_a_chart() -> None:
    assert len(prepared(observation()).calls) == 1
    assert len(prepared(patient()).calls) == 1
    assert prepared({"resourceType": "OperationOutcome"}).calls == ()
    assert prepared({"resourceType": "Patient"}).calls[0].request["context"]["patientId"] == "unnamed"


def test_a_request_is_itself() -> None:
    (found,) = prepared(call(hook="patient-view"), service="elsewhere").calls
    assert (found.service, found.chart) == ("elsewhere", ())
    assert prepared(call()).calls[0].service == "b2m-result-review"


def test_a_chart_never_goes_to_a_service_about_orders() -> None:
    orders = {"order-select": "companions", "order-sign": "companions-too"}
    assert for_charts({**orders, "patient-view": "review"}) == ("patient-view", "review")
    with pytest.raises(InputFileError, match="only order-select, order-sign are served"):
        prepare(Input("x", patient()), orders)


def test_a_request_about_orders_goes_to_the_service_of_its_hook() -> None:
    prepared = prepare(Input("x", {**call(), "hook": "order-sign"}), SERVICES)
    assert isinstance(prepared, Prepared)
    assert [recorded.service for recorded in prepared.calls] == ["b2m-order-sign-companions"]


def test_what_is_neither_is_a_fault() -> None:
    assert prepare(Input("x", {"a": 1}), HOOKS) == Fault(
        "x", "neither a CDS Hooks request (no hook) nor FHIR (no resourceType)"
    )
    when = prepare(Input("x", patient(), {"as_of": "soon"}), HOOKS)
    assert isinstance(when, Fault)
    assert "'soon'" in when.message


def test_observations_are_counted_wherever_they_are() -> None:
    report = {"resourceType": "DiagnosticReport", "contained": [observation(), {"resourceType": "Specimen"}]}
    assert observations_in(bundle(observation(), bundle(observation()), report)) == 3
    assert observations_in(observation()) == 1
    assert observations_in("x") == observations_in({"resourceType": 7}) == 0


def test_numbers_keep_their_digits() -> None:
    assert dump_json({"a": Decimal("3.20"), "b": [Decimal("1E+2")]}) == b'{"a": 3.20, "b": [1E+2]}'
    with pytest.raises(TypeError, match="set is no JSON"):
        dump_json({"a": {1}})


def test_a_fixture_that_is_no_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "case").mkdir()
    (tmp_path / "case" / "request.json").write_text("{")
    with pytest.raises(InputFileError, match=r"request\.json: no JSON"):
        list(read_fixtures(tmp_path))


def test_fixtures_may_lie_in_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "cds_service"
    (package / "replay").mkdir(parents=True)
    monkeypatch.setattr(calls, "__file__", str(package / "replay" / "calls.py"))
    with pytest.raises(InputFileError, match="run from a checkout"):
        calls.fixtures_folder()
    (package / "fixtures").mkdir()
    assert calls.fixtures_folder() == (package / "fixtures").resolve()


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("2026-03-02", "2026-03-05"),
        ("2026-02-27", "2026-03-02"),
        ("2026-03-02T08:10:00+01:00", "2026-03-05T08:10:00+01:00"),
        ("2026-03", "2026-03"),
        ("2026", "2026"),
        ("seen 2026-03-02", "seen 2026-03-02"),
        ("2026-02-30", "2026-02-30"),
        ("9999-12-31", "9999-12-31"),
        (7, 7),
        (None, None),
    ],
)
def test_dates_are_moved_by_whole_days(printed: object, expected: object) -> None:
    assert moved({"a": [printed]}, 3) == {"a": [expected]}


def test_a_page_holds_more_than_a_fixture() -> None:
    assert PAGE_SIZE >= 20


def test_a_call_that_brings_nothing_was_made_of_no_chart() -> None:
    request = call() | {"prefetch": None}
    found = prepare(Input("x", request), HOOKS)
    assert isinstance(found, Prepared)
    assert not_asked_for(found.calls[0]) == []
