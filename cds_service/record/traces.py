"""OpenTelemetry, where its zero-code distribution is installed (extra ``otel``): spans that name no patient.

``opentelemetry-instrument`` calls ``keep_patients_out`` by the entry point ``opentelemetry_pre_instrument``, in every
process that it starts, before it instruments anything. So this module imports nothing that could be instrumented.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from opentelemetry.sdk.trace import Event, ReadableSpan, SynchronousMultiSpanProcessor, TracerProvider
from opentelemetry.trace import SpanKind, Status, get_tracer_provider

#: What holds an address, by the semantic conventions of HTTP, old and new: those of an EHR hold patient ids.
_ADDRESSES = ("http.url", "http.target", "url.full", "url.path", "url.query")
#: What an error says for itself: it may quote the address, or what it could not read.
_TEXTS = ("exception.message", "exception.stacktrace")
_ROUTE, _METHODS = "http.route", ("http.request.method", "http.method")


def keep_patients_out() -> None:
    """Has every span of this process go out without the address that it was about, and without the text of errors."""
    provider = get_tracer_provider()
    if isinstance(provider, TracerProvider):
        # Before all that export, also those that are there: there is no other place where a finished span is changed.
        first = _WithoutPatients()  # type: ignore[no-untyped-call]
        first.add_span_processor(provider._active_span_processor)
        provider._active_span_processor = first


class _WithoutPatients(SynchronousMultiSpanProcessor):
    def on_end(self, span: ReadableSpan) -> None:
        super().on_end(_without_patients(span))


def _without_patients(span: ReadableSpan) -> ReadableSpan:
    """The span with the route that was called, or the server that was asked, in place of addresses."""
    known: Mapping[str, Any] = span.attributes or {}
    route = str(known.get(_ROUTE, ""))
    shown = {name: route or _server_of(str(value)) for name, value in known.items() if name in _ADDRESSES}
    is_nowhere = span.kind is SpanKind.SERVER and not route  # its name is the path that was asked for
    return ReadableSpan(
        name=next((str(known[name]) for name in _METHODS if name in known), "HTTP") if is_nowhere else span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes={**known, **shown},
        events=[_without_text(event) for event in span.events],
        links=span.links,
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _without_text(event: Event) -> Event:
    kept = {name: value for name, value in (event.attributes or {}).items() if name not in _TEXTS}
    return Event(event.name, kept, event.timestamp)


def _server_of(address: str) -> str:
    """Its scheme, host and port; "" for what is only a path, or none at all."""
    try:
        parts = urlsplit(address)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.hostname}{port}" if parts.hostname else ""
