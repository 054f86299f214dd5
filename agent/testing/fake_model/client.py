"""A running fake model as a test sees it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Any

import httpx

from agent.testing.fake_model.completion import dumps
from agent.testing.fake_model.script import Script
from agent.testing.fake_model.trace import Trace

NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Trusts nobody. A fake model speaks no TLS, and reading all authorities takes longer than asking it."""


@dataclass(frozen=True, slots=True)
class FakeModel:
    """Where a fake model is, and its log and script over HTTP: it may run anywhere."""

    url: str
    port: int

    @classmethod
    def at(cls, port: int) -> FakeModel:
        """The one on this machine's `port`."""
        return cls(f"http://127.0.0.1:{port}", port)

    @property
    def base_url(self) -> str:
        """What an OpenAI client takes as its base URL, and Cuelight as `CUELIGHT_MODEL_BASE_URL`."""
        return f"{self.url}/v1"

    async def log(self, run: str | None = None) -> list[dict[str, Any]]:
        """Every call so far, oldest first, or those of one run."""
        found: list[dict[str, Any]] = await self._ask("GET", "/log", params={"run": run} if run else {})
        return found

    async def counts(self) -> dict[str, int]:
        """How many `calls`, `unscripted` ones and `billed` ones there were."""
        found: dict[str, int] = await self._ask("GET", "/log/count")
        return found

    async def clear(self) -> None:
        """Forget the log; calls and attempts count from 1 again."""
        await self._ask("DELETE", "/log")

    async def play(self, script: Script) -> None:
        """Replace the script; attempts go on counting."""
        await self._ask("PUT", "/script", content=dumps(script.plain()))

    async def follow(self, trace: Trace) -> None:
        """Replace script or trace by this trace; attempts go on counting."""
        await self._ask("PUT", "/trace", content=trace.dumped())

    async def followed(self) -> dict[str, Any]:
        """How far the trace was followed: `served`, `off_trace`, `unserved`."""
        found: dict[str, Any] = await self._ask("GET", "/trace")
        return found

    async def _ask(self, method: str, path: str, **options: Any) -> Any:
        async with httpx.AsyncClient(base_url=self.url, trust_env=False, verify=NOBODY) as client:
            answer = await client.request(method, path, **options)
        return answer.raise_for_status().json()
