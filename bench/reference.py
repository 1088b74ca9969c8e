"""What the answer to a body should be: from the same service in this process, with nothing wrong around it."""

import hashlib
import json
from threading import Lock
from typing import Any

from bench.processes import MeasureError
from bench.servers import PATH
from cds_service.app import create_app
from cds_service.config import FhirServer, Settings, SiteProfile

#: So short that no FHIR server is ever in time.
_NEVER_SECONDS = 0.001
_DEADLINE_SECONDS = 10.0


def digest(answer: bytes) -> str:
    """The cards of an answer as a hash, but for their own ids, which are new each time."""
    return hashlib.sha256(json.dumps(_without_uuids(json.loads(answer)), sort_keys=True).encode()).hexdigest()


def _without_uuids(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_uuids(held) for name, held in value.items() if name != "uuid"}
    return [_without_uuids(held) for held in value] if isinstance(value, list) else value


class Reference:
    """Answers as they should be, those of a FHIR server that is there, and of one that is never in time.

    Args:
        fhir: the base URL of the FHIR server that may be asked.
    """

    def __init__(self, fhir: str) -> None:
        site = SiteProfile(fhir_server=(FhirServer(url=fhir),))
        self._lock = Lock()
        self._clients = [
            create_app(Settings(database_url="sqlite://", fetch_deadline_seconds=seconds), site=site).test_client()
            for seconds in (_DEADLINE_SECONDS, _NEVER_SECONDS)
        ]

    def answers(self, body: bytes) -> tuple[str, str]:
        """The digests of the whole answer and of the one that had to do without what is fetched; often the same.

        Raises:
            MeasureError: the body is refused.
        """
        with self._lock:
            whole, late = (client.post(PATH, data=body, content_type="application/json") for client in self._clients)
        if whole.status_code != 200 or not whole.json or not whole.json.get("cards"):
            raise MeasureError(f"the reference answered with {whole.status_code}: {whole.text[:300]}")
        return digest(whole.data), digest(late.data)
