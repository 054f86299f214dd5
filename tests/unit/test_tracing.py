"""Spans: one trace from the caller through everything that is done for it, and no words of anybody in them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from agent.errors import Misconfigured, Transient
from agent.telemetry import tracing
from tests.spans import recorded

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    with recorded() as exporter:
        yield exporter


def test_a_span_joins_the_trace_it_is_given_and_hands_it_on(spans: InMemorySpanExporter) -> None:
    with tracing.span("outer", tracing.CONSUMER, {"a": 1}, PARENT), tracing.span("inner", tracing.CLIENT, {}):
        handed_on = tracing.current()
    inner, outer = spans.get_finished_spans()
    assert outer.parent is not None
    assert f"{outer.parent.span_id:016x}" == "b7ad6b7169203331"
    assert handed_on.split("-")[1] == "0af7651916cd43dd8448eb211c80319c"
    assert inner.parent is not None and inner.parent.span_id == outer.context.span_id


def test_a_span_without_a_parent_begins_a_trace(spans: InMemorySpanExporter) -> None:
    with tracing.span("outer", tracing.CONSUMER, {}, PARENT), tracing.span("other", tracing.SERVER, {}, ""):
        assert tracing.current().split("-")[1] != PARENT.split("-")[1]


def test_an_error_marks_its_span_by_class_and_not_by_its_words(spans: InMemorySpanExporter) -> None:
    with pytest.raises(Transient), tracing.span("failing", tracing.CLIENT, {}):
        raise Transient("the model said SECRET", kind="malformed")
    (failed,) = spans.get_finished_spans()
    assert failed.attributes is not None and failed.attributes["error.type"] == "malformed"
    assert "SECRET" not in failed.to_json()


def test_a_collector_without_its_exporter_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    monkeypatch.setitem(__import__("sys").modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(Misconfigured, match=r"cuelight\[otel\]"):
        tracing.start("worker", "1")
