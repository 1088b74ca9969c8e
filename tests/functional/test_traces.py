"""OpenTelemetry without code: what is traced, and that no span holds a patient's id."""

import json
import os
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from tests.functional.scripted_server import Scripted, scripted_server
from tests.functional.server import free_port, running
from tests.functional.traced import PATIENT


@pytest.fixture(scope="module", params=["", "http", "http/dup"])
def printed(request: pytest.FixtureRequest) -> str:
    """What is traced and measured, by the semantic conventions of HTTP: old, new, both."""
    environment = os.environ | {"OTEL_SEMCONV_STABILITY_OPT_IN": request.param}
    command = [sys.executable, "-m", "tests.functional.traced"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)  # noqa: S603
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def spans(printed: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(next(line for line in printed.splitlines() if line.startswith("[")))
    return found


def test_no_span_and_no_metric_holds_a_patient(printed: str) -> None:
    assert "http.server" in printed
    assert PATIENT not in printed


def test_calls_and_what_they_asked_are_traced(spans: list[dict[str, Any]]) -> None:
    """What is asked in other threads belongs to the call; what failed says how."""
    calls = [span for span in spans if span["name"] == "POST /cds-services/<service_id>"]
    asked = [span for span in spans if span["kind"] == "SpanKind.CLIENT"]
    assert len(calls) == 2
    assert {span["context"]["trace_id"] for span in asked} == {span["context"]["trace_id"] for span in calls}
    addresses = {span["attributes"].get("http.url") or span["attributes"]["url.full"] for span in asked}
    assert "http://127.0.0.1:9" in addresses
    assert len(addresses) == 2
    failed = [event["attributes"] for span in asked for event in span["events"]]
    assert {event["exception.type"] for event in failed} == {"requests.exceptions.ConnectionError"}


def test_an_address_that_is_not_there_is_not_told(spans: list[dict[str, Any]]) -> None:
    names = [span["name"] for span in spans if span["kind"] == "SpanKind.SERVER"]
    assert sorted(names) == ["GET", "GET", *["POST /cds-services/<service_id>"] * 2]


def test_workers_of_the_shipped_server_send_their_spans(tmp_path: Path) -> None:
    """They are forked after OpenTelemetry was started."""

    def take(handler: BaseHTTPRequestHandler, told: Scripted) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    port, instrument = free_port(), Path(sys.executable).with_name("opentelemetry-instrument")
    command = [str(instrument), sys.executable, "-m", "cds_service", "serve", "--port", str(port)]
    command += ["--workers", "1"]  # one that still starts would not hear that it should stop
    with scripted_server(take) as collector:
        environment = {
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.base,
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_LOGS_EXPORTER": "none",
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }
        until = time.monotonic() + 30
        with running(command, port, environment):  # it is asked until it answers
            while not collector.asked and time.monotonic() < until:
                time.sleep(0.05)
        assert set(collector.asked) == {"/fhir/v1/traces"}
