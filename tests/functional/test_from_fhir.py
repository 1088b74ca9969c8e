"""``--from-fhir``: a real FHIR server asked as an EHR asks its own, and its faults."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import requests
import responses
from click.testing import CliRunner, Result

from cds_service.cli.main import cli
from cds_service.errors import InputFileError
from cds_service.fhir.gather import prefetch_templates
from cds_service.fhir.shape import Json
from cds_service.replay.from_fhir import FhirServer, read_patient_ids
from tests.functional.fhir_server import fhir_server
from tests.functional.server import running_service
from tests.unit.fhir.make import bundle, condition, observation, patient, quantity

MYELOMA = condition(
    ("http://snomed.info/sct", "109989006"),
    clinicalStatus={
        "coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]
    },
    onsetDateTime="2026-02-25",
)
CHART = (
    patient(),
    observation(value=quantity(9)),
    observation("2160-0", quantity(1, "mg/dL"), id="cr"),
    observation("1751-7", quantity(40, "g/L"), id="alb"),
    observation("2951-2", quantity(140, "mmol/L"), id="na"),
    MYELOMA,
)
TOKEN = "token-of-the-server"
AS_OF = ("--as-of", "2026-03-03T09:00:00Z")


def replay(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["replay", *(str(argument) for argument in arguments)])


def cards(result: Result) -> Any:
    found = json.loads(result.stdout)["calls"]
    return [[without_ids(card) for card in call["cards"]] for call in found]


def without_ids(card: Json) -> Json:
    """A card without what is new each time."""
    kept = {name: value for name, value in card.items() if name != "uuid"}
    offered = [{name: value for name, value in s.items() if name != "uuid"} for s in card.get("suggestions", [])]
    return kept | {"suggestions": offered}


def test_a_real_server_gives_the_cards_that_its_chart_gives(tmp_path: Path) -> None:
    ids, chart = tmp_path / "patients.txt", tmp_path / "chart.json"
    ids.write_text("# who\nPatient/p\n\n")
    chart.write_text(json.dumps(bundle(*CHART)))
    with fhir_server(*CHART, token=TOKEN) as base:
        server = ("--from-fhir", base, "--patients", ids, "--json")
        allowed = (*server, "--fhir-token-command", f"echo {TOKEN}")
        asked, refused = replay(*allowed, *AS_OF), replay(*server, *AS_OF)
        with running_service() as ours:
            sent = replay(*allowed, "--url", ours)
    assert asked.exit_code == 0, asked.output
    assert cards(asked) == cards(replay(chart, "--json", *AS_OF))
    assert cards(asked)[0][0]["summary"].startswith("ISS stage III")
    assert json.loads(asked.stdout)["observations"] == {"read": 3}
    (without_token,) = json.loads(refused.stdout)["calls"]
    assert without_token["problem"].startswith(
        "Not prefetched, and not to be fetched: patient (unavailable), b2m (unavailable)."
    )
    assert [card["summary"] for card in cards(sent)[0]] == [card["summary"] for card in cards(asked)[0]]


BASE = "http://127.0.0.1:9/fhir"


@responses.activate
@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"status": 404, "json": {}}, "status 404"),
        ({"status": 302, "json": {}, "headers": {"Location": "http://elsewhere.example/"}}, "status 302"),
        ({"status": 200, "body": "<html>"}, "no answer that can be read: InputFileError"),
        ({"status": 200, "json": []}, "status 200"),
        ({"body": requests.ReadTimeout()}, "no answer that can be read: ReadTimeout"),
    ],
)
def test_what_cannot_be_had_is_an_operation_outcome(fault: Any, said: str) -> None:
    responses.get(f"{BASE}/Patient/p", **fault)
    outcome = FhirServer(BASE).ask("Patient/p")
    assert outcome["resourceType"] == "OperationOutcome"
    assert outcome["issue"][0]["diagnostics"] == said


@responses.activate
def test_templates_are_sent_as_they_are_and_encoded() -> None:
    responses.get(f"{BASE}/Observation", json={"resourceType": "Bundle"})
    (call,) = FhirServer(BASE + "/", "t").calls(["p"], "h", "s", {"b2m": prefetch_templates()["b2m"]})
    assert call.request["prefetch"] == {"b2m": {"resourceType": "Bundle"}}
    sent = responses.calls[0].request
    assert sent.headers["Authorization"] == "Bearer t"
    assert "patient=p&code=http://loinc.org|1952-1,http://loinc.org|83078-6," in unquote(sent.url or "")


def test_files_of_patients_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="cannot be read"):
        read_patient_ids(tmp_path / "gone")
    (tmp_path / "empty").write_text("# nobody\n")
    with pytest.raises(InputFileError, match="names no patient"):
        read_patient_ids(tmp_path / "empty")


@pytest.mark.parametrize("arguments", [(), ("--from-fhir", BASE), ("--patients", "x")])
def test_neither_paths_nor_a_server_is_a_usage_error(arguments: tuple[str, ...]) -> None:
    result = replay(*arguments)
    assert result.exit_code == 2
    assert "--from-fhir together with --patients" in result.output
