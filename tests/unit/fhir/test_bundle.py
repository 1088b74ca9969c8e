"""What a prefetch key holds, and whether it is all there is."""

from typing import Any

import pytest

from cds_service.facts import Reason
from cds_service.fhir.bundle import (
    entry_count,
    newer_version,
    open_group,
    patient_id_of,
    reference_of,
    references_by_url,
    resources_of,
)
from tests.unit.fhir.make import bundle, observation

OUTCOME = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "exception"}]}


@pytest.mark.parametrize(
    ("value", "count", "lacking"),
    [
        (None, 0, None),
        (bundle(), 0, None),
        ({"resourceType": "Bundle", "type": "searchset", "total": 0}, 0, None),
        (bundle(observation()), 1, None),
        (observation(), 1, None),
        (bundle(observation(), total=1), 1, None),
        (bundle(observation(), total=2), 1, Reason.INCOMPLETE),
        (bundle(observation(), link=[{"relation": "next", "url": "x"}]), 1, Reason.INCOMPLETE),
        (bundle(observation(), link=[{"relation": "self", "url": "x"}]), 1, None),
        (bundle(observation(), OUTCOME), 1, Reason.INCOMPLETE),
        (bundle(observation(), observation(id="x"), observation(id="y")), 3, Reason.INCOMPLETE),
        (bundle(OUTCOME), 0, Reason.UNAVAILABLE),
        (OUTCOME, 0, Reason.UNAVAILABLE),
        ("not a bundle", 0, Reason.UNAVAILABLE),
        ([], 0, Reason.UNAVAILABLE),
        ({}, 0, Reason.UNAVAILABLE),
        ({"resourceType": 7}, 0, Reason.UNAVAILABLE),
        (bundle("x", None), 0, Reason.INCOMPLETE),
        ({"resourceType": "Bundle", "entry": "x"}, 0, Reason.INCOMPLETE),
        ({"resourceType": "Bundle", "entry": [observation()]}, 0, Reason.INCOMPLETE),
        ({"resourceType": "Bundle", "entry": ["x"]}, 0, Reason.INCOMPLETE),
        ({"resourceType": "Bundle", "link": "y", "total": "3"}, 0, None),
        (bundle(observation() | {"resourceType": None}), 1, Reason.INCOMPLETE),
        (bundle(bundle(observation(), link=[{"relation": "next"}])), 1, Reason.INCOMPLETE),
    ],
)
def test_open_group(value: Any, count: int, lacking: Reason | None) -> None:
    group = open_group(value, page_size=3)
    assert (len(group.resources), group.lacking) == (count, lacking)


def test_a_collection_is_no_page_of_a_search() -> None:
    assert open_group(bundle(*[observation()] * 3, type="collection"), page_size=3).lacking is None


def test_included_resources_do_not_fill_a_page() -> None:
    included = {"resource": observation(), "search": {"mode": "include"}}
    assert open_group({"resourceType": "Bundle", "entry": [included] * 3}, page_size=3).lacking is None


def test_bundles_in_bundles_are_opened_and_counted() -> None:
    inner = bundle(observation(id="a"), observation(id="b"))
    assert [r["id"] for r in resources_of(bundle(inner, observation(id="c")))] == ["a", "b", "c"]
    assert entry_count(bundle(inner, observation())) == 4
    assert entry_count("x") == 0


def test_contained_observations_take_the_subject_of_their_container() -> None:
    report = {
        "resourceType": "DiagnosticReport",
        "id": "r",
        "subject": {"reference": "Patient/p"},
        "contained": [{"resourceType": "Observation", "id": "o"}, {"resourceType": "Specimen"}, "x"],
    }
    found = list(resources_of(bundle(report)))
    assert [r.get("id") for r in found] == ["r", "r#o"]
    assert found[1]["subject"] == {"reference": "Patient/p"}
    assert entry_count(bundle(report)) == 3
    assert [r.get("id") for r in resources_of(bundle({**report, "id": None}))] == [None, None]


def test_references_by_url() -> None:
    entries = [{"fullUrl": "urn:uuid:1", "resource": observation()}, {"fullUrl": "urn:2"}, {"resource": observation()}]
    assert list(references_by_url({"entry": entries})) == [("urn:uuid:1", "Observation/b2m")]


@pytest.mark.parametrize(
    ("reference", "patient"),
    [
        ("Patient/p", "p"),
        ("https://ehr.example/fhir/Patient/p", "p"),
        ("Patient/p/_history/3", "p"),
        ("Group/p", ""),
        ("p", ""),
        ("", ""),
        ("urn:uuid:1", ""),
    ],
)
def test_patient_id_of(reference: str, patient: str) -> None:
    assert patient_id_of(reference) == patient


@pytest.mark.parametrize(
    ("first", "second", "newer"),
    [
        ({"meta": {"lastUpdated": "2026-01-02T00:00:00Z"}}, {"meta": {"lastUpdated": "2026-01-01T00:00:00Z"}}, 1),
        ({"meta": {"lastUpdated": "2026-01-01T00:00:00Z"}}, {"meta": {"lastUpdated": "2026-01-01T01:00:00+02:00"}}, 1),
        ({"meta": {"versionId": "2"}}, {"meta": {"versionId": "10"}}, 2),
        ({"meta": {"versionId": "a"}}, {"meta": {"versionId": "b"}}, None),
        ({"issued": "2026-01-01T00:00:00Z"}, {"issued": "2026-01-02T00:00:00Z"}, 2),
        ({}, {"meta": {"versionId": "10"}}, None),
        ({}, {}, 1),
    ],
)
def test_newer_version(first: Any, second: Any, newer: int | None) -> None:
    assert newer_version(first, second) is {1: first, 2: second, None: None}[newer]


def test_reference_of() -> None:
    assert reference_of(observation()) == "Observation/b2m"
    assert reference_of({"resourceType": "Observation"}) == ""
    assert reference_of(observation(id="<script>")) == ""
    assert reference_of(observation(id="x" * 65)) == ""
