"""Pacing on Redis, by the server's clock. See `agent.pacing.Pacer`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from decimal import ROUND_CEILING, Decimal
from typing import Any

from redis.asyncio import Redis

from agent.adapters.streams import pacing_scripts as scripts
from agent.adapters.streams.client import AWAY, SharedPipeline, away
from agent.adapters.streams.keys import Keys
from agent.failures import FAILING, INVALID, Breaker, follows
from agent.pacing import LEASE_S, PATIENCE_S, PROBE_S, SHORT_S, Allowance, Came, Hold, Target, Turn, Wanted

MICRO = 1_000_000
LEAST_PAUSE_S = 0.1
"""An endpoint that names no time worth the name is left alone for a moment all the same."""


Spent = Callable[[Target], Awaitable[Decimal]]


async def nothing_spent(target: Target) -> Decimal:
    """Where no ledger is at hand."""
    return Decimal(0)


class RedisPacer:
    """See `agent.pacing.Pacer`."""

    def __init__(self, client: Redis, keys: Keys, spent: Spent = nothing_spent) -> None:
        """`spent` is asked what a model has cost today where the server does not know."""
        self._spent = spent
        self._looks: dict[Target, asyncio.Future[Decimal]] = {}
        self._client = client
        self._keys = keys
        self._pipeline = SharedPipeline(client)

    async def reserve(self, wanted: Wanted, /) -> Turn | Hold:
        times = [_ms(it) for it in (LEASE_S, PATIENCE_S, PROBE_S, SHORT_S)]
        asked = (wanted.call, wanted.tokens, _micros(wanted.usd) or 0, *_limits(wanted.allowance), *times)
        said = await self._do(scripts.RESERVE, wanted.target, wanted.agent, *asked, "")
        if said[0] == "unknown":
            known = _micros(await self._spent_today(wanted.target))
            said = await self._do(scripts.RESERVE, wanted.target, wanted.agent, *asked, known)
        if said[0] == "turn":
            return Turn(wanted, int(said[1]), int(said[2]))
        kind, held_ms, wait_ms, of_agent, probing = str(said[1]), *map(int, said[2:])
        agent = wanted.agent if of_agent else ""
        wait_s = None if wait_ms < 0 else wait_ms / 1000
        return Hold(wanted.target, kind, held_ms / 1000, agent, bool(probing), wait_s=wait_s)

    async def settle(self, turn: Turn, came: Came, /) -> None:
        wanted, then = turn.wanted, follows(came.kind)
        pause = max(came.wait_s, LEAST_PAUSE_S) if then.pauses and came.wait_s is not None else None
        tokens, usd = (0, Decimal(0)) if came.kind == "unmade" else (came.tokens, came.usd)
        await self._do(
            scripts.SETTLE,
            wanted.target,
            wanted.agent,
            *(wanted.call, turn.second, came.kind, turn.probes),
            *(wanted.tokens, _or_empty(tokens), _micros(wanted.usd) or 0, _or_empty(_micros(usd))),
            *(_or_empty(pause and _ms(pause)), _or_empty(_ms(then.opens_for_s) or None)),
            *(_figures(then.breaker) if then.breaker else [""] * 5),
            _ms(FAILING.window_s / 3),
        )

    async def judge(self, target: Target, agent: str, valid: bool, /) -> None:
        await self._do(scripts.JUDGE, target, agent, int(valid), *_figures(INVALID))

    async def renew(self, turns: Sequence[Turn], /) -> None:
        limited = [it.wanted for it in turns if it.wanted.allowance.concurrency is not None]
        await asyncio.gather(*(self._renew(wanted) for wanted in limited))

    async def holds(self, targets: Sequence[Target], /) -> Sequence[Hold]:
        held = await asyncio.gather(*map(self._held, targets))
        places = [(target, agent) for target, agents in zip(targets, held, strict=True) for agent in ("", *agents)]
        looks = (self._pipeline.do("EVAL", scripts.LOOK, 1, self._key(*place)) for place in places)
        found = await asyncio.gather(*looks)
        return [_hold(*place, said) for place, said in zip(places, found, strict=True) if said]

    async def resume(self, target: Target, /) -> bool:
        agents = await self._held(target)
        found = await asyncio.gather(*(self._do(scripts.RESUME, target, agent) for agent in agents or ("",)))
        return any(found)

    async def heard(self) -> AsyncIterator[Hold]:
        listening = self._client.pubsub(ignore_subscribe_messages=True)
        try:
            await listening.subscribe(self._keys.holds)
            while True:
                message = await listening.get_message(timeout=1.0)
                if message is not None and (hold := _read(message.get("data"))) is not None:
                    yield hold
        except AWAY as error:
            raise away(error) from error
        finally:
            await listening.aclose()  # type: ignore[no-untyped-call]  # redis has no type for it

    async def _held(self, target: Target) -> Sequence[str]:
        """The agents for which this model may be on hold."""
        return sorted(map(str, await self._pipeline.do("EVAL", scripts.HELD, 1, self._key(target))))

    async def _spent_today(self, target: Target) -> Decimal:
        """One look for all who want to know; it goes on when they have lost their patience."""
        if target not in self._looks:
            self._looks[target] = asyncio.ensure_future(self._spent(target))
        look = self._looks[target]
        try:
            return await asyncio.shield(look)
        finally:
            if look.done():
                self._looks.pop(target, None)

    async def _renew(self, wanted: Wanted) -> None:
        await self._pipeline.do(
            "EVAL", scripts.RENEW, 1, self._keys.under_way(wanted.target), wanted.call, _ms(LEASE_S)
        )

    async def _do(self, script: str, target: Target, agent: str, *values: Any) -> Any:
        keys = (self._key(target), self._keys.under_way(target), self._key(target, agent or "-"))
        who = (self._keys.holds, target.endpoint, target.model, agent)
        return await self._pipeline.do("EVAL", script, len(keys), *keys, *who, *values)

    def _key(self, target: Target, agent: str = "") -> str:
        return self._keys.pace(target, agent)


def _hold(target: Target, agent: str, said: Any) -> Hold:
    kind, left_ms, probing, opened = str(said[0]), *map(int, said[1:])
    return Hold(target, kind, left_ms / 1000, agent, bool(probing), opened)


def _read(data: Any) -> Hold | None:
    """A hold as it was told; None for what somebody else says on the channel."""
    try:
        said = json.loads(data)
        target = Target(str(said["endpoint"]), str(said["model"]))
        return Hold(target, str(said["kind"]), float(said["left_ms"]) / 1000, str(said["agent"]), bool(said["probing"]))
    except (KeyError, TypeError, ValueError):
        return None


def _limits(allowance: Allowance) -> tuple[Any, ...]:
    found = (allowance.requests_per_min, allowance.tokens_per_min, allowance.concurrency)
    return tuple(map(_or_empty, (*found, _micros(allowance.usd_per_day))))


def _figures(breaker: Breaker) -> list[Any]:
    times = map(_ms, (breaker.window_s, breaker.first_s, breaker.most_s))
    return [breaker.failures, breaker.share, *times]


def _micros(usd: Decimal | None) -> int | None:
    """Rounded up: many small amounts must not add up to nothing."""
    return None if usd is None else int((usd * MICRO).to_integral_value(ROUND_CEILING))


def _ms(seconds: float) -> int:
    return int(seconds * 1000)


def _or_empty(value: Any) -> Any:
    return "" if value is None else value
