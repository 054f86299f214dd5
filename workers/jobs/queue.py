"""The queue of RQ: ids of jobs, and nothing else. Whatever is lost here is found in the ledger."""

from __future__ import annotations

import os
from collections.abc import Set
from contextvars import ContextVar

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from rq import Queue
from rq.serializers import JSONSerializer

from agent.errors import Transient
from agent.settings import Settings
from workers.jobs.office import Office

PATIENCE_S = 20
FAILURES_KEPT_S = 3_600
OFFICE: ContextVar[Office] = ContextVar("office")
"""Where the process that RQ calls in does the work."""


def work(job: str) -> None:
    """What RQ calls: do a job, or find that it is done or that somebody else is at it."""
    OFFICE.get().work(job)


class JobQueue:
    """RQ's queue of one service. Every method raises `Transient` if Redis is away."""

    def __init__(self, settings: Settings, redis_url: str) -> None:
        url = settings.rq_url.get_secret_value() if settings.rq_url else redis_url
        self.connection = Redis.from_url(
            url, socket_timeout=PATIENCE_S, socket_connect_timeout=5, retry=Retry(NoBackoff(), 0)
        )
        # JSON: whoever can write to Redis must not be able to run code here, as a pickle would let him
        self.queue = Queue(f"{settings.redis_prefix}-jobs", connection=self.connection, serializer=JSONSerializer)

    def push(self, job: str) -> None:
        """Have a process look at this job. Doing it twice is harmless."""
        mine = f"{job}-{os.urandom(4).hex()}"  # RQ deletes a job by its id when it is done, pushed again or not
        kept = {"result_ttl": 0, "failure_ttl": FAILURES_KEPT_S, "job_timeout": -1}
        try:
            self.queue.enqueue(work, job, job_id=mine, **kept)
        except (RedisError, OSError) as error:
            raise Transient(f"the queue of jobs is not available: {error}", kind="queue") from error

    def waiting(self) -> Set[str]:
        """The jobs that no process has taken out yet."""
        try:
            return {id.rsplit("-", 1)[0] for id in self.queue.job_ids}
        except (RedisError, OSError) as error:
            raise Transient(f"the queue of jobs is not available: {error}", kind="queue") from error

    def close(self) -> None:
        self.connection.close()
