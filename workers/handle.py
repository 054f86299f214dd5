"""One delivery, from the stream to the ack: the only place where beginning, deciding, writing and acking meet."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from agent.outcome import Outcome
from agent.ports import Begun, Delivery, Ledger, Streams
from workers.announce import announce
from workers.observing import observed

Decide = Callable[[Begun], Awaitable[Outcome]]


async def handle(delivery: Delivery, /, *, decide: Decide, ledger: Ledger, streams: Streams) -> None:
    """Begin, decide, commit, ack.

    A crash before the commit leaves nothing behind but the attempt and its bill; a crash after it brings back a
    delivery that has moved on, which `begin` notices before anything is paid.
    """
    with observed(delivery) as seen:
        begun = await ledger.begin(delivery)
        if begun is None:
            seen.moved_on()
        else:
            outcome = await decide(begun)
            won = await ledger.commit(begun, outcome)
            seen.settled(begun, outcome, won)
            if won:
                await announce(begun.pointer, outcome, streams)
        await streams.ack(delivery)
