"""The turnstile: how much a project and a key may ask for. One question to Redis, and none where there is no limit.

While Redis is away everybody comes in: the ledger counts all the same, and what was used counts when Redis is back.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import structlog

from agent.errors import Transient
from agent.metering import Counters, LimitName, Meter, Room, Scope, Verdict
from api.access import Caller
from api.errors import ApiError
from api.patience import Sleep, leave, settle, within

T = TypeVar("T")
log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

COUNTERS_S = 1.0
"""So long Redis is waited for; a request that comes while it is known to be away does not wait at all."""
AWAY_S = 1.0
MOST_PLACES = 10_000
EVERY_S = 1.0
"""How often counters are filled from the ledger while runs are under way."""

WORDS: Mapping[LimitName, str] = {
    "requests_per_min": "begins {limit} runs a minute",
    "tokens_per_min": "uses {limit} tokens a minute",
    "concurrent_runs": "has {limit} runs under way",
    "usd_per_day": "spends ${limit} a day",
}


class Turnstile:
    """Lets requests in as far as the limits of their project and their key go."""

    def __init__(
        self,
        counters: Counters,
        meter: Meter,
        timeout_s: float,
        sleep: Sleep = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._counters = counters
        self._meter = meter
        self._timeout_s = timeout_s
        self._sleep = sleep
        self._clock = clock
        self._active: dict[str, dict[str | None, Scope]] = {}
        self._places: dict[str, Sequence[Scope]] = {}
        self._away_until = 0.0
        self._leaving: set[asyncio.Task[None]] = set()

    async def enter(self, caller: Caller, run: str) -> Mapping[str, str]:
        """What to tell the client about its limits, once the request that wants to open `run` is let in.

        Raises `ApiError` 429.
        """
        scopes = scopes_of(caller)
        if not scopes or self._clock() < self._away_until:
            return {}
        try:
            verdict = await self._verdict(run, scopes)
        except Transient as error:
            log.warning("limits_not_enforced", error=str(error))
            self._away_until = self._clock() + AWAY_S
            return {}
        if verdict.refused is not None:
            raise too_many(scopes[verdict.by], verdict.refused, verdict.wait_s, headers_of(scopes, verdict.rooms))
        self._follow(run, scopes)
        return headers_of(scopes, verdict.rooms)

    def ended(self, run: str) -> None:
        """The run has ended: its place is free. Told in the background, and the ledger knows it too."""
        if (scopes := self._places.pop(run, None)) is not None:
            task = asyncio.create_task(self._leave(run, scopes))
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)

    async def _verdict(self, run: str, scopes: Sequence[Scope]) -> Verdict:
        """Counters that know nothing are filled first; places that are taken are looked after in the ledger."""
        verdict = await self._ask(self._counters.enter(run, scopes))
        if verdict.known and verdict.refused != "concurrent_runs":
            return verdict
        try:
            await self._fill(scopes)
        except Transient as error:
            if verdict.known:
                return verdict
            raise Transient(f"the counters cannot be filled: {error}") from error
        return await self._ask(self._counters.enter(run, scopes))

    async def _fill(self, scopes: Sequence[Scope]) -> bool:
        used = await within(self._timeout_s, self._used(scopes[0].project), self._sleep)
        return await self._ask(self._counters.fill(scopes, used))

    async def _used(self, project: str) -> Any:
        return await self._meter.used(project)

    async def _ask(self, question: Coroutine[Any, Any, T]) -> T:
        return await within(COUNTERS_S, question, self._sleep)

    async def _leave(self, run: str, scopes: Sequence[Scope]) -> None:
        try:
            await self._ask(self._counters.leave(run, scopes))
        except Transient as error:
            log.warning("place_not_given_back", run=run, error=str(error))

    def _follow(self, run: str, scopes: Sequence[Scope]) -> None:
        """Have what these runs use counted while they are under way, and their place given back at the end."""
        if any(it.limits.tokens_per_min is not None or it.limits.usd_per_day is not None for it in scopes):
            self._active.setdefault(scopes[0].project, {}).update({scope.key: scope for scope in scopes})
        if any(it.limits.concurrent_runs is not None for it in scopes):
            self._places[run] = scopes
            if len(self._places) > MOST_PLACES:  # nobody may ever come for some of them
                del self._places[next(iter(self._places))]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the counters filled meanwhile."""
        filling = asyncio.create_task(self._keep_filling())
        try:
            yield
        finally:
            await settle([filling])
            leave(self._leaving)

    async def _keep_filling(self) -> None:
        while True:
            await self._sleep(EVERY_S)
            await self.fill_all()

    async def fill_all(self) -> None:
        """Fill the counters of those who had runs under way when they were filled last."""
        for project in list(self._active):
            scopes = self._active.pop(project)
            try:
                going_on = await self._fill(list(scopes.values()))
            except Exception as error:  # the loop must outlive whatever the stores do
                log.warning("usage_not_counted", error=str(error), exc_info=not isinstance(error, Transient))
                going_on = True
            if going_on:
                self._active[project] = {**scopes, **self._active.get(project, {})}


def scopes_of(caller: Caller) -> Sequence[Scope]:
    """The project and the key, as far as they have limits; the project's come first."""
    both = ((None, caller.rules.limits), (caller.key, caller.limits))
    return [Scope(caller.project, key, limits) for key, limits in both if limits]


def too_many(scope: Scope, limit: LimitName, wait_s: int, headers: Mapping[str, str]) -> ApiError:
    """429: what is used up, and when there is more. Money that is spent does not come back by trying again."""
    whose = "this API key" if scope.key else "this project"
    most = getattr(scope.limits, limit)
    message = f"Limit reached: {whose} {WORDS[limit].format(limit=most)} at most; there is room again in {wait_s} s"
    told = {**headers, "retry-after": str(wait_s)}
    if limit == "usd_per_day":
        return ApiError(429, message, code="insufficient_quota", headers={**told, "x-should-retry": "false"})
    return ApiError(429, message, code="rate_limit_exceeded", headers=told)


def headers_of(scopes: Sequence[Scope], rooms: Sequence[Room]) -> dict[str, str]:
    """OpenAI's headers, for whichever of project and key has less room."""
    found: dict[str, str] = {}
    for word, name, used, reset in (
        ("requests", "requests_per_min", "requests", "requests_reset_s"),
        ("tokens", "tokens_per_min", "tokens", "tokens_reset_s"),
    ):
        left = [
            (max(most - getattr(room, used), 0), most, getattr(room, reset))
            for scope, room in zip(scopes, rooms, strict=False)
            if (most := getattr(scope.limits, name)) is not None
        ]
        if left:
            remaining, most, reset_s = min(left)
            found[f"x-ratelimit-limit-{word}"] = str(most)
            found[f"x-ratelimit-remaining-{word}"] = str(remaining)
            found[f"x-ratelimit-reset-{word}"] = f"{reset_s}s"
    return found
