"""One trace per request, across processes, retries and take-overs: spans by OpenTelemetry's API.

Without the SDK (the extra `otel`) no span is recorded, and the trace's id still goes along with every event, log line
and call. Names follow the conventions for messaging and for generative AI
(https://opentelemetry.io/docs/specs/semconv/); no span holds text of a prompt, a document or an answer.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from agent.errors import Misconfigured

Attribute = str | int | float | bool
SERVER, CONSUMER, CLIENT, INTERNAL = SpanKind.SERVER, SpanKind.CONSUMER, SpanKind.CLIENT, SpanKind.INTERNAL

_tracer = trace.get_tracer("cuelight")
_format = TraceContextTextMapPropagator()


@contextmanager
def span(name: str, kind: SpanKind, attributes: Mapping[str, Attribute], parent: str | None = None) -> Iterator[Span]:
    """A span around a block; `parent` is a `traceparent`, None for the span that is open already.

    An error that leaves the block marks the span with its class only: messages may quote what nobody shall export.
    """
    started = _tracer.start_as_current_span(
        name,
        context=None if parent is None else _context(parent),
        kind=kind,
        attributes=dict(attributes),
        record_exception=False,
        set_status_on_exception=False,
    )
    with started as opened:
        try:
            yield opened
        except BaseException as error:
            opened.set_attribute("error.type", getattr(error, "kind", type(error).__name__))
            opened.set_status(Status(StatusCode.ERROR))
            raise


def current() -> str:
    """The `traceparent` of the span that is open here; empty if there is none."""
    carrier: dict[str, str] = {}
    _format.inject(carrier)
    return carrier.get("traceparent", "")


def start(role: str, release: str) -> None:
    """Send spans to the collector that `OTEL_EXPORTER_OTLP_ENDPOINT` names; nothing where it is not set.

    Raises `Misconfigured` if the extra `otel` is not installed.
    """
    if not (os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")):
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise Misconfigured(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set and the exporter is not installed: pip install 'cuelight[otel]'"
        ) from None
    provider = TracerProvider(
        resource=Resource.create({"service.name": f"cuelight-{role}", "service.version": release})
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)


def _context(traceparent: str) -> Context:
    return _format.extract({"traceparent": traceparent}, Context())
