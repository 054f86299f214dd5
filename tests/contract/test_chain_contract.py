"""Every event delivered twice and in random order ends every run as once and in order does."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from agent.errors import Transient
from agent.outcome import Outcome
from agent.ports import Begun, Delivery, NewRun, Unreadable
from tests.contract.backends import MemoryStore, MemoryTransport, Store, Transport
from tests.contract.toys import ROUTES, decide, new_run, opened
from workers.handle import handle

RUNS = [new_run(f"resp_{n:02}", start=n) for n in range(20)]

Endings = dict[str, tuple[str, str | None]]


async def open_all(store: Store) -> None:
    await asyncio.gather(*(store.ledger.open(new) for new in RUNS))


async def publish_due(store: Store, transport: Transport, times: int = 1) -> int:
    """What a relay does with work that is due; how many runs that were."""
    due = await store.due()
    for pointer in due:
        for _ in range(times):
            await transport.streams.publish(pointer)
    return len(due)


async def read_all(transport: Transport) -> list[Delivery]:
    found = [delivery for route in ROUTES for delivery in await transport.read(route, 1_000)]
    assert not [delivery for delivery in found if isinstance(delivery, Unreadable)]
    return [delivery for delivery in found if isinstance(delivery, Delivery)]


async def drive(
    store: Store, transport: Transport, deliver: Callable[[list[Delivery]], Awaitable[None]], times: int
) -> Endings:
    """Take all runs to their endings, `times` entries for everything that is due."""
    await open_all(store)
    while len(await store.ledger.ended([new.id for new in RUNS])) < len(RUNS):
        if not await publish_due(store, transport, times):
            await store.advance(300)
        while batch := await read_all(transport):
            await deliver(batch)
    return {new.id: await ending(store, new) for new in RUNS}


async def ending(store: Store, new: NewRun) -> tuple[str, str | None]:
    view = await store.ledger.view(new.id, new.project)
    assert view is not None
    return view.status, view.ending.data if view.ending else None


async def once_in_order(store: Store, transport: Transport) -> Endings:
    async def deliver(batch: list[Delivery]) -> None:
        for delivery in batch:
            await handle(delivery, decide=decide, ledger=store.ledger, streams=transport.streams)

    return await drive(store, transport, deliver, times=1)


async def twice_in_disorder(store: Store, transport: Transport, seed: int) -> Endings:
    dice, past = random.Random(seed), list[Delivery]()

    async def deliver(batch: list[Delivery]) -> None:
        past.extend(batch)
        shuffled = [*batch, *batch, *dice.sample(past, len(past) // 2)]
        dice.shuffle(shuffled)
        size = dice.randint(1, 8)
        for start in range(0, len(shuffled), size):
            together = shuffled[start : start + size]
            await asyncio.gather(
                *(handle(one, decide=decide, ledger=store.ledger, streams=transport.streams) for one in together)
            )

    return await drive(store, transport, deliver, times=2)


@pytest.fixture(scope="module")
def expected() -> Endings:
    """The toy's endings, worked out on the twin, once and in order."""
    return asyncio.run(once_in_order(MemoryStore(), MemoryTransport()))


async def test_once_and_in_order_gives_the_same_endings_everywhere(
    store: Store, transport: Transport, expected: Endings
) -> None:
    assert await once_in_order(store, transport) == expected
    assert {status for status, _ in expected.values()} == {"completed"}
    assert len({data for _, data in expected.values()}) == len(RUNS)


@pytest.mark.parametrize("seed", [1, 2])
async def test_every_event_twice_and_in_random_order_gives_the_same_endings(
    store: Store, transport: Transport, expected: Endings, seed: int
) -> None:
    assert await twice_in_disorder(store, transport, seed) == expected
    for new in RUNS:
        events = await store.events(new.id)
        assert [event.key.seq for event in events] == list(range(1, len(events) + 1))
        assert sum(event.sealed.type == "toy.finished" for event in events) == 1
        won = [row.key for row in await store.attempts(new.id) if row.settled and row.outcome == "advance"]
        assert len(won) == len(set(won)) == 4, "each of the four steps was settled exactly once"
    assert await store.dead_letters() == []
    assert await store.due() == []
    assert [await transport.entries(route) for route in ROUTES] == [{}] * 4


async def test_an_entry_stays_pending_until_its_outcome_is_in_the_ledger(
    store: Store, transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(begun: Begun, outcome: Outcome, /) -> bool:
        raise Transient("away", kind="ledger")

    pointer = await opened(store, RUNS[0])
    await transport.streams.publish(pointer)
    (delivery,) = await read_all(transport)
    with monkeypatch.context() as patched:
        patched.setattr(store.ledger, "commit", away)
        with pytest.raises(Transient):
            await handle(delivery, decide=decide, ledger=store.ledger, streams=transport.streams)
    assert await transport.pending(pointer.route) == [delivery.entry]
    await handle(delivery, decide=decide, ledger=store.ledger, streams=transport.streams)
    assert await transport.pending(pointer.route) == []


class LettingGo:
    """The streams of a worker; another one lets go of its lease as soon as it was refused."""

    def __init__(self, streams: Any, other: Delivery) -> None:
        self._streams, self._other = streams, other

    def __getattr__(self, name: str) -> Any:
        return getattr(self._streams, name)

    async def take(self, delivery: Delivery, /) -> bool:
        taken: bool = await self._streams.take(delivery)
        if not taken:
            await self._streams.ack(self._other)
        return taken


async def test_work_that_somebody_took_with_an_entry_that_does_not_count_is_begun_at_once_and_not_after_a_lease(
    store: Store, transport: Transport
) -> None:
    pointer = await opened(store, RUNS[0])
    for _ in range(2):
        await transport.streams.publish(pointer)
    second, counts = await read_all(transport)
    assert await store.ledger.begin(counts) is not None
    other = replace(second, worker="other")
    assert await transport.streams.take(other)
    streams: Any = LettingGo(transport.streams, other)
    await handle(counts, decide=decide, ledger=store.ledger, streams=streams)
    assert len(await store.events(pointer.run)) > 1
    assert counts.entry not in await transport.pending(pointer.route)
