"""Telling the streams what the ledger holds already. What is lost here the relay finds in the ledger."""

from __future__ import annotations

from dataclasses import replace

import structlog

from agent.errors import Transient
from agent.outcome import Advance, Bury, Outcome
from agent.ports import Pointer, Streams

log = structlog.get_logger(__name__)


async def announce(done: Pointer, outcome: Outcome, streams: Streams) -> None:
    """Tell the next route where the work stands now, or whoever waits for the run that it has ended."""
    try:
        match outcome:
            case Advance(route=str(), delay_s=delay_s) if delay_s > 0:
                return  # the relay publishes it when its time has come
            case Advance(events=events, route=str(route)):
                await streams.publish(replace(done, seq=done.seq + len(events), route=route, attempt=1))
            case Advance() | Bury():
                await streams.ended(done.run)
    except Transient as error:
        log.warning("announcement_lost", run=done.run, error=str(error))
