"""The jobs process: RQ's worker in the main thread, the office beside it.

RQ's `SimpleWorker` runs a job in its own process. The usual `Worker` forks for each job; were it killed, its child
would go on without anybody watching it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Set
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import structlog
from redis.exceptions import RedisError
from rq import SimpleWorker
from rq.exceptions import StopRequested
from rq.serializers import JSONSerializer
from rq.worker import WorkerStatus

from agent.errors import Transient
from agent.settings import Settings
from agent.wiring import connected
from workers.jobs.clerk import Clerk
from workers.jobs.doors import Doors
from workers.jobs.office import Desk, Office
from workers.jobs.queue import OFFICE, JobQueue
from workers.jobs.sweep import Sweep

log = structlog.get_logger(__name__)

TTL_S = 16
"""RQ waits for 15 seconds less at a time, and looks up in between: that is how soon an idle process stops."""
AGAIN_S = 0.5
SWEEPS_PER_LEASE = 5


def serve(settings: Settings, database_url: str, redis_url: str, ready: Callable[[], None] = lambda: None) -> None:
    """Work on jobs until SIGINT or SIGTERM. Raises `Misconfigured` before anything was begun."""
    queue = JobQueue(settings, redis_url)
    with Office(partial(desk, settings, database_url, redis_url, queue)) as office:
        OFFICE.set(office)
        stopping = Stopping(office)
        stopping.install()
        log.info("jobs_started")
        ready()
        _work(queue, stopping)
        log.info("jobs_stopped")
    queue.close()


@asynccontextmanager
async def desk(
    settings: Settings, database_url: str, redis_url: str, queue: JobQueue, stop: asyncio.Event
) -> AsyncIterator[Desk]:
    """Everything that jobs need, with the sweep going round beside it."""

    async def push(job: str) -> None:
        await asyncio.to_thread(queue.push, job)

    async def give(job: str) -> None:
        with suppress(Transient):  # the next sweep finds it
            await push(job)

    async def waiting() -> Set[str]:
        return await asyncio.to_thread(queue.waiting)

    lease_s = settings.job_lease_s
    async with connected(settings, database_url, redis_url, "jobs") as it:
        doors = Doors(
            it.jobs, it.letters, it.streams, it.retention, settings.keep(), it.ledger, it.evaluations, it.pauses
        )
        sweep = Sweep(it.jobs, push, waiting, lease_s=lease_s, retention_every_s=settings.retention_every_s)
        sweeping = asyncio.create_task(sweep.run(min(1.0, lease_s / SWEEPS_PER_LEASE)))
        try:
            yield Clerk(doors, stop, give, waiting, name=it.instance, lease_s=lease_s)
        finally:
            sweeping.cancel()
            with suppress(asyncio.CancelledError):
                await sweeping


class OfficeWorker(SimpleWorker):
    """RQ's worker without signals of its own, and without orders over Redis: ours stand in the ledger."""

    max_connection_wait_time = 1.0

    def subscribe(self) -> None:
        """RQ would listen for commands, in a thread that outlives a broken connection."""

    def unsubscribe(self) -> None:
        """See `subscribe`."""

    def _install_signal_handlers(self) -> None:
        """See `Stopping`."""

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        """RQ comes by here whenever it has waited for a while, and after each job."""
        if self._stop_requested and self.get_state() != WorkerStatus.BUSY:
            raise StopRequested
        super().heartbeat(timeout, pipeline)

    def finish(self) -> None:
        """Take no further job."""
        self._stop_requested = True


class Stopping:
    """The first signal hands back what is under way; a second one ends the process as usual.

    The handler only leaves word. RQ's own raises `StopRequested` wherever the process stands; in the midst of a library
    that swallows exceptions, the signal would be lost.
    """

    def __init__(self, office: Office) -> None:
        self.asked = False
        self.worker: OfficeWorker | None = None
        self._office = office

    def install(self) -> None:
        """From now on signals are heard."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)

    def _stop(self, signum: int, frame: Any) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        self.asked = True
        self._office.stop()
        if self.worker is not None:
            self.worker.finish()


def _work(queue: JobQueue, stopping: Stopping) -> None:
    """RQ's worker ends when Redis fails it in the wrong moment; a new one is made then, until we are told to stop."""
    while not stopping.asked:
        with suppress(RedisError):
            name = f"{os.getpid()}-{os.urandom(4).hex()}"
            worker = OfficeWorker([queue.queue], name=name, worker_ttl=TTL_S, serializer=JSONSerializer)
            stopping.worker = worker
            if stopping.asked:
                return
            worker.work(logging_level="WARNING")
        if not stopping.asked:
            log.warning("queue_away")
            time.sleep(AGAIN_S)
