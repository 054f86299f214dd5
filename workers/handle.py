"""One delivery, from the stream to the ack: the only place where begin, decide, commit and ack meet."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from agent.outcome import Outcome
from agent.ports import Begun, Delivery, Ledger, Streams
from workers.announce import announce
from workers.observing import observed

log = structlog.get_logger(__name__)

Decide = Callable[[Begun], Awaitable[Outcome | None]]
"""None if this worker stops and another one shall decide."""


async def handle(delivery: Delivery, /, *, decide: Decide, ledger: Ledger, streams: Streams) -> None:
    """Take, begin, decide, commit, ack.

    A crash before the commit leaves nothing behind but the attempt and its bill; a crash after it brings back a
    delivery that has moved on, which `begin` notices before anything is paid.
    """
    with observed(delivery) as seen:
        if not await streams.take(delivery):
            seen.held_elsewhere()
            await _leave_alone(delivery, ledger, streams)
            return
        begun = await ledger.begin(delivery)
        if begun is None:
            seen.moved_on()
        else:
            outcome = await decide(begun)
            if outcome is None:
                seen.handed_back()
                await _hand_over(begun, ledger, streams)
                return
            won = await ledger.commit(begun, outcome)
            seen.settled(begun, outcome, won)
            if won:
                await announce(begun.pointer, outcome, streams)
        await streams.ack(delivery)


async def _leave_alone(delivery: Delivery, ledger: Ledger, streams: Streams) -> None:
    """Another worker is at it. A second entry for it goes; the one that counts stays pending, and comes back."""
    if not await ledger.carries(delivery):
        await streams.ack(delivery)


async def _hand_over(begun: Begun, ledger: Ledger, streams: Streams) -> None:
    """Let another worker have the work at once. What fails here a lease's end, or the relay, will do."""
    given = await ledger.hand_back(begun)
    log.info("delivery_handed_back", given=given)
    await streams.release(begun.delivery)
    if given:
        await streams.publish(begun.pointer)
