"""`/healthz`: this process lives. `/readyz`: it can also do its work."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog
from starlette.requests import Request
from starlette.responses import Response

from agent.inspection import Stall
from api.door import Door
from api.errors import json_reply, unavailable

log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

PING_S = 2.0


class Health:
    """The calls of load balancers and supervisors."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._pings = {"ledger": door.shelf.ping, "doorbell": door.doorbell.ping}

    async def live(self, request: Request) -> Response:
        """GET /healthz: asks nobody, so that a lost database does not get healthy processes restarted."""
        return json_reply({"status": "ok"})

    async def ready(self, request: Request) -> Response:
        """GET /readyz: 503 naming whichever of ledger and doorbell does not answer within `PING_S` seconds, or the
        route where work waits and nobody takes any. A route that an operator has paused is not held against it."""
        pinging = asyncio.gather(*(_answers(name, ping) for name, ping in self._pings.items()))
        stalls, answers = await self._stalls(), await pinging
        checks = {name: "ok" if answer else "unavailable" for name, answer in zip(self._pings, answers, strict=True)}
        checks["work"] = "unknown" if stalls is None else "stalled" if stalls else "ok"
        told = {"checks": checks, "paused": sorted(self._door.paused())}
        if all(answers) and not stalls:
            return json_reply({"status": "ok", **told, "offline": self._door.offline})
        error = unavailable(f"Not ready: {_why(checks, stalls or ())}")
        return json_reply({**error.body(), "status": "unavailable", **told}, error.status, error.headers)

    async def _stalls(self) -> Sequence[Stall] | None:
        """None if that cannot be found out; then the ledger's own check says more."""
        try:
            async with asyncio.timeout(PING_S):
                return await self._door.stalled()
        except Exception as error:
            log.warning("not_ready", part="work", error=str(error) or type(error).__name__)
            return None


def _why(checks: Mapping[str, str], stalls: Sequence[Stall]) -> str:
    missing = ", ".join(name for name, state in checks.items() if state == "unavailable")
    if missing:
        return f"no answer from {missing}"
    waits = (f"at {it.route} for {it.oldest_s:.0f} s ({it.count} waiting)" for it in stalls)
    return f"no worker takes work {', '.join(waits)}"


async def _answers(name: str, ping: Callable[[], Awaitable[None]]) -> bool:
    try:
        async with asyncio.timeout(PING_S):
            await ping()
    except Exception as error:  # whatever it is, it is not readiness
        log.warning("not_ready", part=name, error=str(error) or type(error).__name__)
        return False
    return True
