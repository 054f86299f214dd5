"""What a delivery leaves to other workers: work that one of them is at, and work that one of them shall do."""

from __future__ import annotations

import structlog

from agent.ports import Begun, Delivery, Ledger, Streams

log = structlog.get_logger(__name__)


async def leave_alone(delivery: Delivery, ledger: Ledger, streams: Streams) -> None:
    """Another worker is at it. A second entry for it goes; the one that counts stays pending, and comes back."""
    if not await ledger.carries(delivery):
        await streams.ack(delivery)


async def hand_over(begun: Begun, ledger: Ledger, streams: Streams) -> None:
    """Let another worker have the work at once. What fails here a lease's end, or the relay, will do."""
    given = await ledger.hand_back(begun)
    log.info("delivery_handed_back", given=given)
    await streams.release(begun.delivery)
    if given:
        await streams.publish(begun.pointer)
