"""The shipped server: what only shows over a real socket."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from cds_service.replay.calls import fixtures_folder
from tests.functional.server import running_service

FIXTURE = fixtures_folder() / "iss-stage-3-kidney" / "request.json"
LIMIT = 50_000


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running_service(MAX_BODY_BYTES=str(LIMIT)) as base:
        yield base


def call_url(url: str) -> str:
    return f"{url}/cds-services/b2m-result-review"


def test_a_call_is_answered(url: str) -> None:
    answer = requests.post(
        call_url(url), data=FIXTURE.read_bytes(), headers={"Content-Type": "application/json"}, timeout=10
    )
    assert answer.status_code == 200
    assert [card["summary"][:14] for card in answer.json()["cards"]] == ["ISS stage III "]


def test_a_body_over_the_limit_is_413_with_a_length(url: str) -> None:
    body = json.dumps({"x": "y" * LIMIT}).encode()
    answer = requests.post(call_url(url), data=body, headers={"Content-Type": "application/json"}, timeout=10)
    assert answer.status_code == 413
    assert answer.json()["resourceType"] == "OperationOutcome"


def test_a_body_over_the_limit_is_413_without_a_length(url: str) -> None:
    body = iter([b'{"x": "', *[b"y" * 1000] * (LIMIT // 1000 + 5), b'"}'])
    answer = requests.post(call_url(url), data=body, headers={"Content-Type": "application/json"}, timeout=10)
    assert answer.status_code == 413


def test_a_chunked_body_within_the_limit_is_read_whole(url: str) -> None:
    body = FIXTURE.read_bytes()
    chunks = iter([body[:100], body[100:]])
    answer = requests.post(call_url(url), data=chunks, headers={"Content-Type": "application/json"}, timeout=10)
    assert answer.status_code == 200
    assert len(answer.json()["cards"]) == 1


def test_a_length_together_with_chunks_is_refused(url: str) -> None:
    parts = urlsplit(url)
    request = (
        b"POST /cds-services/b2m-result-review HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    )
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10) as connection:
        connection.sendall(request)
        status = connection.recv(100).split(b"\r\n", 1)[0]
    assert status.split()[1] == b"400"


def test_a_body_that_ends_early_is_no_answer_with_cards(url: str) -> None:
    parts = urlsplit(url)
    body = FIXTURE.read_bytes()
    head = (
        "POST /cds-services/b2m-result-review HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10) as connection:
        connection.sendall(head.encode() + body[:-50])
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(2000)
    assert b" 200 " not in answer.split(b"\r\n", 1)[0]


def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "cds_service", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment or None)  # noqa: S603


def test_the_demo_shows_real_patients_and_stops() -> None:
    shown = run("demo", "--once", "--port", "0")
    assert shown.returncode == 0, shown.stderr
    assert (
        "All 497 patients: 152 ISS stage I, 178 ISS stage II, 138 ISS stage III, 21 with the unit in doubt"
        in " ".join(shown.stdout.split())
    )
    assert "Their dates are moved by" in shown.stdout
    assert "curl -H 'Content-Type: application/json'" in shown.stdout
    assert "refused: Not prefetched" in shown.stdout


def test_a_setting_that_cannot_be_used_is_named() -> None:
    refused = run("serve", PATH="", BIND_PORT="many")
    assert refused.returncode == 1
    assert "BIND_PORT='many'" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_the_version() -> None:
    assert "cds-service, version " in run("--version").stdout


def test_an_installed_package_finds_its_fixtures() -> None:
    assert Path(fixtures_folder(), "commpass", "bundles.ndjson.gz").is_file()
