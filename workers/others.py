"""What a delivery leaves to other workers: work that one of them is at, and work that one of them shall do."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import structlog

from agent.ports import Begun, Delivery, Ledger, Streams

log = structlog.get_logger(__name__)


AGAIN_S = 0.1


async def let_go(delivery: Delivery, ledger: Ledger, streams: Streams) -> bool:
    """Whether the other worker that has taken this work lets go of it at once, and it is ours now.

    A second entry for work that somebody is at goes. The one that counts is tried once more: whoever took the work with
    an entry that does not count cannot begin it, and would leave it to nobody for a whole lease. Else it stays pending,
    and comes back.
    """
    if not await ledger.carries(delivery):
        await streams.ack(delivery)
        return False
    await asyncio.sleep(AGAIN_S)
    return await streams.take(replace(delivery, times=max(delivery.times, 2)))  # it has left its queue once


async def hand_over(begun: Begun, ledger: Ledger, streams: Streams) -> None:
    """Let another worker have the work at once. What fails here a lease's end, or the relay, will do."""
    given = await ledger.hand_back(begun)
    log.info("delivery_handed_back", given=given)
    await streams.release(begun.delivery)
    if given:
        await streams.publish(begun.pointer)
