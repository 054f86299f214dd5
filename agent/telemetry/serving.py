"""`/metrics` of a process that has no HTTP door of its own."""

from __future__ import annotations

from prometheus_client import REGISTRY, CollectorRegistry, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector

from agent.errors import Misconfigured
from agent.telemetry.metrics import shared


def serve(host: str, port: int) -> None:
    """Answer `/metrics` on a thread until the process ends; nothing if `port` is 0.

    Raises `Misconfigured` if nothing can listen there.
    """
    if port == 0:
        return
    registry = REGISTRY
    if shared():
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # it registers itself
    try:
        start_http_server(port, host, registry)
    except OSError as error:
        raise Misconfigured(
            f"metrics cannot be served on {host}:{port}: {error.strerror}; set CUELIGHT_METRICS_PORT to a free port"
        ) from error
