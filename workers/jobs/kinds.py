"""What each kind of job does: one more batch from where the job stands. A batch that is done twice is harmless."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog

from agent.errors import Transient
from agent.jobs import END, Hold, Job, Kind, place_in, place_of
from agent.letters import SettledAs, Verdict
from workers.jobs.doors import Doors
from workers.jobs.evaluating import evaluate

log = structlog.get_logger(__name__)

BATCH = 100
ROWS = 500
"""How many rows retention removes in one write."""
BATCHES_PER_S = 2.0
"""A job with a rate settles its letters in about so many batches a second."""


Batch = Callable[[Doors, Hold, Job], Awaitable[Job | None]]
"""Does one more batch; the job after it, with the place `END` when nothing is left, or None if it is no longer ours."""


async def replay(doors: Doors, hold: Hold, job: Job) -> Job | None:
    """Replay the next letters, and publish their runs at once."""
    return await _settle(doors, hold, job, "replayed")


async def discard(doors: Doors, hold: Hold, job: Job) -> Job | None:
    """Discard the next letters."""
    return await _settle(doors, hold, job, "discarded")


async def retention(doors: Doors, hold: Hold, job: Job) -> Job | None:
    """Remove some of what is no longer kept; the place is what it is at."""
    names = list(doors.keep)
    what = job.place or names[0]
    count = await doors.retention.forget(what, doors.keep[what], ROWS)
    following = (*names[names.index(what) + 1 :], END)[0]
    return await doors.jobs.note(hold, count, {what: count}, what if count == ROWS else following)


KINDS: Mapping[Kind, Batch] = {
    "replay": replay,
    "discard": discard,
    "retention": retention,
    "evaluation": evaluate,
}


async def _settle(doors: Doors, hold: Hold, job: Job, how: SettledAs) -> Job | None:
    letters = await doors.letters.letters(job.filter, size(job.rate), place_in(job))
    if not letters:
        return await doors.jobs.note(hold, 0, {}, END)
    place = place_of((letters[-1].created_at, letters[-1].id))
    settled = await doors.jobs.settle(hold, how, [it.id for it in letters], place)
    if settled is None:
        return None
    await _publish(doors, settled.verdicts)
    return settled.job


def size(rate: float | None) -> int:
    """How many letters a batch has."""
    return BATCH if rate is None else max(1, min(BATCH, int(rate / BATCHES_PER_S)))


async def _publish(doors: Doors, verdicts: Sequence[Verdict]) -> None:
    pointers = [it.pointer for it in verdicts if it.pointer is not None]
    try:
        if pointers:
            await doors.streams.publish_all(pointers)
    except Transient as error:
        log.warning("announcement_lost", count=len(pointers), error=str(error))  # the relay publishes them
