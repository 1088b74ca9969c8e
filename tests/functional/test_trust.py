"""Who may call, over HTTP: tokens, open access, loopback."""

import base64
import hashlib
import hmac
import json
import logging
import time
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from cds_service.app import create_app
from cds_service.config import FhirServer, Settings, SiteProfile
from cds_service.errors import ConfigurationError, StoreUnavailable, Unauthenticated
from cds_service.hooks import trust
from cds_service.hooks.trust import Gate
from cds_service.replay.calls import dump_json
from tests.failure_matrix import row
from tests.functional.run import NOW, RULES
from tests.functional.tokens import BASE, ISSUER, Ehr, private_key
from tests.unit.fhir.make import bundle, call, observation

PATH = "/cds-services/b2m-result-review"
SETTINGS = Settings(public_base_url=BASE)


@pytest.fixture
def ehr(tmp_path: Path) -> Ehr:
    return Ehr(tmp_path)


def service(ehr: Ehr, **site: Any) -> FlaskClient:
    profile = SiteProfile(client=(ehr.client(),), **site)
    return create_app(SETTINGS, rules=RULES, clock=lambda: NOW, site=profile).test_client()


def ask(client: FlaskClient, token: str | None, path: str = PATH, **headers: str) -> TestResponse:
    """The answer to a call, or to discovery."""
    sent = headers | ({"Authorization": f"Bearer {token}"} if token is not None else {})
    if path == "/cds-services":
        return client.get(path, headers=sent)
    body = dump_json(call(bundle(observation())))
    return client.post(path, data=body, content_type="application/json", headers=sent)


def assert_bare_401(answer: TestResponse) -> None:
    assert (answer.status_code, answer.data) == (401, b"")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "ES512", "RS256", "RS384", "RS512"])
def test_a_registered_client_is_answered(ehr: Ehr, algorithm: str) -> None:
    ehr.algorithm = algorithm
    client = service(ehr)
    assert ask(client, ehr.token(PATH)).status_code == 200
    assert ask(client, ehr.token("/cds-services"), "/cds-services").status_code == 200


def good(ehr: Ehr) -> str:
    return ehr.token(PATH)


def parts(token: str) -> tuple[dict[str, Any], str, str]:
    head, payload, signature = token.split(".")
    return json.loads(base64.urlsafe_b64decode(head + "==")), payload, signature


def packed(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def signed_with_the_public_key(ehr: Ehr) -> str:
    head, payload, _ = parts(good(ehr))
    pem = private_key(ehr.algorithm).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    body = f"{packed(head | {'alg': 'HS256'})}.{payload}"
    mac = hmac.new(pem, body.encode(), hashlib.sha256).digest()
    return f"{body}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def unsigned(ehr: Ehr) -> str:
    head, payload, _ = parts(good(ehr))
    return f"{packed(head | {'alg': 'none'})}.{payload}."


def with_a_number_as_kid(ehr: Ehr) -> str:
    head, payload, signature = parts(good(ehr))
    return f"{packed(head | {'kid': 5})}.{payload}.{signature}"


def with_a_list_as_issuer(ehr: Ehr) -> str:
    head, _, signature = good(ehr).split(".")
    return f"{head}.{packed({'iss': [ISSUER]})}.{signature}"


def tampered(ehr: Ehr) -> str:
    token = good(ehr)
    head, _, signature = token.split(".")
    claims = jwt.decode(token, options={"verify_signature": False})
    return f"{head}.{packed(claims | {'tenant': 'another'})}.{signature}"


NOT_LET_IN = {
    "none": lambda ehr: None,
    "empty": lambda ehr: "",
    "garbage": lambda ehr: "garbage",
    "a token of three empty parts": lambda ehr: "..",
    "far too long": lambda ehr: "x" * 20_000,
    "nested without end": lambda ehr: base64.urlsafe_b64encode(b"[" * 9_000).decode() + ".e30.x",
    "not signed": unsigned,
    "signature removed": lambda ehr: good(ehr).rpartition(".")[0] + ".",
    "HS256 with the public key": signed_with_the_public_key,
    "changed after it was signed": tampered,
    "another's key": lambda ehr: ehr.token(PATH, signed_by="another"),
    "expired": lambda ehr: ehr.token(PATH, exp=int(time.time()) - 61),
    "issued in the future": lambda ehr: ehr.token(PATH, iat=int(time.time()) + 120),
    "not yet good": lambda ehr: ehr.token(PATH, nbf=int(time.time()) + 120),
    "good for a day": lambda ehr: ehr.token(PATH, exp=int(time.time()) + 86_400),
    "exp beyond all clocks": lambda ehr: ehr.token(PATH, exp=10**30),
    "exp beyond all numbers": lambda ehr: ehr.token(PATH, exp=10**400),
    "good for two hours, of which one has gone": lambda ehr: ehr.token(
        PATH, iat=int(time.time()) - 3700, exp=int(time.time()) + 3500
    ),
    "a tenant that is no text": lambda ehr: ehr.token(PATH, tenant=["ward-1"]),
    "a tenant that would pass for another's": lambda ehr: ehr.token(PATH, tenant="a\0b"),
    "exp that is no number": lambda ehr: ehr.token(PATH, exp="soon"),
    "another issuer": lambda ehr: ehr.token(PATH, iss="https://evil.example"),
    "an issuer that is no text": with_a_list_as_issuer,
    "for another service": lambda ehr: ehr.token("/cds-services/b2m-chart-review"),
    "for another host": lambda ehr: ehr.token("", aud="https://elsewhere.example" + PATH),
    "for the service with a slash behind it": lambda ehr: ehr.token(PATH + "/"),
    "an empty jti": lambda ehr: ehr.token(PATH, jti=""),
    "a jti that is too long": lambda ehr: ehr.token(PATH, jti="x" * 257),
    "a jti that is no text": lambda ehr: ehr.token(PATH, jti=7),
    "an unknown kid": lambda ehr: ehr.token(PATH, header={"kid": "another"}),
    "a kid that is no text": with_a_number_as_kid,
    "a typ of another kind": lambda ehr: ehr.token(PATH, header={"typ": "at+jwt"}),
    **{f"without {name}": partial(Ehr.token, path=PATH, without=name) for name in ("iss", "aud", "exp", "iat", "jti")},
    "without kid": lambda ehr: ehr.token(PATH, header={"kid": None}),
}


@row("no, wrong, expired or foreign token where clients are registered", "401, bare")
@pytest.mark.parametrize("token", NOT_LET_IN.values(), ids=NOT_LET_IN)
def test_who_is_not_let_in(ehr: Ehr, token: Any) -> None:
    client = service(ehr)
    assert_bare_401(ask(client, token(ehr)))


@row("a token that was used before, or is used for another address", "401, bare")
def test_a_token_is_good_for_one_call(ehr: Ehr) -> None:
    client, token = service(ehr), ehr.token(PATH)
    assert ask(client, token).status_code == 200
    assert_bare_401(ask(client, token))
    assert_bare_401(ask(client, ehr.token(PATH), "/cds-services"))


def test_clocks_may_differ_by_a_minute(ehr: Ehr) -> None:
    client, now = service(ehr), int(time.time())
    assert ask(client, ehr.token(PATH, exp=now - 30)).status_code == 200
    assert ask(client, ehr.token(PATH, iat=now + 30.5, nbf=now - 300)).status_code == 200


def test_aud_may_be_a_list_and_the_host_header_tells_nothing(ehr: Ehr) -> None:
    client = service(ehr)
    assert ask(client, ehr.token(PATH, aud=["https://other.example", BASE + PATH])).status_code == 200
    foreign = ehr.token("", aud="https://evil.example" + PATH)
    assert_bare_401(ask(client, foreign, Host="evil.example"))


def test_the_scheme_of_the_header_is_read_in_any_case(ehr: Ehr) -> None:
    client = service(ehr)
    assert ask(client, None, Authorization=f"bearer  {ehr.token(PATH)} ").status_code == 200
    assert_bare_401(ask(client, None, Authorization=f"Basic {ehr.token(PATH)}"))


def test_a_header_without_typ_is_taken(ehr: Ehr) -> None:
    assert ask(service(ehr), ehr.token(PATH, header={"typ": None})).status_code == 200


def test_a_key_set_that_stands_only_in_the_token_is_not_asked(ehr: Ehr) -> None:
    ehr.registered = {"jku": "https://ehr.example.org/jwks"}
    client = service(ehr)
    assert ask(client, ehr.token(PATH, header={"jku": "https://ehr.example.org/jwks"})).status_code == 200
    assert ask(client, ehr.token(PATH)).status_code == 200
    assert_bare_401(ask(client, ehr.token(PATH, header={"jku": "https://evil.example/jwks"})))


def test_only_registered_tenants(ehr: Ehr) -> None:
    ehr.registered = {"tenants": ["ward-1"]}
    client = service(ehr)
    assert ask(client, ehr.token(PATH, tenant="ward-1")).status_code == 200
    assert_bare_401(ask(client, ehr.token(PATH, tenant="ward-2")))
    assert_bare_401(ask(client, ehr.token(PATH)))


def test_only_registered_algorithms(ehr: Ehr) -> None:
    token = ehr.token(PATH)
    ehr.registered = {"algorithms": ["RS384"]}
    assert_bare_401(ask(service(ehr), token))


@row("a client that is not registered for the service", "403; discovery does not list it")
def test_only_registered_services(ehr: Ehr) -> None:
    ehr.registered = {"services": ["b2m-chart-review"]}
    client = service(ehr)
    answer = ask(client, ehr.token(PATH))
    assert (answer.status_code, answer.get_json()["issue"][0]["code"]) == (403, "forbidden")
    listed = ask(client, ehr.token("/cds-services"), "/cds-services").get_json()["services"]
    assert [entry["id"] for entry in listed] == ["b2m-chart-review"]


@pytest.mark.parametrize(("named", "status"), [((), 412), (("https://fhir.example.org/r4",), 200)])
def test_only_registered_fhir_servers(
    ehr: Ehr, named: tuple[str, ...], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str | None] = []

    def opened(_client: object, request: Any) -> None:
        asked.append(request.fhirServer)

    monkeypatch.setattr("cds_service.fhir.client.FhirClient.open", opened)
    ehr.registered = {"fhir_servers": named}
    client = service(ehr, fhir_server=(FhirServer(url="https://fhir.example.org/r4"),))
    body = call(bundle(observation())) | {"fhirServer": "https://FHIR.example.org/r4/"}
    client.post(
        PATH,
        data=dump_json(body),
        content_type="application/json",
        headers={"Authorization": f"Bearer {ehr.token(PATH)}"},
    )
    assert len(asked) == (status == 200)


def test_the_log_says_why_and_holds_no_token(ehr: Ehr, caplog: pytest.LogCaptureFixture) -> None:
    token = ehr.token(PATH, exp=5)
    ask(service(ehr), token)
    assert "ExpiredSignatureError" in caplog.text
    assert token.split(".")[1] not in caplog.text


class Store:
    """A store of used tokens that can be down."""

    def __init__(self) -> None:
        self.up, self.seen = True, set[tuple[str, str]]()

    def first_use(self, issuer: str, token_id: str, expires: datetime) -> bool:
        if not self.up:
            raise StoreUnavailable
        assert expires.tzinfo
        self.expires = expires
        known = (issuer, token_id) in self.seen
        self.seen.add((issuer, token_id))
        return not known


@pytest.fixture
def two_workers(ehr: Ehr) -> tuple[Gate, Gate, Store]:
    store, site = Store(), SiteProfile(client=(ehr.client(),))
    return Gate(SETTINGS, site, store), Gate(SETTINGS, site, store), store


def lets_in(gate: Gate, token: str) -> bool:
    client = gate.key_sets[ISSUER].client
    try:
        return gate._bearer_of(token, BASE + PATH).client == client
    except Unauthenticated:
        return False


def test_workers_share_what_they_have_seen(ehr: Ehr, two_workers: tuple[Gate, Gate, Store]) -> None:
    one, other, _ = two_workers
    token = ehr.token(PATH)
    assert [lets_in(one, token), lets_in(other, token), lets_in(one, token)] == [True, False, False]


def test_a_used_token_outlasts_clocks_that_differ(ehr: Ehr, two_workers: tuple[Gate, Gate, Store]) -> None:
    one, _, store = two_workers
    expires = int(time.time()) + 300
    assert lets_in(one, ehr.token(PATH, exp=expires))
    assert store.expires.timestamp() >= expires + 60 + 300


def test_two_tenants_of_a_client_are_two_scopes(ehr: Ehr, two_workers: tuple[Gate, Gate, Store]) -> None:
    gate = two_workers[0]
    scopes = [gate._bearer_of(ehr.token(PATH, tenant=tenant), BASE + PATH).scope for tenant in ("a", "b", None, "")]
    assert scopes == ["ehr/a", "ehr/b", "ehr", "ehr"]


@row("the store is down: a token that was used before", "401 in the worker that saw it; others cannot know")
def test_without_the_store_each_worker_has_its_own_memory(ehr: Ehr, two_workers: tuple[Gate, Gate, Store]) -> None:
    one, other, store = two_workers
    store.up, token = False, ehr.token(PATH)
    assert [lets_in(one, token), lets_in(one, token), lets_in(other, token)] == [True, False, True]


def test_what_was_seen_while_the_store_was_down_is_not_forgotten(
    ehr: Ehr, two_workers: tuple[Gate, Gate, Store]
) -> None:
    one, _, store = two_workers
    store.up, token = False, ehr.token(PATH)
    assert lets_in(one, token)
    store.up = True
    assert not lets_in(one, token)


def test_the_memory_of_a_worker_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust, "_MOST_REMEMBERED", 4)
    memory, soon, past = trust._OwnMemory(), time.time() + 60, time.time() - 60
    assert all(memory.first_use("i", name, past if name < "c" else soon) for name in "abcd")
    assert memory.first_use("i", "e", soon)
    assert not memory.first_use("i", "d", soon)
    assert memory.first_use("i", "a", soon), "it has expired: PyJWT refuses it"
    assert memory.first_use("i", "f", soon)
    assert len(memory._until) <= 4


# ----------------------------------------------------------------- no client is registered


def answer_to(remote: str, settings: Settings, **headers: str) -> TestResponse:
    client = create_app(settings, rules=RULES, clock=lambda: NOW, site=SiteProfile()).test_client()
    return client.get("/cds-services", headers=headers, environ_base={"REMOTE_ADDR": remote})


@pytest.mark.parametrize("remote", ["127.0.0.1", "127.8.8.8", "::1"])
def test_this_machine_is_answered(remote: str) -> None:
    assert answer_to(remote, Settings()).status_code == 200


@row("no client is registered and OPEN_ACCESS is not set: a caller from elsewhere, or through a proxy", "403")
@pytest.mark.parametrize(
    ("remote", "headers"),
    [
        ("10.0.0.5", {}),
        ("2001:db8::1", {}),
        ("", {}),
        ("127.0.0.1", {"X-Forwarded-For": "10.0.0.5"}),
        ("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}),
        ("127.0.0.1", {"Forwarded": "for=10.0.0.5"}),
        ("127.0.0.1", {"X-Real-IP": "10.0.0.5"}),
    ],
)
def test_others_are_not_answered_unless_access_is_open(remote: str, headers: dict[str, str]) -> None:
    refused = answer_to(remote, Settings(), **headers)
    assert refused.status_code == 403
    assert "OPEN_ACCESS" in refused.get_json()["issue"][0]["diagnostics"]
    assert answer_to(remote, Settings(open_access=True), **headers).status_code == 200


def test_open_access_is_said_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        answer_to("127.0.0.1", Settings(open_access=True))
        answer_to("127.0.0.1", Settings())
    assert [r.levelname for r in caplog.records if "access:" in r.message] == ["WARNING", "INFO"]


def test_clients_need_a_public_address(ehr: Ehr) -> None:
    with pytest.raises(ConfigurationError, match="PUBLIC_BASE_URL is not set"):
        create_app(Settings(), rules=RULES, site=SiteProfile(client=(ehr.client(),)))


def test_clients_and_open_access_contradict_each_other(ehr: Ehr) -> None:
    with pytest.raises(ConfigurationError, match="unset OPEN_ACCESS"):
        create_app(
            Settings(open_access=True, public_base_url=BASE), rules=RULES, site=SiteProfile(client=(ehr.client(),))
        )
