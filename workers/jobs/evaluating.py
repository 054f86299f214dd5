"""The job of an evaluation: it keeps some of its runs open until all have ended. Workers answer them as any others."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence

import structlog

from agent.errors import Transient
from agent.evaluation import Evaluation, Standing, new_run
from agent.jobs import END, CannotGoOn, Hold, Job
from agent.pauses import INTAKE
from agent.ports import NewRun
from workers.jobs.doors import Doors

log = structlog.get_logger(__name__)

LOOK_S = 0.1
"""How soon the next look follows one at which nothing had ended."""


async def evaluate(doors: Doors, hold: Hold, job: Job) -> Job | None:
    """Open as many runs as may be open, and count those that have ended. Whatever was opened before is not again.

    Raises `CannotGoOn` once all that were opened have ended, if no more may be.
    """
    evaluation = await doors.evaluations.evaluation(json.loads(job.arguments)["evaluation"])
    if evaluation is None:
        raise CannotGoOn("the evaluation is no longer kept")
    may_go_on = await _open(doors, evaluation, await doors.evaluations.standing(evaluation.id))
    standing = await doors.evaluations.standing(evaluation.id)
    if standing.done == job.done:
        await doors.sleep(LOOK_S)
    place = END if standing.done == standing.total else ""
    after = await doors.jobs.note(hold, standing.done - job.done, _more(standing.ended, job.counts), place)
    if not may_go_on and not place and not standing.open and after is not None:
        raise CannotGoOn(f"its {evaluation.most_usd} USD are used up: raise --most-usd")
    return after


async def _open(doors: Doors, evaluation: Evaluation, standing: Standing) -> bool:
    """Open what may be open; False if no more may be, since it would cost too much."""
    room = evaluation.plan.at_once - standing.open
    if room <= 0 or any(pause.scope == INTAKE for pause in await doors.pauses.pauses()):
        return True
    if evaluation.most_usd is not None and await doors.evaluations.spent(evaluation.id) >= evaluation.most_usd:
        return False
    lines = await doors.evaluations.waiting(evaluation.id, room)
    news = [new_run(evaluation, line) for line in lines]
    if news:
        await asyncio.gather(*(doors.ledger.open(new) for new in news))
        await doors.evaluations.opened(evaluation.id, [line.number for line in lines])
        await _publish(doors, news)
    return True


async def _publish(doors: Doors, news: Sequence[NewRun]) -> None:
    try:
        await doors.streams.publish_all([new.pointer for new in news])
    except Transient as error:
        log.warning("announcement_lost", count=len(news), error=str(error))  # the relay publishes them


def _more(ended: Mapping[str, int], counted: Mapping[str, int]) -> Mapping[str, int]:
    """What the job's counts lack of what has ended."""
    return {status: count - int(counted.get(status, 0)) for status, count in ended.items()}
