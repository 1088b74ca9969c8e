"""Calls made as an EHR makes them: the prefetch templates asked of a FHIR server, its answers sent on as they come."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import requests

from cds_service.errors import InputFileError
from cds_service.fhir.shape import Json
from cds_service.replay.calls import Recorded
from cds_service.replay.inputs import parse
from cds_service.replay.prefetch import filled

_TIMEOUT_SECONDS = 30
#: What a search may hold unescaped; the rest of a template is percent-encoded.
_KEPT = "/?&=,:|$._-"


def read_patient_ids(path: Path) -> list[str]:
    """The patient ids of a file, one a line, with or without "Patient/"; empty lines and those after # are passed over.

    Raises:
        InputFileError: the file cannot be read, or names nobody.
    """
    try:
        lines = [line.split("#")[0].strip() for line in path.read_text("utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputFileError(f"{path} cannot be read: {error}") from error
    found = [line.removeprefix("Patient/") for line in lines if line]
    if not found:
        raise InputFileError(f"{path} names no patient; expected one id a line")
    return found


class FhirServer:
    """A FHIR server that is asked as an EHR asks its own: each template once, its first page taken for the answer."""

    def __init__(self, base_url: str, token: str | None = None) -> None:
        self.base_url = base_url.rstrip("/")
        self._session = requests.Session()
        self._session.headers["Accept"] = "application/fhir+json"
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"

    def calls(self, patient_ids: list[str], hook: str, service: str, templates: dict[str, str]) -> Iterator[Recorded]:
        """One call a patient, in their order."""
        for patient_id in patient_ids:
            context = {"userId": "Practitioner/replay", "patientId": patient_id}
            prefetch = {key: self.ask(filled(template, context)) for key, template in templates.items()}
            request = {"hook": hook, "hookInstance": str(uuid4()), "context": context, "prefetch": prefetch}
            yield Recorded(f"{self.base_url}/Patient/{patient_id}", service, request, None, {})

    def ask(self, query: str) -> Json:
        """The answer to a read or search; where there is none, an OperationOutcome as CDS Hooks has clients send it."""
        try:
            url = f"{self.base_url}/{quote(query, safe=_KEPT)}"
            answer = self._session.get(url, timeout=_TIMEOUT_SECONDS, allow_redirects=False)
            document = parse(answer.content)
        except (requests.RequestException, InputFileError) as error:
            return _outcome(f"no answer that can be read: {type(error).__name__}")
        if answer.status_code != 200 or not isinstance(document, dict):
            return _outcome(f"status {answer.status_code}")
        return document


def _outcome(diagnostics: str) -> Json:
    issue = {"severity": "error", "code": "exception", "diagnostics": diagnostics}
    return {"resourceType": "OperationOutcome", "issue": [issue]}
