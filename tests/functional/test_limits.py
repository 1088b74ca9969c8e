"""What is sent within limits and beyond them: in process, and under the server that is shipped."""

import gzip
import io
import itertools
import json
import socket
import tracemalloc
import zlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from werkzeug.test import TestResponse

from cds_service.app import create_app
from cds_service.config import Settings
from cds_service.replay.calls import dump_json
from tests.failure_matrix import row
from tests.functional.run import NOW, RULES, post
from tests.functional.server import running_service
from tests.functional.test_protocol import CHART, REVIEW, good, refused
from tests.unit.fhir.make import bundle, call, observation

LIMIT = 50_000
CALL = dump_json(good())
JSON = {"Content-Type": "application/json"}
GZIP = JSON | {"Content-Encoding": "gzip"}


def send(body: bytes, encoding: str = "gzip", most: int = LIMIT) -> TestResponse:
    app = create_app(Settings(max_body_bytes=most), rules=RULES, clock=lambda: NOW)
    return app.test_client().post(f"/cds-services/{REVIEW}", data=body, headers=JSON | {"Content-Encoding": encoding})


# ----------------------------------------------------------------------------- encodings


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", " x-gzip"])
def test_a_body_packed_by_gzip_is_read(encoding: str) -> None:
    assert send(gzip.compress(CALL), encoding).get_json()["cards"]
    assert send(CALL, "identity").get_json()["cards"]


@row("a body packed otherwise than once by gzip", "415 naming gzip")
@pytest.mark.parametrize("encoding", ["deflate", "br", "zstd", "gzip, gzip", "gzip, identity", "chunked", "*"])
def test_another_encoding_is_415(encoding: str) -> None:
    answer = send(gzip.compress(CALL), encoding)
    refused(answer, 415)
    assert answer.headers["Accept-Encoding"] == "gzip"


@row("a body whose gzip is broken, ends early or is followed by something", "400, never a part of it")
@pytest.mark.parametrize(
    "body",
    [
        b"",
        CALL,
        gzip.compress(CALL)[:-1],
        gzip.compress(CALL)[:-9],
        gzip.compress(CALL)[:5],
        gzip.compress(CALL)[:-8] + b"\0" * 8,
        gzip.compress(CALL) + b"x",
        gzip.compress(CALL) + gzip.compress(b" "),
        gzip.compress(gzip.compress(CALL)),
        zlib.compress(CALL),
    ],
    ids=["empty", "plain", "one byte short", "no end", "head only", "wrong sum", "more", "two", "twice", "zlib"],
)
def test_a_gzip_that_is_not_whole_is_400(body: bytes) -> None:
    refused(send(body), 400)


@row("a body over the limit when it is unpacked", "413, unpacked no further than the limit")
def test_a_body_over_the_limit_when_unpacked_is_413() -> None:
    body = b'"' + b"x" * (LIMIT - 2) + b'"'
    refused(send(gzip.compress(body)), 400)
    refused(send(gzip.compress(body + b" ")), 413)
    random = bytes(i * i % 251 for i in range(LIMIT))
    refused(send(gzip.compress(random, 0)), 413)


def test_a_bomb_is_not_unpacked() -> None:
    bomb = gzip.compress(bytes(200_000_000), 1)
    assert len(bomb) < 1_000_000
    send(gzip.compress(CALL))  # what is loaded once is not counted
    tracemalloc.start()
    answer = send(bomb, most=1_000_000)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    refused(answer, 413)
    assert most < 40_000_000, "bytes"


class _Broken(io.RawIOBase):
    def readinto(self, _: Any) -> int:
        raise ArithmeticError("SECRET: a line of the body")


@row("a body that ends early", "400, never a part of it")
@pytest.mark.parametrize("stream", [io.BytesIO(CALL[:-1]), _Broken()], ids=["short", "broken"])
def test_a_body_that_is_not_whole_is_400(stream: Any, caplog: pytest.LogCaptureFixture) -> None:
    app = create_app(Settings(), rules=RULES, clock=lambda: NOW)
    sent = {"CONTENT_LENGTH": str(len(CALL)), "wsgi.input": stream}
    answer = app.test_client().post(f"/cds-services/{REVIEW}", environ_overrides=sent, headers=JSON)
    refused(answer, 400)
    assert "SECRET" not in answer.text + caplog.text


# ------------------------------------------------------------------------------- nesting


def nested(levels: int) -> dict[str, Any]:
    """A call whose body is as many levels deep, in an extension of the B2M."""
    extension: Any = 1
    for step in range(levels - 6):
        extension = [extension] if step % 2 else {"extension": extension}
    return call(bundle(observation(extension=extension)))


@row("a body of more than 100 levels", "400")
@pytest.mark.parametrize("levels", [101, 150, 900, 100_000])
def test_nesting_over_the_limit_is_400(levels: int) -> None:
    head, tail = b"{" + CALL[1:-1] + b', "extension": ', b"}"
    refused(post(REVIEW, head + b"[" * (levels - 1) + b"]" * (levels - 1) + tail), 400)
    refused(post(REVIEW, head + b'{"a":' * (levels - 1) + b"1" + b"}" * (levels - 1) + tail), 400)


@pytest.mark.parametrize("levels", [20, 60, 100])
def test_nesting_within_the_limit_is_read(levels: int) -> None:
    deepest = dump_json(nested(levels))
    assert depth(json.loads(deepest)) == levels
    assert post(REVIEW, deepest).status_code == 200
    brackets_in_text = call(bundle(observation(note=[{"text": "[{" * 500}])))
    assert post(REVIEW, brackets_in_text).status_code == 200


def depth(value: Any) -> int:
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if below is None else 1 + max(map(depth, below), default=0)


# --------------------------------------------------------------------- the shipped server


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running_service(MAX_BODY_BYTES=str(LIMIT)) as base:
        yield base


def posted(url: str, body: Any, headers: dict[str, str] = JSON) -> int:
    return requests.post(f"{url}/cds-services/{REVIEW}", data=body, headers=headers, timeout=10).status_code


def raw(url: str, request: bytes) -> bytes:
    """All that is answered to bytes as they stand."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65_536), b""))


def test_gzip_under_the_server(url: str) -> None:
    packed = gzip.compress(CALL)
    assert posted(url, packed, GZIP) == 200
    assert posted(url, iter([packed[:50], packed[50:]]), GZIP) == 200
    assert posted(url, packed[:-1], GZIP) == 400
    assert posted(url, gzip.compress(bytes(10_000_000)), GZIP) == 413
    assert posted(url, itertools.repeat(b"x" * 1000, 60), GZIP) == 413
    assert posted(url, iter([gzip.compress(bytes(10_000_000))]), GZIP) == 413


def test_a_refusal_does_not_spoil_the_connection(url: str) -> None:
    with requests.Session() as session:
        for body, status in ((b"x" * (LIMIT + 1), 413), (CALL, 200), (CALL[:-1], 400), (CALL, 200)):
            answer = session.post(
                f"{url}/cds-services/{CHART if status == 413 else REVIEW}", body, headers=JSON, timeout=10
            )
            assert answer.status_code == status


HEAD = b"GET /cds-services HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"


@row("a request line or headers over the limits of docs/proxy.md", "414; 431")
@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (HEAD + b"\r\n", 200),
        (b"GET /" + b"x" * 5_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
        (HEAD + b"Authorization: Bearer " + b"x" * 16_000 + b"\r\n\r\n", 200),
        (HEAD + b"Authorization: Bearer " + b"x" * 16_400 + b"\r\n\r\n", 431),
        (HEAD + b"".join(b"X-%d: x\r\n" % n for n in range(62)) + b"\r\n", 200),
        (HEAD + b"".join(b"X-%d: x\r\n" % n for n in range(63)) + b"\r\n", 431),
    ],
    ids=["plain", "long line", "long token", "longer token", "64 fields", "65 fields"],
)
def test_lines_and_headers_over_the_limits(url: str, request_: bytes, status: int) -> None:
    assert raw(url, request_).split()[1] == b"%d" % status


POST = b"POST /cds-services/b2m-result-review HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


@row("what is no HTTP, or chunks that are not well formed", "400, without an echo in answer or log")
@pytest.mark.parametrize(
    "request_",
    [
        CHUNKED + b"SECRET\r\n0\r\n\r\n",
        CHUNKED + b"3\r\nabcSECRET\r\n0\r\n\r\n",
        CHUNKED + b"3\r\nabc\r\n",
        HEAD + b"SECRET PATIENT: x\r\n\r\n",
        HEAD + b"Authorization SECRET\r\n\r\n",
        b"SECRET\r\n\r\n",
        b"GET /SECRET HTTP/9\r\n\r\n",
    ],
    ids=["chunk size", "chunk end", "last chunk", "header name", "header", "request line", "version"],
)
def test_what_cannot_be_read_is_not_repeated(url: str, request_: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    answer = raw(url, request_)
    assert answer.split()[1] == b"400"
    assert b"SECRET" not in answer
    assert "SECRET" not in "".join(capfd.readouterr())


def test_headers_of_a_proxy_do_not_change_the_address(url: str) -> None:
    answer = raw(url, HEAD + b"PATH_INFO: /knowledge\r\nSCRIPT_NAME: /x\r\nX_Forwarded_For: x\r\n\r\n")
    assert b'"services"' in answer
