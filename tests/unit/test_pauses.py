"""The watch over pauses, with time held by the test; and the door while the intake is paused."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from agent.pauses import INTAKE, Pause, PauseWatch, of_route
from agent.testing import MemoryLedger, MemoryPauses
from tests.stage import QUESTION, Stage, accepted


class HeldSleep:
    """A sleep that lasts until the test lets it end."""

    def __init__(self) -> None:
        self._naps: asyncio.Queue[None] = asyncio.Queue()
        self._ticks: asyncio.Queue[None] = asyncio.Queue()

    async def __call__(self, seconds: float) -> None:
        self._naps.put_nowait(None)
        await self._ticks.get()

    async def look_again(self) -> None:
        """Let the nap that has begun end, and wait for the next one: a look lies between them."""
        await self._naps.get()
        self._ticks.put_nowait(None)
        await self._naps.get()
        self._naps.put_nowait(None)


async def test_what_was_paused_before_the_process_began_is_known_at_once() -> None:
    pauses = MemoryPauses(MemoryLedger())
    await pauses.pause(of_route("generate"), "", "ann")
    async with PauseWatch(pauses, sleep=HeldSleep()).running() as watch:
        assert watch.route("generate") and not watch.route("retrieve")
        assert set(watch.paused()) == {"route:generate"}


async def test_a_later_pause_and_its_end_are_seen_at_the_next_looks() -> None:
    pauses, sleep = MemoryPauses(MemoryLedger()), HeldSleep()
    async with PauseWatch(pauses, sleep=sleep).running() as watch:
        await pauses.pause(INTAKE, "busy", "ann")
        await sleep.look_again()
        assert watch.paused()[INTAKE].reason == "busy"
        await pauses.resume(INTAKE, "ann")
        await sleep.look_again()
        assert INTAKE not in watch.paused()


async def test_while_the_ledger_is_away_what_was_known_holds() -> None:
    ledger, sleep = MemoryLedger(), HeldSleep()
    pauses = MemoryPauses(ledger)
    await pauses.pause(INTAKE, "", "ann")
    async with PauseWatch(pauses, sleep=sleep).running() as watch:
        ledger.reachable = False
        await sleep.look_again()
        assert INTAKE in watch.paused()
        ledger.reachable = True
        await pauses.resume(INTAKE, "ann")
        await sleep.look_again()
        assert INTAKE not in watch.paused()


async def test_a_watch_survives_what_nobody_foresaw() -> None:
    pauses, sleep = Unforeseen(MemoryLedger()), HeldSleep()
    async with PauseWatch(pauses, sleep=sleep).running() as watch:
        pauses.broken = True
        await sleep.look_again()
        pauses.broken = False
        await pauses.pause(INTAKE, "", "ann")
        await sleep.look_again()
        assert INTAKE in watch.paused()


class Unforeseen(MemoryPauses):
    """Pauses that can raise what they never should."""

    broken = False

    async def pauses(self) -> Sequence[Pause]:
        if self.broken:
            raise ZeroDivisionError
        return await super().pauses()


async def test_a_paused_intake_refuses_new_requests_with_a_reason_and_opens_nothing() -> None:
    stage = Stage(lambda _: accepted())
    pauses = MemoryPauses(stage.ledger)
    await pauses.pause(INTAKE, "the model is being changed", "ann")
    async with PauseWatch(pauses, sleep=HeldSleep()).running() as watch:
        paused = Stage(lambda _: accepted(), paused=watch.paused)
        async with paused.client() as http:
            reply = await http.post("/v1/responses", json=QUESTION)
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "10")
    error = reply.json()["error"]
    assert error["code"] == "intake_paused" and "the model is being changed" in error["message"]
    assert not paused.ledger.runs


async def test_a_request_that_is_wrong_is_told_so_also_while_the_intake_is_paused() -> None:
    pauses = MemoryPauses(MemoryLedger())
    await pauses.pause(INTAKE, "", "ann")
    watch = PauseWatch(pauses)
    await watch.look()
    async with Stage(paused=watch.paused).client() as http:
        assert (await http.post("/v1/responses", json={"input": ""})).status_code == 400


async def test_stored_responses_can_be_read_while_the_intake_is_paused() -> None:
    stage = Stage(lambda _: accepted())
    async with stage.client() as http:
        done = (await http.post("/v1/responses", json=QUESTION)).json()
    pauses = MemoryPauses(stage.ledger)
    await pauses.pause(INTAKE, "", "ann")
    async with PauseWatch(pauses, sleep=HeldSleep()).running() as watch:
        paused = Stage(paused=watch.paused, shelf=stage.ledger)
        async with paused.client() as http:
            assert (await http.get(f"/v1/responses/{done['id']}")).json() == done
