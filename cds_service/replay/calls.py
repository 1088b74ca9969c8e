"""Documents to CDS Hooks calls. A Bundle is taken for the whole chart: what is not in it is none."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

from cds_service.errors import InputFileError
from cds_service.fhir.bundle import entries_of, patient_id_of, resources_of, with_contained
from cds_service.fhir.gather import prefetch_templates
from cds_service.fhir.meaning import with_components
from cds_service.fhir.orders import HOOKS, ORDER_SELECT, ORDER_SIGN
from cds_service.fhir.shape import Json, objects, text
from cds_service.replay.inputs import Fault, Input, read_inputs
from cds_service.replay.prefetch import answer

RESULT_REVIEW = "b2m-result-review"
#: The services of this package by their hooks.
SERVICES = {
    "lab-result-review": RESULT_REVIEW,
    "patient-view": "b2m-chart-review",
    ORDER_SELECT: "b2m-order-select-companions",
    ORDER_SIGN: "b2m-order-sign-companions",
}


@dataclass(frozen=True, slots=True)
class Recorded:
    """A call as it was recorded or made from a chart, with the time at which it is to be read."""

    name: str
    service: str
    request: Json
    as_of: datetime | None
    expected: Json
    chart: tuple[Json, ...] = ()


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a document comes to: its calls, and the Observations that are in none of them, by why."""

    calls: tuple[Recorded, ...] = ()
    left_out: Counter[str] = field(default_factory=Counter)


def prepare(given: Input, services: dict[str, str]) -> Prepared | Fault:
    """The calls of a document: itself if it is one, else one for each patient that it tells of.

    Args:
        given: a CDS Hooks request, a Bundle, or a single FHIR resource.
        services: service id by hook; a chart is sent to the first that is not about orders.

    Raises:
        InputFileError: it is a chart, and all services are about orders.
    """
    document, expected = given.document, given.expected
    try:
        as_of = datetime.fromisoformat(expected["as_of"]) if "as_of" in expected else None
    except (TypeError, ValueError):
        return Fault(given.name, f"as_of in its expected.json is no date and time: {expected['as_of']!r}")
    if "hook" in document:
        service = expected.get("service") or services.get(text(document, "hook"), RESULT_REVIEW)
        return Prepared((Recorded(given.name, service, document, as_of, expected),))
    if not text(document, "resourceType"):
        return Fault(given.name, "neither a CDS Hooks request (no hook) nor FHIR (no resourceType)")
    resources = tuple(with_contained(document))
    hook, service = for_charts(services)
    calls: list[Recorded] = []
    left_out: Counter[str] = Counter()
    by_url = patient_ids(document)
    owners = [_owner(resource, by_url) for resource in resources]
    for owner, resource in zip(owners, resources, strict=True):
        if resource.get("resourceType") == "Observation" and owner is None:
            left_out["not-a-patients" if text(resource, "subject", "reference") else "no-subject"] += 1
    shared = [r for r in resources if r.get("resourceType") in OF_NOBODY]
    for patient_id in dict.fromkeys(owner for owner in owners if owner):
        own = [as_held(r, patient_id) for owner, r in zip(owners, resources, strict=True) if owner == patient_id]
        own += [resource for resource in shared if resource not in own]
        name = f"{given.name} ({text(document, 'id')})" if text(document, "id") else given.name
        call = Recorded(name, service, chart_call(patient_id, tuple(own), hook), as_of, expected, tuple(own))
        calls.append(call)
        left_out["not-asked-for"] += len(not_asked_for(call))
    return Prepared(tuple(calls), +left_out)


def for_charts(services: dict[str, str]) -> tuple[str, str]:
    """The hook and the id of the service that a chart is sent to: a chart holds no draft orders.

    Raises:
        InputFileError: there is none.
    """
    for hook, service in services.items():
        if hook not in HOOKS:
            return hook, service
    raise InputFileError(f"A chart holds no draft orders, and only {', '.join(services)} are served.")


#: What belongs to no patient by itself; it goes with whoever refers to it.
OF_NOBODY = ("Medication", "Specimen")


def not_asked_for(call: Recorded) -> list[Json]:
    """The Observations of a call's chart that no prefetch template asks for."""
    if not call.chart:
        return []
    asked = {id(entry["resource"]) for value in call.request["prefetch"].values() for entry in objects(value, "entry")}
    return [r for r in call.chart if r.get("resourceType") == "Observation" and id(r) not in asked]


def patient_ids(document: Json) -> dict[str, str]:
    """Patient id by the fullUrl under which a Bundle holds the Patient; its own id, else the end of that URL."""
    found = {}
    for entry in entries_of(document):
        url = text(entry, "fullUrl")
        if url and text(entry, "resource", "resourceType") == "Patient":
            found[url] = text(entry, "resource", "id") or re.split("[:/]", url)[-1]
    return found


def _owner(resource: Json, by_url: dict[str, str]) -> str | None:
    """The id of the patient that a resource is, or is about."""
    if resource.get("resourceType") == "Patient":
        return text(resource, "id") or next(iter(by_url.values()), "unnamed")
    reference = text(resource, "subject", "reference")
    return by_url.get(reference) or patient_id_of(reference) or None


def as_held(resource: Json, patient_id: str) -> Json:
    """The resource as a server would hold it: with an id, a relative reference to its patient, and nothing of ours."""
    resource = {name: value for name, value in resource.items() if not name.startswith("#")}
    if resource.get("resourceType") == "Patient":
        return {**resource, "id": patient_id}
    return {**resource, "subject": {"reference": f"Patient/{patient_id}"}}


def chart_call(patient_id: str, chart: tuple[Json, ...], hook: str, templates: dict[str, str] | None = None) -> Json:
    """A call about a patient whose whole chart is ``chart``, each prefetch template answered from it.

    ``templates``: those of another service; ours by default, which can be told that what it gets is all there is.
    """
    context = {"userId": "Practitioner/replay", "patientId": patient_id}
    asked, kind = (prefetch_templates(), "collection") if templates is None else (templates, "searchset")
    return {
        "hook": hook,
        "hookInstance": str(uuid4()),
        "context": context,
        "prefetch": {key: answer(template, context, chart, kind) for key, template in asked.items()},
    }


def observations_in(value: object) -> int:
    """How many Observations there are in a document: those in Bundles, containers and components inside it included."""
    if not isinstance(value, dict) or not isinstance(value.get("resourceType"), str):
        return 0
    found = resources_of(value) if value["resourceType"] == "Bundle" else with_contained(value)
    parts = (part for resource in found for part in with_components(resource))
    return sum(part.get("resourceType") == "Observation" for part in parts)


# ------------------------------------------------------------------ fixtures


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
        InputFileError: a file cannot be read; the message names it.
    """
    for given in read_documents(sorted(folder.glob("*/request.json"))):
        as_of = datetime.fromisoformat(given.expected["as_of"])
        name = Path(given.name).parent.name
        yield Recorded(name, given.expected["service"], given.document, as_of, given.expected)


def read_documents(paths: list[Path]) -> Iterator[Input]:
    """The documents of files that have to be right.

    Raises:
        InputFileError: one cannot be read; the message names it.
    """
    for found in read_inputs([str(path) for path in paths], _NO_STDIN):
        if isinstance(found, Fault):
            raise InputFileError(f"{found.name}: {found.message}")
        yield found


_NO_STDIN: Any = None
_NUMBER_MARK = "\u2063"
_MARKED_NUMBER = re.compile(f'"{_NUMBER_MARK}([^"]*){_NUMBER_MARK}"')


def dump_json(document: Any, indent: int | None = None) -> bytes:
    """A document as JSON with every Decimal as the number it was read from: 3.20 stays 3.20."""

    def marked(number: object) -> str:
        if isinstance(number, Decimal):
            return f"{_NUMBER_MARK}{number}{_NUMBER_MARK}"
        raise TypeError(f"{type(number).__name__} is no JSON")

    return _MARKED_NUMBER.sub(r"\1", json.dumps(document, default=marked, ensure_ascii=False, indent=indent)).encode()
