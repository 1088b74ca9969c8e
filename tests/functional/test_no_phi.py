"""No patient data where it should not be: every fixture with planted texts, and a search of all that is left behind."""

import base64
import copy
import hashlib
import json
import logging
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy.engine import make_url

from cds_service.app import create_app
from cds_service.config import Settings, SiteProfile
from cds_service.fhir.shape import Json
from cds_service.record import upkeep
from cds_service.record.logs import JsonLines
from cds_service.record.pseudonyms import load_pseudonyms
from cds_service.replay.calls import Recorded, dump_json, fixtures_folder, read_fixtures
from tests.functional.run import NOW, RULES
from tests.functional.tokens import BASE, Ehr

PATIENT, USER, ENCOUNTER = "planted-patient-7391", "Practitioner/planted-user-5512", "planted-encounter-4410"
NAME, BORN, NOTE = "Plantedname Zyxwvut", "1951-07-23", "planted note 8826 of a nurse"
COMMENT, ACCESS, SUGGESTION = "planted comment 9917 of a user", "planted.access.token-3345", "planted suggestion 6612"
DIGITS = "01379"
#: Texts that stay in every request; what differs from one to the next is added while planting.
ALWAYS = {PATIENT, USER, ENCOUNTER, NAME, BORN, NOTE, COMMENT, ACCESS, SUGGESTION}
FIXTURES = list(read_fixtures(fixtures_folder()))


class Planting:
    """Fixtures with texts in them that would be known again; ``texts`` are all that were planted."""

    def __init__(self) -> None:
        self.texts = set(ALWAYS)

    def request(self, case: Recorded) -> Json:
        request = copy.deepcopy(case.request)
        context = request.get("context")
        if isinstance(context, dict):
            own = str(context.get("patientId"))
            request = self._in(request, own)
            request["context"] |= {"userId": USER, "encounterId": ENCOUNTER, "patientId": PATIENT}
        token = {"access_token": ACCESS, "token_type": "Bearer", "expires_in": 300, "scope": NOTE, "subject": NAME}
        return request | {"fhirServer": "https://planted.example/fhir", "fhirAuthorization": token}

    def _in(self, value: Any, own: str) -> Any:
        if isinstance(value, list):
            return [self._in(entry, own) for entry in value]
        if isinstance(value, dict):
            return self._resource({key: self._in(entry, own) for key, entry in value.items()}, own)
        if value in (own, f"Patient/{own}"):
            return value.replace(own, PATIENT)
        return value

    def _resource(self, resource: Json, own: str) -> Json:
        match resource.get("resourceType"):
            case "Patient":
                resource |= {"name": [{"text": NAME}], "birthDate": BORN, "identifier": [{"value": NOTE}]}
            case "Observation":
                self._observation(resource)
            case "Condition" | "Procedure" | "MedicationRequest":
                resource |= {"note": [{"text": NOTE}]}
        return resource

    def _observation(self, resource: Json) -> None:
        resource |= {"note": [{"text": NOTE}], "performer": [{"display": NAME}]}
        if isinstance(resource.get("id"), str):
            resource["id"] = f"planted-{resource['id']}"[:64]
            self.texts.add(resource["id"])
        quantity = resource.get("valueQuantity")
        if isinstance(quantity, dict) and isinstance(quantity.get("value"), int | Decimal):
            text = str(quantity["value"])
            planted = f"{text}{'' if '.' in text else '.'}{DIGITS}"
            quantity["value"] = Decimal(planted)
            self.texts.add(planted)
        taken = resource.get("effectiveDateTime")
        if isinstance(taken, str) and "T" in taken:
            self.texts.add(taken)


def forms(text: str) -> Iterator[bytes]:
    """A text as it may have been written: plain, encoded, or hashed without a key."""
    raw = text.encode()
    digest = hashlib.sha256(raw)
    yield from (raw, raw.hex().encode(), json.dumps(text)[1:-1].encode(), text.replace("/", "%2F").encode())
    yield from (base64.b64encode(raw).rstrip(b"="), base64.urlsafe_b64encode(raw).rstrip(b"="))
    yield from (digest.hexdigest().encode(), digest.digest(), base64.b64encode(digest.digest()))
    yield hashlib.md5(raw, usedforsecurity=False).hexdigest().encode()


def found(texts: set[str], where: bytes) -> set[str]:
    return {text for text in texts if any(form in where for form in forms(text))}


def left_in(url: str) -> bytes:
    """The bytes of the SQLite file, its log and whatever else lies beside it."""
    path = Path(make_url(url).database or "")
    return b"".join(file.read_bytes() for file in sorted(path.parent.glob(f"{path.name}*")))


class Caller:
    """Sends what is planted as a registered client would, and keeps what refusals and feedback answered."""

    def __init__(self, client: FlaskClient, ehr: Ehr, planting: Planting) -> None:
        self.client, self.ehr, self.planting = client, ehr, planting
        self.errors = b""

    def post(self, path: str, document: Any) -> Json:
        number = len(self.planting.texts)
        token = self.ehr.token(path, jti=f"planted-jti-{number}", sub=NAME)
        self.planting.texts |= {token, f"planted-jti-{number}"}
        head = {"Authorization": f"Bearer {token}"}
        answer = self.client.post(path, data=dump_json(document), content_type="application/json", headers=head)
        if answer.status_code != 200 or path.endswith("/feedback"):
            self.errors += answer.data + str(answer.headers).encode()
        document = answer.get_json()
        return document if isinstance(document, dict) else {}

    def replay(self, case: Recorded) -> None:
        """A case, and feedback on its cards."""
        path, request = f"/cds-services/{case.service}", self.planting.request(case)
        for card in self.post(path, request).get("cards", []):
            self.post(f"{path}/feedback", {"feedback": [told(card["uuid"])]})

    def be_refused(self, case: Recorded) -> None:
        """A case in forms that are refused."""
        path, request = f"/cds-services/{case.service}", self.planting.request(case)
        self.post(path, request | {"hook": NOTE})
        self.post(path, request | {"prefetch": {}})
        self.post(path, request | {"prefetch": NAME})
        self.post(path, request | {"context": {"patientId": f"{PATIENT}/{NAME}", "userId": USER}})
        self.post(path, request | {"hookInstance": NAME})


def told(card: str, **parts: Any) -> Json:
    """Feedback that says more than it should, in every place where a text fits."""
    return {
        "card": card,
        "outcome": "accepted",
        "acceptedSuggestions": [{"id": SUGGESTION}],
        "outcomeTimestamp": "2026-03-03T09:00:00Z",
        "overrideReason": {"reason": {"code": NOTE, "system": NAME, "display": NOTE}, "userComment": COMMENT},
    } | parts


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text("now:" + "ab" * 32)
    return path


def caller(url: str, tmp_path: Path, **settings: Any) -> Caller:
    ehr = Ehr(tmp_path, "ES256")
    wired = Settings(public_base_url=BASE, database_url=url, **settings)
    site = SiteProfile(client=(ehr.client(),))
    client = create_app(wired, rules=RULES, clock=lambda: NOW, site=site).test_client()
    return Caller(client, ehr, Planting())


def test_nothing_of_a_patient_is_left_behind(
    tmp_path: Path,
    keys: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "db").mkdir()
    url = f"sqlite:///{tmp_path}/db/store.sqlite"
    with caplog.at_level(logging.DEBUG):
        sent = caller(url, tmp_path, pseudonym_keys=keys)
        for case in FIXTURES:
            sent.replay(case)
        for case in FIXTURES[::10]:
            sent.be_refused(case)
        sent.post("/cds-services/b2m-result-review/feedback", {"feedback": [told(NAME), {"card": COMMENT}]})
        sent.post("/cds-services/b2m-result-review/feedback", COMMENT)
        sent.client.get(f"/cds-services/{NAME}", headers={"Authorization": f"Bearer {ACCESS}"})
    planted = sent.planting.texts
    assert len(planted) > 500
    with upkeep.reaching(url) as engine:
        assert upkeep.status(engine).rows["card"] > len(FIXTURES) / 2
    assert caplog.records
    printed = "".join(capfd.readouterr())
    written = b"".join(JsonLines().format(record).encode() for record in caplog.records)
    metrics = sent.client.get("/metrics").data
    assert b"b2m_cds_missing_total" in metrics
    for where in (caplog.text.encode(), written, printed.encode(), metrics, sent.errors, left_in(url)):
        assert found(planted, where) == set()
    pseudonym = load_pseudonyms(keys).of("patient", "ehr", PATIENT)
    assert pseudonym is not None
    assert pseudonym.encode() in left_in(url)  # it was written, and this is where one would find it


def test_the_search_finds_what_a_site_asks_to_keep(tmp_path: Path) -> None:
    (tmp_path / "db").mkdir()
    url = f"sqlite:///{tmp_path}/db/store.sqlite"
    sent = caller(url, tmp_path, keep_comments=True)
    sent.replay(next(case for case in FIXTURES if case.name == "iss-stage-3-kidney"))
    assert found(sent.planting.texts, left_in(url)) == {COMMENT}


def test_without_keys_no_pseudonym_is_stored(tmp_path: Path) -> None:
    (tmp_path / "db").mkdir()
    url = f"sqlite:///{tmp_path}/db/store.sqlite"
    with_keys = caller(url, tmp_path)
    with_keys.replay(FIXTURES[0])
    assert b"now:" not in left_in(url)
