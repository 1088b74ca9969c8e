"""Recorded charts to CDS Hooks calls. A Bundle is taken for the whole chart: what is not in it is none."""

import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

from cds_service.errors import InputFileError
from cds_service.fhir.bundle import patient_id_of, resources_of
from cds_service.fhir.gather import prefetch_templates
from cds_service.fhir.shape import Json, codings, text
from cds_service.knowledge import terms


@dataclass(frozen=True, slots=True)
class Recorded:
    """A call as it was recorded, with the time at which it is to be read."""

    name: str
    service: str
    request: Json
    as_of: datetime
    expected: Json


def fixtures_folder() -> Path:
    """Where the fixtures lie: beside the package in a checkout, inside it once installed.

    Raises:
        InputFileError: in neither place.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package.parent / "fhir_fixtures", package / "fixtures"):
        if folder.is_dir():
            return folder
    raise InputFileError(f"No fixtures beside {package} or in it; run from a checkout of the project.")


def read_fixtures(folder: Path) -> Iterator[Recorded]:
    """The cases of a fixtures folder, one subfolder with request.json and expected.json each, by name.

    Raises:
        InputFileError: a file cannot be read as JSON; the message names it.
    """
    for path in sorted(folder.glob("*/request.json")):
        expected = read_json_file(path.with_name("expected.json"))
        as_of = datetime.fromisoformat(expected["as_of"])
        yield Recorded(path.parent.name, expected["service"], read_json_file(path), as_of, expected)


def read_json_file(path: Path) -> Any:
    """A JSON file, numbers as Decimal.

    Raises:
        InputFileError: it is not there or no JSON; the message names file and line.
    """
    try:
        return json.loads(path.read_text("utf-8"), parse_float=Decimal)
    except OSError as error:
        raise InputFileError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise InputFileError(f"{path}: {error}") from error


def read_ndjson(path: Path) -> Iterator[Json]:
    """The JSON objects of a gzipped NDJSON file, one a line, numbers as Decimal.

    Raises:
        InputFileError: a line is no JSON; the message names file and line.
    """
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                yield json.loads(line, parse_float=Decimal)
            except ValueError as error:
                raise InputFileError(f"{path}, line {number}: {error}") from error


_NUMBER_MARK = "\u2063"
_MARKED_NUMBER = re.compile(f'"{_NUMBER_MARK}([^"]*){_NUMBER_MARK}"')


def dump_json(document: Any) -> bytes:
    """A document as JSON with every Decimal as the number it was read from: 3.20 stays 3.20."""

    def marked(number: object) -> str:
        if isinstance(number, Decimal):
            return f"{_NUMBER_MARK}{number}{_NUMBER_MARK}"
        raise TypeError(f"{type(number).__name__} is no JSON")

    return _MARKED_NUMBER.sub(r"\1", json.dumps(document, default=marked, ensure_ascii=False)).encode()


def calls_of_bundle(bundle: Json, hook: str) -> Iterator[Json]:
    """One call for each patient that a Bundle tells of, its chart as prefetch."""
    resources = list(resources_of(bundle))
    patients = {text(r, "id"): r for r in resources if r.get("resourceType") == "Patient" and text(r, "id")}
    subjects = dict.fromkeys(patient_id_of(text(r, "subject", "reference")) for r in resources)
    for patient_id in dict.fromkeys([*patients, *(subject for subject in subjects if subject)]):
        own = [r for r in resources if patient_id_of(text(r, "subject", "reference")) == patient_id]
        yield {
            "hook": hook,
            "hookInstance": str(uuid4()),
            "context": {"userId": "Practitioner/replay", "patientId": patient_id},
            "prefetch": _prefetch(patients.get(patient_id), own),
        }


def _prefetch(patient: Json | None, own: list[Json]) -> Json:
    groups: dict[str, list[Json]] = {key: [] for key in prefetch_templates() if key != "patient"}
    known = terms.analyte_of_loinc()
    for resource in own:
        if resource["resourceType"] == "Condition":
            groups["conditions"].append(resource)
        found = {known[c][0].group for system, c in codings(resource, "code") if system == terms.LOINC and c in known}
        for group in found if resource["resourceType"] == "Observation" else ():
            groups[group].append(resource)
    return {"patient": patient} | {key: _searchset(found) for key, found in groups.items()}


def _searchset(resources: list[Json]) -> Json:
    return {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": len(resources),
        "entry": [{"resource": resource} for resource in resources],
    }
