"""Calls under OpenTelemetry's zero-code start: prints OpenTelemetry's own metrics, then every span, as JSON.

``python -m tests.functional.traced``; a process of its own, since what is instrumented stays so.
"""

import json
import os
from http.server import BaseHTTPRequestHandler

from opentelemetry.instrumentation.auto_instrumentation import initialize

PATIENT = "planted-patient-7391"


def main() -> None:
    """Starts as ``opentelemetry-instrument`` does, then asks, is refused, and is asked for what is not there."""
    os.environ |= {"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "console", "OTEL_LOGS_EXPORTER": "none"}
    initialize(swallow_exceptions=False)

    from opentelemetry import metrics, trace
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from cds_service.app import create_app
    from cds_service.config import FhirServer, Settings, SiteProfile
    from cds_service.replay.calls import fixtures_folder
    from tests.functional.scripted_server import Scripted, scripted_server

    def answer(handler: BaseHTTPRequestHandler, told: Scripted) -> None:
        handler.send_response(404)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    exporter, provider = InMemorySpanExporter(), trace.get_tracer_provider()
    assert isinstance(provider, TracerProvider)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    gone = "http://127.0.0.1:9/fhir"
    call = json.loads((fixtures_folder() / "iss-stage-3-kidney" / "request.json").read_text("utf-8"))
    call["context"]["patientId"] = PATIENT
    del call["prefetch"], call["context"]["results"]
    call["hook"] = "patient-view"
    with scripted_server(answer) as there:
        servers = (FhirServer(url=f"{there.base}/fhir"), FhirServer(url=gone))
        client = create_app(Settings(), site=SiteProfile(fhir_server=servers)).test_client()
        for server in servers:
            client.post("/cds-services/b2m-chart-review", json=call | {"fhirServer": server.url})
        assert any(PATIENT in path for path in there.asked)
    client.get(f"/{PATIENT}?patient={PATIENT}")
    client.get(f"/cds-services/{PATIENT}?patient={PATIENT}")
    measured = metrics.get_meter_provider()
    assert isinstance(measured, MeterProvider)
    measured.force_flush()
    print(json.dumps([json.loads(span.to_json()) for span in exporter.get_finished_spans()]))  # noqa: T201


if __name__ == "__main__":
    main()
