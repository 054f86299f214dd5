"""A delivery whose run ended or went on elsewhere is broken off while it waits for the world."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from agent.effects import Ask
from agent.errors import Gone
from agent.events import AnswerAccepted, Event, RequestReceived
from agent.outcome import Outcome, Postpone
from agent.ports import Begun
from agent.run import Run
from agent.testing import MemoryCancels, MemoryLedger
from tests.unit.test_decide import attempt_at, decider_of
from workers.decide import GONE, Decider


class Step:
    """Waits until it is let go."""

    def __init__(self) -> None:
        self.begun, self.go_on = asyncio.Event(), asyncio.Event()

    async def __call__(self, event: RequestReceived, run: Run, ask: Ask, /) -> Sequence[Event]:
        self.begun.set()
        await self.go_on.wait()
        return [AnswerAccepted(text="42")]


async def under_way(ledger: MemoryLedger) -> tuple[Decider, Begun, Step, asyncio.Task[Outcome]]:
    step = Step()
    decider, begun = decider_of(step, ledger), await attempt_at(ledger)
    deciding = asyncio.create_task(decider(begun))
    await step.begun.wait()
    return decider, begun, step, deciding


async def test_what_is_under_way_when_its_run_is_cancelled_is_broken_off_by_the_second_look() -> None:
    ledger = MemoryLedger()
    decider, begun, _, deciding = await under_way(ledger)
    await MemoryCancels(ledger).cancel(begun.pointer.run, None, "client")
    await decider.watch.look(ledger)
    assert not deciding.done(), "most deliveries are over by the first"
    await decider.watch.look(ledger)
    assert await deciding == GONE
    assert not await ledger.commit(begun, GONE), "and nothing comes of it"


async def test_what_still_stands_goes_on_also_while_the_ledger_is_away() -> None:
    ledger = MemoryLedger()
    decider, _, step, deciding = await under_way(ledger)
    for reachable in (True, True, False):
        ledger.reachable = reachable
        await decider.watch.look(ledger)
    step.go_on.set()
    assert not isinstance(await deciding, Postpone)


async def test_a_step_that_is_slow_to_let_go_can_be_looked_at_again() -> None:
    ledger, leaving = MemoryLedger(), asyncio.Event()

    class Slow(Step):
        async def __call__(self, event: RequestReceived, run: Run, ask: Ask, /) -> Sequence[Event]:
            try:
                return await Step.__call__(self, event, run, ask)
            finally:
                leaving.set()
                await self.go_on.wait()

    step = Slow()
    decider, begun = decider_of(step, ledger), await attempt_at(ledger)
    deciding = asyncio.create_task(decider(begun))
    await step.begun.wait()
    await MemoryCancels(ledger).cancel(begun.pointer.run, None, "client")
    await decider.watch.look(ledger)
    await decider.watch.look(ledger)
    await leaving.wait()
    await decider.watch.look(ledger)
    step.go_on.set()
    assert await deciding == GONE


async def test_the_watch_looks_until_it_is_told_to_stop() -> None:
    ledger, stop = MemoryLedger(), asyncio.Event()
    decider, begun, _, deciding = await under_way(ledger)
    decider.watch._every_s = 0.0
    watching = asyncio.create_task(decider.watch.run(ledger, stop))
    await MemoryCancels(ledger).cancel(begun.pointer.run, None, "client")
    assert await deciding == GONE
    stop.set()
    await watching


async def test_a_refused_call_ends_the_delivery_without_a_trace() -> None:
    async def step(event: RequestReceived, run: Run, ask: Ask, /) -> Sequence[Event]:
        raise Gone("it has ended")

    ledger = MemoryLedger()
    assert await decider_of(step, ledger)(await attempt_at(ledger)) == GONE
