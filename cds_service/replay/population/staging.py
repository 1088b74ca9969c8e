"""A line of an export to rows by patient: the resources that the rules may read, as they were printed."""

import re
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from cds_service.errors import InputFileError
from cds_service.fhir.bundle import entries_of, identity_of, patient_id_of, references_by_url, with_contained
from cds_service.fhir.local_codes import LocalCodes
from cds_service.fhir.meaning import is_b2m, is_known, with_components
from cds_service.fhir.shape import Json, element, objects, text
from cds_service.replay.calls import OF_NOBODY, dump_json, patient_ids
from cds_service.replay.inputs import parse
from cds_service.replay.population.export import Line, Unusable

_PATIENT_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_UUID = "urn:uuid:"
#: What DuckDB reads back holds at most 16 MB, and a quotation mark takes two of them.
_MOST_CHARACTERS = 7_000_000
_READ = (
    "Patient",
    "Observation",
    "Condition",
    "Procedure",
    "MedicationRequest",
    "MedicationStatement",
    "MedicationAdministration",
)
_NOT_A_PATIENTS = "names no patient: none, another kind of subject, or an id that FHIR does not allow"


class Row(NamedTuple):
    """What one patient's chart is joined from.

    ``own``: a resource of the patient. ``shared``: a Medication or Specimen under its ``key``, "Specimen/abc".
    ``refers``: the patient's chart refers to that key. ``request``: a CDS Hooks request, decided by itself.
    ``b2m``: there is a B2M result in it.
    """

    patient: str
    kind: Literal["own", "shared", "refers", "request"]
    key: str = ""
    b2m: bool = False
    body: str = ""


def stage(line: Line, codes: LocalCodes) -> Iterator[Row | Unusable]:
    """The rows of a line. ``codes``: the site's own. It never raises: what goes wrong is Unusable, by its kind."""
    try:
        for found in _rows(parse(line.body), line.body.decode("utf-8-sig").strip(), codes):
            if isinstance(found, str) or len(found.body) > _MOST_CHARACTERS:
                problem = found if isinstance(found, str) else f"a resource of over {_MOST_CHARACTERS} characters"
                yield Unusable(line.file, line.number, problem)
            else:
                yield found
    except InputFileError as error:
        yield Unusable(line.file, line.number, str(error))
    except Exception as error:  # whatever an export holds, the rest of it is still to be read
        yield Unusable(line.file, line.number, f"cannot be taken apart ({type(error).__name__})")


def _rows(document: Any, printed: str, codes: LocalCodes) -> Iterator[Row | str]:
    """The rows of a document, or why there is none."""
    if not isinstance(document, dict):
        yield "no JSON object"
    elif "hook" in document:
        patient = text(document, "context", "patientId")
        yield Row(patient, "request", b2m=True, body=printed) if _PATIENT_ID.fullmatch(patient) else _NOT_A_PATIENTS
    elif document.get("resourceType") == "Bundle":
        for resource in _of_bundle(document):
            yield from _of_resource(resource, dump_json(resource).decode(), codes)
    elif text(document, "resourceType"):
        yield from _of_resource(document, printed, codes)
    elif "transactionTime" not in document:  # a Bulk Data manifest tells of nobody
        yield "neither a CDS Hooks request (no hook) nor FHIR (no resourceType)"


def _of_bundle(bundle: Json) -> Iterator[Json]:
    """The resources of a Bundle as a server would hold them: references by fullUrl become those by type and id."""
    patients = patient_ids(bundle)
    known = dict(references_by_url(bundle)) | {url: f"Patient/{identity}" for url, identity in patients.items()}
    for entry in entries_of(bundle):
        resource = entry.get("resource")
        if isinstance(resource, dict) and resource.get("resourceType") != "Bundle":
            if resource.get("resourceType") == "Patient":
                resource = {**resource, "id": text(resource, "id") or patients.get(text(entry, "fullUrl"))}
            yield _with_references(resource, known)


def _with_references(value: Any, known: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {
            name: known.get(inner, inner)
            if name == "reference" and isinstance(inner, str)
            else _with_references(inner, known)
            for name, inner in value.items()
        }
    return [_with_references(inner, known) for inner in value] if isinstance(value, list) else value


def _of_resource(resource: Json, printed: str, codes: LocalCodes) -> Iterator[Row | str]:
    if resource.get("resourceType") in OF_NOBODY:
        key = identity_of(resource)
        yield Row("", "shared", key, body=printed) if key else "no id that FHIR allows"
        return
    if resource.get("resourceType") not in _READ and not resource.get("contained"):
        return
    by_owner: dict[str, list[Json]] = {}
    for part in map(codes.translated, with_contained(resource)):
        if _is_read(part):
            by_owner.setdefault(owner_of(part), []).append(part)
    for patient, parts in by_owner.items():
        if not _PATIENT_ID.fullmatch(patient):
            yield _NOT_A_PATIENTS
            continue
        b2m = any(is_b2m(inner) for part in parts for inner in with_components(part))
        yield Row(patient, "own", b2m=b2m, body=printed)
        for key in dict.fromkeys(key for part in parts for key in _referred(part)):
            yield Row(patient, "refers", key)


def _is_read(resource: Json) -> bool:
    kind = resource.get("resourceType")
    return kind in _READ and (kind != "Observation" or any(map(is_known, with_components(resource))))


def owner_of(resource: Json) -> str:
    """The id of the patient that a resource is, or is about; "" where it names none."""
    if resource.get("resourceType") == "Patient":
        return text(resource, "id")
    reference = text(resource, "subject", "reference")
    return reference.removeprefix(_UUID) if reference.startswith(_UUID) else patient_id_of(reference)


def _referred(resource: Json) -> Iterator[str]:
    """The keys of the Medication and Specimens that a resource refers to."""
    named = [element(resource, "specimen"), *objects(resource, "specimen")]
    named += [element(resource, "medicationReference"), element(resource, "medication", "reference")]
    for reference in named:
        parts = text(reference, "reference").split("/_history/", 1)[0].split("/")[-2:]
        if len(parts) == 2 and parts[0] in OF_NOBODY:
            yield "/".join(parts)
