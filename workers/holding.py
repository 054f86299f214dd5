"""The streams as a delivery sees them: what is taken is kept by the heartbeat until it is let go."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from agent.ports import Begun, Delivery, Heartbeat, Pointer, Streams, Unreadable
from workers.turns import Turns

SUSPECT_FROM = 3
"""From this time on that work is begun, it is a suspect."""

log = structlog.get_logger(__name__)


async def _as_hinted(delivery: Delivery) -> int:
    return delivery.times - 1


class Holding:
    """See `Streams`. A lease and its heartbeat begin and end together.

    Work that has been with several dead workers may have killed them, or may only have been beside what did. It is
    taken, and then begun one at a time: what kills its worker alone is counted alone. Each suspect that ends well
    makes room for one more at once, or sixty long calls of one dead worker would outlast their deadlines in a queue;
    a worker that dies of one begins anew with one, and by then the older ones, which were in front of it, are done.
    What is begun for the last time is alone whatever ended well before: nobody is set aside for a neighbour's deed.
    The transport only hints at how often work was begun: it also counts what nobody could begin because the ledger was
    away. So `begun` is asked how often it was begun before. `most` is how often anything is begun at all.
    """

    def __init__(
        self,
        streams: Streams,
        heartbeat: Heartbeat,
        most: int = 8,
        begun: Callable[[Delivery], Awaitable[int]] = _as_hinted,
    ) -> None:
        self._begun = begun
        self._streams = streams
        self._heartbeat = heartbeat
        self._most = most
        self._suspect_from = min(most, SUSPECT_FROM)
        self._turns = Turns()
        self._suspects: set[Delivery] = set()
        self._decided: set[Delivery] = set()
        self._ended_well: set[Delivery] = set()

    async def publish(self, pointer: Pointer, /) -> str:
        return await self._streams.publish(pointer)

    async def ended(self, run: str, /) -> None:
        await self._streams.ended(run)

    async def take(self, delivery: Delivery, /) -> bool:
        if not await self._streams.take(delivery):
            return False
        self._heartbeat.hold(delivery)
        if delivery.times >= self._suspect_from and (time := await self._begun(delivery) + 1) >= self._suspect_from:
            log.warning("suspect_waits_for_its_turn", times=delivery.times)
            await self._turns.take(alone=time >= self._most)
            self._suspects.add(delivery)
        return True

    def bound(self, begun: Begun) -> None:
        """From now on the deadline is known: beyond it nobody needs this delivery any more."""
        self._heartbeat.hold(begun.delivery, begun.remaining_s)
        if begun.delivery in self._suspects:
            self._decided.add(begun.delivery)

    async def ack(self, delivery: Delivery | Unreadable, /) -> None:
        if isinstance(delivery, Delivery):
            self._heartbeat.let_go(delivery)  # first, so that the next beat does not bring the lease back
            if delivery in self._decided:
                self._ended_well.add(delivery)
        await self._streams.ack(delivery)

    async def release(self, delivery: Delivery, /) -> None:
        self._heartbeat.let_go(delivery)
        await self._streams.release(delivery)

    def forget(self, delivery: Delivery) -> None:
        """Nobody works on this delivery any more: unless it was acknowledged, it runs out and comes back."""
        self._heartbeat.let_go(delivery)
        if delivery in self._suspects:
            self._turns.over(well=delivery in self._ended_well)
        for known in (self._suspects, self._decided, self._ended_well):
            known.discard(delivery)
