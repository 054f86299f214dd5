"""`/healthz`: this process lives. `/readyz`: it can also do its work."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from starlette.requests import Request
from starlette.responses import Response

from api.door import Door
from api.errors import json_reply, unavailable

log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

PING_S = 2.0


class Health:
    """The calls of load balancers and supervisors."""

    def __init__(self, door: Door) -> None:
        self._offline = door.offline
        self._pings = {"ledger": door.shelf.ping, "doorbell": door.doorbell.ping}

    async def live(self, request: Request) -> Response:
        """GET /healthz: asks nobody, so that a lost database does not get healthy processes restarted."""
        return json_reply({"status": "ok"})

    async def ready(self, request: Request) -> Response:
        """GET /readyz: 503 naming whichever of ledger and doorbell does not answer within `PING_S` seconds."""
        answers = await asyncio.gather(*(_answers(name, ping) for name, ping in self._pings.items()))
        checks = {name: "ok" if answer else "unavailable" for name, answer in zip(self._pings, answers, strict=True)}
        if all(answers):
            return json_reply({"status": "ok", "checks": checks, "offline": self._offline})
        missing = ", ".join(name for name, state in checks.items() if state != "ok")
        error = unavailable(f"Not ready: no answer from {missing}")
        return json_reply({**error.body(), "status": "unavailable", "checks": checks}, error.status, error.headers)


async def _answers(name: str, ping: Callable[[], Awaitable[None]]) -> bool:
    try:
        async with asyncio.timeout(PING_S):
            await ping()
    except Exception as error:  # whatever it is, it is not readiness
        log.warning("not_ready", part=name, error=str(error) or type(error).__name__)
        return False
    return True
