"""One delivery, from the stream to the ack: the only place where beginning, deciding, writing and acking meet."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from agent.errors import Transient
from agent.outcome import Advance, Bury, Outcome
from agent.ports import Begun, Delivery, Ledger, Pointer, Streams

log = structlog.get_logger(__name__)

Decide = Callable[[Begun], Awaitable[Outcome]]


async def handle(delivery: Delivery, /, *, decide: Decide, ledger: Ledger, streams: Streams) -> None:
    """Begin, decide, commit, ack.

    A crash before the commit leaves nothing behind but the attempt and its bill; a crash after it brings back a
    delivery that has moved on, which `begin` notices before anything is paid.
    """
    begun = await ledger.begin(delivery)
    if begun is not None:
        outcome = await decide(begun)
        if await ledger.commit(begun, outcome):
            await announce(begun.pointer, outcome, streams)
    await streams.ack(delivery)


async def announce(done: Pointer, outcome: Outcome, streams: Streams) -> None:
    """Tell the next route, or whoever waits for the run. What is lost here the relay finds in the ledger."""
    try:
        match outcome:
            case Advance(events=events, route=str(route)):
                await streams.publish(
                    Pointer(*done.key[:2], done.seq + len(events), route, 1, done.project, done.trace)
                )
            case Advance() | Bury():
                await streams.ended(done.run)
    except Transient as error:
        log.warning("announcement_lost", run=done.run, error=str(error))
