"""Who may call, and from which pages: CDS Hooks 2.0, Security and Safety."""

from pathlib import Path
from typing import Any

import jwt
import pytest
from pydantic import ValidationError
from werkzeug.test import TestResponse

from cds_service.config import Client, FhirServer, Settings, SiteProfile
from cds_service.replay.calls import dump_json
from tests.conformance.requirements import requirement
from tests.conformance.service import DISCOVERY, HOOKS, REVIEW, client, settings
from tests.functional.tokens import BASE, ISSUER, Ehr
from tests.unit.fhir.make import bundle, call, observation

ORIGIN, OTHER_ORIGIN = "https://chart.example.org", "https://elsewhere.example"
CALL = f"{DISCOVERY}/{REVIEW}"


def asked(ehr: Ehr, path: str, token: str | None) -> TestResponse:
    """The answer to discovery or to a call at ``path``, with a token."""
    service = client(settings(public_base_url=BASE), SiteProfile(client=(ehr.client(),)))
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    if path == DISCOVERY:
        return service.get(path, headers=headers)
    body = dump_json(call(bundle(observation())))
    return service.post(path, data=body, content_type="application/json", headers=headers)


def registered(**parts: Any) -> Client:
    return Client.model_validate({"name": "ehr", "iss": ISSUER, "jwks_file": "keys.json"} | parts)


@requirement("cds-hooks_2.0@2", "cds-hooks_2.0@168")
def test_no_address_without_tls_can_be_set() -> None:
    """TLS ends at the proxy in front; whatever address is ours or is asked has to be https beyond this machine."""
    with pytest.raises(ValidationError, match="expected https://"):
        Settings(public_base_url="http://cds.example.org")
    with pytest.raises(ValidationError, match="expected https://"):
        FhirServer(url="http://ehr.example.org/fhir")
    with pytest.raises(ValidationError, match="expected https://"):
        Client(name="ehr", iss="x", jku="http://ehr.example.org/jwks.json")


@requirement("cds-hooks_2.0@176")
@pytest.mark.parametrize("path", [DISCOVERY, CALL])
def test_a_signed_token_lets_a_registered_client_in(tmp_path: Path, path: str) -> None:
    ehr = Ehr(tmp_path)
    assert asked(ehr, path, ehr.token(path)).status_code == 200
    assert asked(ehr, path, ehr.token(path, signed_by="another")).status_code == 401


@requirement("cds-hooks_2.0@177")
@pytest.mark.parametrize("path", [DISCOVERY, CALL, f"{CALL}/feedback"])
def test_without_a_token_nothing_is_answered(tmp_path: Path, path: str) -> None:
    answer = asked(Ehr(tmp_path), path, None)
    assert (answer.status_code, answer.data) == (401, b"")


@requirement("cds-hooks_2.0@195")
def test_only_issuers_of_the_allow_list_are_believed(tmp_path: Path) -> None:
    ehr = Ehr(tmp_path)
    assert asked(ehr, DISCOVERY, ehr.token(DISCOVERY, iss="https://evil.example")).status_code == 401


@requirement("cds-hooks_2.0@199")
def test_keys_can_be_handed_over_in_a_file(tmp_path: Path) -> None:
    ehr = Ehr(tmp_path)
    assert ehr.client().jku is None
    assert asked(ehr, DISCOVERY, ehr.token(DISCOVERY)).status_code == 200


@requirement("cds-hooks_2.0@200", "cds-hooks_2.0@207")
@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512"])
def test_the_algorithms_trusted_are_of_rfc_7518_and_have_public_keys(algorithm: str) -> None:
    assert registered(algorithms=[algorithm]).algorithms == (algorithm,)
    with pytest.raises(ValidationError):
        registered(algorithms=[algorithm, "PS256"])


@requirement("cds-hooks_2.0@201")
def test_unsigned_tokens_are_refused(tmp_path: Path) -> None:
    ehr = Ehr(tmp_path)
    claims = jwt.decode(ehr.token(DISCOVERY), options={"verify_signature": False})
    assert asked(ehr, DISCOVERY, jwt.encode(claims, "", "none", {"kid": ehr.kid})).status_code == 401
    with pytest.raises(ValidationError):
        registered(algorithms=["none"])


@requirement("cds-hooks_2.0@203")
def test_symmetric_algorithms_are_refused(tmp_path: Path) -> None:
    ehr = Ehr(tmp_path)
    claims = jwt.decode(ehr.token(DISCOVERY), options={"verify_signature": False})
    assert asked(ehr, DISCOVERY, jwt.encode(claims, "k" * 64, "HS256", {"kid": ehr.kid})).status_code == 401
    with pytest.raises(ValidationError):
        registered(algorithms=["HS256"])


@requirement("cds-hooks_2.0@205")
def test_the_recommended_algorithms_are_the_default() -> None:
    assert registered().algorithms == ("ES384", "RS384")


@requirement("cds-hooks_2.0@206")
def test_the_algorithms_of_a_client_can_change(tmp_path: Path) -> None:
    """One that is taken out of the registration is no longer trusted."""
    ehr = Ehr(tmp_path, registered={"algorithms": ["RS384"]})
    assert asked(ehr, DISCOVERY, ehr.token(DISCOVERY)).status_code == 401


@requirement("cds-hooks_2.0@208")
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", DISCOVERY), *(("POST", f"{DISCOVERY}/{id_}{end}") for id_ in HOOKS for end in ("", "/feedback"))],
)
def test_pages_of_allowed_origins_may_call(method: str, path: str) -> None:
    service = client(settings(allowed_origins=(ORIGIN,)))
    asking = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": "authorization,content-type"}
    for origin, allowed in ((ORIGIN, ORIGIN), (OTHER_ORIGIN, None)):
        preflight = service.options(path, headers={"Origin": origin, **asking})
        answer = service.open(path, method=method, headers={"Origin": origin})
        assert preflight.headers.get("Access-Control-Allow-Origin") == allowed
        assert answer.headers.get("Access-Control-Allow-Origin") == allowed
    allowed_headers = service.options(path, headers={"Origin": ORIGIN, **asking}).headers[
        "Access-Control-Allow-Headers"
    ]
    assert {name.strip().lower() for name in allowed_headers.split(",")} >= {"authorization", "content-type"}
