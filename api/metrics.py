"""`/metrics`: counters for Prometheus."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from agent.telemetry import metrics


async def page(request: Request) -> Response:
    """GET /metrics: the figures of this process, or of all on this machine that share them."""
    return Response(metrics.page(), media_type=metrics.CONTENT_TYPE)
