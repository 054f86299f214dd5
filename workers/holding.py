"""The streams as a delivery sees them: what is taken is kept by the heartbeat until it is let go."""

from __future__ import annotations

from agent.ports import Begun, Delivery, Heartbeat, Pointer, Streams, Unreadable


class Holding:
    """See `Streams`. A lease and its heartbeat begin and end together."""

    def __init__(self, streams: Streams, heartbeat: Heartbeat) -> None:
        self._streams = streams
        self._heartbeat = heartbeat

    async def publish(self, pointer: Pointer, /) -> str:
        return await self._streams.publish(pointer)

    async def ended(self, run: str, /) -> None:
        await self._streams.ended(run)

    async def take(self, delivery: Delivery, /) -> bool:
        if not await self._streams.take(delivery):
            return False
        self._heartbeat.hold(delivery)
        return True

    def bound(self, begun: Begun) -> None:
        """From now on the deadline is known: beyond it nobody needs this delivery any more."""
        self._heartbeat.hold(begun.delivery, begun.remaining_s)

    async def ack(self, delivery: Delivery | Unreadable, /) -> None:
        if isinstance(delivery, Delivery):
            self._heartbeat.let_go(delivery)  # first, so that the next beat does not bring the lease back
        await self._streams.ack(delivery)

    async def release(self, delivery: Delivery, /) -> None:
        self._heartbeat.let_go(delivery)
        await self._streams.release(delivery)

    def forget(self, delivery: Delivery) -> None:
        """Nobody works on this delivery any more: unless it was acknowledged, it runs out and comes back."""
        self._heartbeat.let_go(delivery)
