"""The keys of clients: where they come from, how long they serve."""

import json
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import requests
import responses

from cds_service.config import Client
from cds_service.hooks import key_sets
from cds_service.hooks.key_sets import KeySet
from tests.functional.scripted_server import Scripted, scripted_server
from tests.functional.tokens import public_jwk

JKU = "https://ehr.example.org/jwks"
HOUR = 3600.0


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def web() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


def client(jku: str = JKU) -> Client:
    return Client(name="ehr", iss="i", jku=jku)


def key_set(clock: Clock, **parts: Any) -> KeySet:
    return KeySet(client(**parts), 24 * HOUR, clock)


def publish(web: responses.RequestsMock, *keys: dict[str, Any], **answer: Any) -> None:
    web.upsert(responses.GET, JKU, **(answer or {"json": {"keys": keys}}))


def test_keys_are_fetched_once_and_kept(web: responses.RequestsMock, clock: Clock) -> None:
    publish(web, public_jwk("ES384", "a"), public_jwk("RS384", "b"))
    keys = key_set(clock)
    assert keys.key("a", "ES384")
    assert keys.key("b", "RS384")
    assert keys.key("b", "RS384") is keys.key("b", "RS384")
    assert len(web.calls) == 1
    assert len(keys) == 2


def test_an_unknown_kid_makes_them_fetched_anew_after_a_cool_down(web: responses.RequestsMock, clock: Clock) -> None:
    publish(web, public_jwk("ES384", "a"))
    keys = key_set(clock)
    assert keys.key("b", "ES384") is None
    publish(web, public_jwk("ES384", "b"))
    clock.now += 59
    assert keys.key("b", "ES384") is None
    assert len(web.calls) == 1
    clock.now += 1
    assert keys.key("b", "ES384")
    assert keys.key("a", "ES384") is None, "a key that is withdrawn serves no longer"


def test_old_keys_serve_while_their_address_is_down_up_to_their_age(web: responses.RequestsMock, clock: Clock) -> None:
    publish(web, public_jwk("ES384", "a"))
    keys = key_set(clock)
    assert keys.key("a", "ES384")
    publish(web, body=requests.ConnectionError())
    clock.now += 24 * HOUR
    assert keys.key("a", "ES384")
    clock.now += 1
    assert keys.key("a", "ES384") is None


def test_keys_that_are_withdrawn_serve_no_longer(
    web: responses.RequestsMock, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    publish(web, public_jwk("ES384", "a"))
    keys = key_set(clock)
    assert keys.key("a", "ES384")
    clock.now += 60
    publish(web, status=404)
    keys.refresh()
    assert keys.key("a", "ES384"), "an address that is gone is an outage"
    clock.now += 60
    publish(web)
    keys.refresh()
    assert keys.key("a", "ES384") is None
    assert "client ehr has no signing key now" in caplog.text


def test_keys_are_renewed_every_hour_beside_the_calls(web: responses.RequestsMock, clock: Clock) -> None:
    publish(web, public_jwk("ES384", "a"))
    keys = key_set(clock)
    assert keys.key("a", "ES384")
    publish(web, public_jwk("ES384", "c"))
    clock.now += HOUR + 1
    assert keys.key("a", "ES384"), "the call does not wait"
    until = time.monotonic() + 10
    while keys.key("a", "ES384") and time.monotonic() < until:
        time.sleep(0.01)
    assert keys.key("c", "ES384")
    assert len(web.calls) == 2


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 404},
        {"status": 302, "headers": {"Location": "https://evil.example/jwks"}},
        {"body": b"<html>"},
        {"body": b"[]"},
        {"body": b'{"keys": {}}'},
        {"body": b'{"keys": [1, {"kid": 5}, {}]}'},
        {"body": b"[" * 100_000},
        {"body": b'{"keys": [' + b" " * 200_000 + b"]}"},
        {"body": requests.Timeout()},
    ],
)
def test_what_is_no_key_set_gives_no_key(web: responses.RequestsMock, clock: Clock, answer: Any) -> None:
    publish(web, **answer)
    assert key_set(clock).key("a", "ES384") is None
    assert [c.request.url for c in web.calls] == [JKU]


@pytest.mark.parametrize(
    "entry",
    [
        {**public_jwk("ES384", "a"), "use": "enc"},
        {**public_jwk("ES384", "a"), "alg": "ES256"},
        {**public_jwk("ES384", "a"), "d": "x"},
        {**public_jwk("ES384", "a"), "x": "!"},
        {"kty": "oct", "kid": "a", "k": "c2VjcmV0"},
        public_jwk("RS384", "a"),
    ],
    ids=["for encryption", "of another algorithm", "private", "broken", "symmetric", "of another type"],
)
def test_keys_that_are_not_for_this(web: responses.RequestsMock, clock: Clock, entry: Any) -> None:
    publish(web, entry)
    assert key_set(clock).key("a", "ES384") is None


def test_two_keys_of_one_kid_are_told_apart_by_their_type(web: responses.RequestsMock, clock: Clock) -> None:
    publish(web, public_jwk("RS384", "a"), public_jwk("ES384", "a"))
    keys = key_set(clock)
    assert [keys.key("a", name).algorithm_name for name in ("ES384", "RS384", "RS512")] == ["ES384", "RS384", "RS512"]  # type: ignore[union-attr]


def test_no_credentials_are_sent(web: responses.RequestsMock, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("requests.sessions.get_netrc_auth", lambda url: ("user", "secret"))
    publish(web, public_jwk("ES384", "a"))
    key_set(clock).refresh()
    assert "Authorization" not in web.calls[0].request.headers


def test_a_server_that_answers_byte_by_byte_holds_nobody(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    monkeypatch.setattr(key_sets, "_FETCH_SECONDS", 0.3)

    def drip(handler: BaseHTTPRequestHandler, told: Scripted) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while not told.stop.wait(0.05):
            handler.wfile.write(b"x")

    with scripted_server(drip) as server:
        began = time.monotonic()
        assert key_set(clock, jku=f"{server.base}/jwks").key("a", "ES384") is None
        assert time.monotonic() - began < 5, "the deadline holds"


def test_keys_of_a_file_are_read_anew(tmp_path: Path, clock: Clock) -> None:
    file = tmp_path / "jwks.json"
    keys = KeySet(Client(name="ehr", iss="i", jwks_file=file), 24 * HOUR, clock)
    assert keys.key("a", "ES384") is None
    file.write_text(json.dumps({"keys": [public_jwk("ES384", "a")]}))
    clock.now += 60
    assert keys.key("a", "ES384")


def test_it_is_told_when_there_is_no_key(web: responses.RequestsMock, clock: Clock) -> None:
    told: list[str] = []
    keys = KeySet(client(), 24 * HOUR, clock, told.append)
    publish(web, public_jwk("ES384", "a"))
    keys.refresh()
    assert told == []
    publish(web, status=503)
    clock.now += HOUR
    keys.refresh()
    publish(web)
    clock.now += HOUR
    keys.refresh()
    assert told == ["ehr", "ehr"], "the address fails; the set is empty"
