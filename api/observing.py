"""What monitoring learns of each HTTP request: a span, and a count and a time by route."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from starlette.types import Scope

from agent.telemetry import metrics, tracing
from api.trace import accept_traceparent

QUIET = {"/healthz", "/readyz", "/metrics"}
"""Asked again and again by machines: neither logged at the usual level, nor counted, nor traced."""


@contextmanager
def server_span(scope: Scope, header: str | None) -> Iterator[str]:
    """A span of the caller's trace, or of a new one; what it brings is the `traceparent` for all that follows."""
    chosen = accept_traceparent(header)
    if scope["path"] in QUIET:
        yield chosen
        return
    parent = chosen if chosen == header else ""
    with tracing.span(scope["method"], tracing.SERVER, {"http.request.method": scope["method"]}, parent) as span:
        yield tracing.current() or chosen
        span.update_name(f"{scope['method']} {template(scope)}")
        span.set_attribute("http.route", template(scope))


def count(scope: Scope, status: int | None, took_s: float) -> None:
    """Count a request once its reply is out; no status means that the client left before there was one."""
    if scope["path"] in QUIET:
        return
    metrics.REQUESTS.labels(scope["method"], template(scope), str(status or "gone")).inc()
    metrics.REQUEST_SECONDS.labels(template(scope)).observe(took_s)


def template(scope: Scope) -> str:
    """The route that took a request: its path with the variables' names, or `none`. Few values, whoever asks."""
    if "endpoint" not in scope:
        return "none"
    parts = scope["path"].split("/")
    for name, value in scope.get("path_params", {}).items():
        if value in parts[2:]:
            parts[parts.index(value, 2)] = f"{{{name}}}"
    return "/".join(parts)
