"""One delivery, from the stream to the ack: the only place where begin, decide, commit and ack meet."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from agent.outcome import Outcome
from agent.ports import Begun, Delivery, Ledger, Streams
from workers.announce import announce
from workers.observing import observed
from workers.others import hand_over, let_go

Decide = Callable[[Begun], Awaitable[Outcome | None]]
"""None if this worker stops and another one shall decide."""


async def handle(delivery: Delivery, /, *, decide: Decide, ledger: Ledger, streams: Streams) -> None:
    """Take, begin, decide, commit, ack.

    A crash before the commit leaves nothing behind but the attempt and its bill; a crash after it brings back a
    delivery that has moved on, which `begin` notices before anything is paid.
    """
    with observed(delivery) as seen:
        if not (await streams.take(delivery) or await let_go(delivery, ledger, streams)):
            seen.held_elsewhere()
            return
        begun = await ledger.begin(delivery)
        if begun is None:
            seen.moved_on()
        elif (outcome := await decide(begun)) is None:
            seen.handed_back()
            await hand_over(begun, ledger, streams)
            return
        elif seen.settled(begun, outcome, await ledger.commit(begun, outcome)):
            await announce(begun.pointer, outcome, streams)
        await streams.ack(delivery)
