"""Clients of every sort, at a rate, whatever happens: what each of them sent and saw is written down."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from tests.chaos.client import Reply, exchange
from tests.chaos.stage import Stage

RETRIED = frozenset({408, 409, 429})
MOST_TRIES = 40
PATIENCE_S = 120.0
"""From its first request on, a client that tries again gives up after so long: twice a run's deadline."""
SORTS = {"plain": 40, "keyed": 15, "openai": 15, "hangup": 12, "poll": 8, "cancel": 8, "conflict": 2}
WITHOUT = {"keyed": "keys", "openai": "keys", "conflict": "keys", "cancel": "cancel"}
"""What a release must be able to do for a sort of client; else there is a plain one in its place."""
MOODS = {"": 78, "[reject-once]": 8, "[reject-always]": 3, "[slow]": 8, "[long]": 3}


@dataclass
class Ask:
    """One client with one question."""

    stage: Stage
    marker: str
    sort: str
    dice: random.Random
    store: bool = True
    key: str | None = None
    body: bytes = b""
    began: float = field(default_factory=time.time)

    async def send(self, door: int, how: str = "create", **options: Any) -> Reply:
        """POST the question once."""
        headers = {**options.pop("headers", {}), **({"idempotency-key": self.key} if self.key else {})}
        body = options.pop("body", self.body)
        return self.note(how, door, await self._exchange(door, "POST", "/v1/responses", headers, body, **options))

    async def get(self, door: int, run: str, how: str = "get") -> Reply:
        return self.note(how, door, await self._exchange(door, "GET", f"/v1/responses/{run}", {}, b""))

    async def cancel(self, door: int, run: str) -> Reply:
        reply = await self._exchange(door, "POST", f"/v1/responses/{run}/cancel", {}, b"", timeout_s=20.0)
        return self.note("cancel", door, reply)

    async def _exchange(
        self, door: int, method: str, path: str, headers: dict[str, str], body: bytes, **options: Any
    ) -> Reply:
        port = self.stage.ports[door % len(self.stage.ports)]
        return await exchange(port, method, path, headers=headers, body=body, **options)

    def note(self, how: str, door: int, reply: Reply) -> Reply:
        self.stage.notes.note(
            "replies",
            marker=self.marker,
            how=how,
            door=door % len(self.stage.ports),
            began=reply.began,
            ended=reply.ended,
            status=reply.status,
            whole=reply.whole,
            headers=reply.headers,
            body=reply.body if reply.status is not None else reply.raw.decode("latin-1"),
            error=reply.error,
        )
        return reply


async def plain(ask: Ask) -> None:
    """Asks once; sometimes it reads its answer again at the other door."""
    door = ask.dice.randrange(2)
    reply = await ask.send(door)
    if reply.response and ask.store and ask.dice.random() < 0.2:
        await ask.get(door + 1, reply.response["id"])


async def keyed(ask: Ask) -> None:
    """Tries again at the other door, with its key, until it has a reply."""
    for n in range(MOST_TRIES):
        reply = await ask.send(ask.dice.randrange(2) if n == 0 else n)
        if reply.response or (reply.whole and not _again(reply)) or time.time() - ask.began > PATIENCE_S:
            return
        await asyncio.sleep(_pause_s(ask, reply, n))


async def openai(ask: Ask) -> None:
    """Tries again as OpenAI's client does, without a key; its limit of two is lifted, since everything fails here."""
    for n in range(MOST_TRIES):
        reply = await ask.send(n, headers={"x-stainless-retry-count": str(n)})
        if reply.response or (reply.whole and not _again(reply)) or time.time() - ask.began > PATIENCE_S:
            return
        await asyncio.sleep(_pause_s(ask, reply, n))


def _again(reply: Reply) -> bool:
    wish = reply.headers.get("x-should-retry")
    if wish is not None:
        return wish == "true"
    return reply.status in RETRIED or (reply.status or 500) >= 500


def _pause_s(ask: Ask, reply: Reply, n: int) -> float:
    with suppress(ValueError):
        return min(float(reply.headers.get("retry-after", "")), 5.0)
    return float(min(0.5 * 2**n, 4.0) * (1 - 0.25 * ask.dice.random()))


async def hangup(ask: Ask) -> None:
    """Hangs up in the middle; one with a key comes back for its answer."""
    door = ask.dice.randrange(2)
    await ask.send(door, how="hangup", hang_up_after_s=ask.dice.uniform(0.02, 1.5))
    if ask.key:
        await asyncio.sleep(ask.dice.uniform(0.0, 2.0))
        await keyed(ask)


async def poll(ask: Ask) -> None:
    """While it waits, somebody who knows the id reads at both doors."""
    door = ask.dice.randrange(2)
    waiting = asyncio.ensure_future(ask.send(door))
    run = await find_run(ask)
    while run and not waiting.done():
        await asyncio.wait((waiting,), timeout=0.4)
        door += 1
        await ask.get(door, run)
    await waiting


async def cancel(ask: Ask) -> None:
    """Somebody who knows the id cancels it while it runs, or just after."""
    door = ask.dice.randrange(2)
    waiting = asyncio.ensure_future(ask.send(door))
    await asyncio.sleep(ask.dice.uniform(0.0, 2.0))
    if run := await find_run(ask):
        await ask.cancel(door + 1, run)
        await ask.get(door + 1, run)
    await waiting


async def conflict(ask: Ask) -> None:
    """The same key with another question: that is refused, and the first one stays as it is."""
    door = ask.dice.randrange(2)
    first = await ask.send(door)
    if first.response:
        other = json.loads(ask.body) | {"input": f"{ask.marker} and now for something else"}
        await ask.send(door + 1, how="conflict", body=json.dumps(other).encode())


CLIENTS: dict[str, Callable[[Ask], Awaitable[None]]] = {
    "plain": plain,
    "keyed": keyed,
    "openai": openai,
    "hangup": hangup,
    "poll": poll,
    "cancel": cancel,
    "conflict": conflict,
}

FIND = """select id from runs where project_id = 'default' and created_at > now() - interval '3 minutes'
    and strpos(request, $1) > 0 limit 1"""


async def find_run(ask: Ask) -> str | None:
    """The id of a client's run, as the ledger has it; None if it has none within a few seconds."""
    for _ in range(15):
        with suppress(Exception):  # a server that dies has many ways to say so, and another look is all that helps
            async with asyncio.timeout(3):
                connection = await asyncpg.connect(ask.stage.ledger.url)
                try:
                    if found := await connection.fetchval(FIND, ask.marker):
                        return str(found)
                finally:
                    connection.terminate()
        await asyncio.sleep(0.2)
    return None


def draw(stage: Stage, seed: int, number: int) -> Ask:
    """The client of that number: the same for the same seed and the same features."""
    dice = random.Random(f"ask {seed} {number}")
    sort = dice.choices(list(SORTS), list(SORTS.values()))[0]
    if WITHOUT.get(sort, "keys") not in stage.can and sort in WITHOUT:
        sort = "plain"
    ask = Ask(stage, f"ask-{seed}-{number}-end", sort, dice)
    ask.store = dice.random() > (0.3 if sort == "hangup" else 0.05)
    keyed_one = sort in ("keyed", "conflict") or (sort == "hangup" and ask.store and dice.random() < 0.5)
    ask.key = f"key-{ask.marker}" if keyed_one and "keys" in stage.can else None
    moods = {**MOODS, "[slow]": 40, "[long]": 20} if sort in ("cancel", "hangup") else MOODS
    mood = dice.choices(list(moods), list(moods.values()))[0]
    body = {
        "model": dice.choice(["talk", "talk", "cited"]),
        "input": f"{ask.marker} {mood} How long is the warranty of the lamp?",
        "metadata": {"chaos": ask.marker},
        "store": ask.store,
    }
    ask.body = json.dumps(body).encode()
    return ask


async def run(stage: Stage, seed: int, rate: float, seconds: float) -> int:
    """Send clients at `rate` a second for so long, and wait until the last one has gone. How many there were."""
    began, number = time.monotonic(), 0
    dice = random.Random(f"arrivals {seed}")
    at = began
    async with asyncio.TaskGroup() as clients:
        while (at := at + dice.expovariate(rate)) < began + seconds:
            await asyncio.sleep(max(0.0, at - time.monotonic()))
            ask = draw(stage, seed, number)
            number += 1
            said = {"marker": ask.marker, "sort": ask.sort, "key": ask.key, "store": ask.store, "began": ask.began}
            stage.notes.note("asks", **said)
            clients.create_task(_be(ask))
    return number


async def _be(ask: Ask) -> None:
    try:
        await CLIENTS[ask.sort](ask)
    except Exception as error:  # a mistake of the machine's must not end the run, and must not be overlooked
        ask.stage.notes.note("troubles", marker=ask.marker, sort=ask.sort, error=f"{type(error).__name__}: {error}")
