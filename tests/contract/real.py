"""The real things as the contract suite needs them: PostgreSQL and Redis, looked at with commands of our own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from redis.asyncio import Redis

from agent.adapters.embedded import EngineUrls
from agent.adapters.ledger.access import PostgresAccess
from agent.adapters.ledger.approvals import PostgresApprovals
from agent.adapters.ledger.callers import PostgresCallers
from agent.adapters.ledger.cancels import PostgresCancels
from agent.adapters.ledger.connect import Pool, connect, connect_hot
from agent.adapters.ledger.conversations import PostgresConversations
from agent.adapters.ledger.evaluations import PostgresEvaluations
from agent.adapters.ledger.jobs import PostgresJobs
from agent.adapters.ledger.letters import PostgresLetters
from agent.adapters.ledger.metering import PostgresMeter
from agent.adapters.ledger.migrate import migrate
from agent.adapters.ledger.outgoing import PostgresOutgoing
from agent.adapters.ledger.pauses import PostgresPauses
from agent.adapters.ledger.postgres import PostgresLedger
from agent.adapters.ledger.presence import PostgresPresence
from agent.adapters.ledger.privacy import PostgresPrivacy
from agent.adapters.ledger.sweeps import PostgresSweeps
from agent.adapters.ledger.webhooks import PostgresWebhooks
from agent.adapters.streams.client import SharedPipeline
from agent.adapters.streams.client import connect as connect_streams
from agent.adapters.streams.counting import RedisCounters
from agent.adapters.streams.keys import Keys
from agent.adapters.streams.pacing import RedisPacer
from agent.adapters.streams.redis import RedisStreams
from agent.envelope import Envelope, Key, Sealed
from agent.events import Usage
from agent.fairness import Share
from agent.pacing import Target
from agent.ports import Delivery, FeedRow, Pointer, Unreadable
from agent.testing import AttemptRow, AuditRow, CallRow, DeadLetter, WorkRow
from agent.testing.clock import START
from tests.engines import administer

AGEING = (
    "update api_keys set expires_at = expires_at - make_interval(secs => $1), "
    "revoked_at = revoked_at - make_interval(secs => $1)",
    "update idempotency_keys set expires_at = expires_at - make_interval(secs => $1)",
    "update instances set seen_at = seen_at - make_interval(secs => $1)",
    "update runs set created_at = created_at - make_interval(secs => $1)",
    "update calls set asked_at = asked_at - make_interval(secs => $1), ended_at = ended_at - make_interval(secs => $1)",
    "update runs set ended_at = ended_at - make_interval(secs => $1)",
    "update webhook_secrets set expires_at = expires_at - make_interval(secs => $1)",
    "update webhook_deliveries set due_at = due_at - make_interval(secs => $1), "
    "give_up_at = give_up_at - make_interval(secs => $1)",
)
UNTOLD = """select exists (
    select from events e, feed_cursor f
    where (e.tx, e.run_id, e.generation, e.seq) > (f.tx, f.run_id, f.generation, f.seq)
)"""
TEMPLATE = "contract_template"
_migrated: set[str] = set()


async def migrated_template(urls: EngineUrls) -> str:
    """The name of a database that is migrated and never used, so that each test gets a quick copy."""
    if urls.database_url not in _migrated:
        await administer(urls, f'CREATE DATABASE "{TEMPLATE}"')
        await migrate(urlunsplit(urlsplit(urls.database_url)._replace(path=f"/{TEMPLATE}")))
        _migrated.add(urls.database_url)
    return TEMPLATE


class RealStore:
    """PostgreSQL. Time passes for it by moving every time stamp of open work back."""

    def __init__(self, pool: Pool, hot: Pool) -> None:
        self.pool = pool
        self.ledger = PostgresLedger(pool, hot)
        self.letters = PostgresLetters(pool)
        self.jobs = PostgresJobs(pool)
        self.evaluations = PostgresEvaluations(pool)
        self.pauses = PostgresPauses(pool)
        self.access = PostgresAccess(pool)
        self.meter = PostgresMeter(pool)
        self.callers = PostgresCallers(pool)
        self.cancels = PostgresCancels(self.ledger)
        self.approvals = PostgresApprovals(self.ledger)
        self.privacy = PostgresPrivacy(pool)
        self.conversations = PostgresConversations(pool)
        self.presence = PostgresPresence(pool)
        self.webhooks = PostgresWebhooks(pool)
        self.outgoing = PostgresOutgoing(pool)

    async def feed(self) -> None:
        async def drop(rows: Sequence[FeedRow]) -> None: ...

        sweeps = PostgresSweeps(self.ledger)
        while await self.pool.fetchval(UNTOLD):  # until the transactions of others let it pass
            await sweeps.copy_feed(drop)

    async def end_overdue(self) -> Sequence[str]:
        return [begun.pointer.run for begun in await PostgresSweeps(self.ledger).end_overdue()]

    async def audit(self) -> list[AuditRow]:
        rows = await self.pool.fetch("select actor, action, subject from audit order by at")
        return [AuditRow(**row) for row in rows]

    async def project(self, name: str) -> None:
        await self.pool.execute("insert into projects (id, name) values ($1, $1)", name)

    async def instances(self) -> list[str]:
        return [row["id"] for row in await self.pool.fetch("select id from instances order by id")]

    async def purge(self, run: str) -> None:
        await self.pool.execute("update runs set purged_at = now() where id = $1", run)

    @classmethod
    @asynccontextmanager
    async def connected(cls, url: str) -> AsyncIterator[RealStore]:
        async with await connect(url) as pool, await connect_hot(url) as hot:
            yield cls(pool, hot)

    async def advance(self, seconds: float) -> None:
        await self.pool.execute(
            "update work set due_at = due_at - make_interval(secs => $1), "
            "deadline = deadline - make_interval(secs => $1)",
            seconds,
        )
        for statement in AGEING:
            await self.pool.execute(statement, seconds)
        await self.pool.execute(
            "update jobs set seen_at = seen_at - make_interval(secs => $1), "
            "created_at = created_at - make_interval(secs => $1)",
            seconds,
        )
        await self.pool.execute("update dead_letters set created_at = created_at - make_interval(secs => $1)", seconds)

    async def due(self) -> list[Pointer]:
        rows = await self.pool.fetch("select * from work where due_at <= clock_timestamp() order by due_at")
        return [_pointer(row) for row in rows]

    async def work(self, run: str) -> WorkRow | None:
        row = await self.pool.fetchrow("select * from work where run_id = $1", run)
        return None if row is None else WorkRow(_pointer(row), row["due_at"], row["deliveries"], row["entry"])

    async def events(self, run: str) -> list[Envelope]:
        rows = await self.pool.fetch("select * from events where run_id = $1 order by generation, seq", run)
        return [Envelope(_key(row), _sealed(row), row["at"]) for row in rows]

    async def attempts(self, run: str) -> list[AttemptRow]:
        rows = await self.pool.fetch("select * from attempts where run_id = $1 order by began_at", run)
        names = ("token", "route", "attempt", "delivery", "worker", "entry", "began_at")
        more = ("outcome", "settled", "error_kind", "error", "ended_at", "begins", "delay_s", "refusals")
        return [AttemptRow(key=_key(row), **{name: row[name] for name in names + more}) for row in rows]

    async def calls(self, run: str) -> list[CallRow]:
        rows = await self.pool.fetch("select * from calls where run_id = $1 order by ended_at, id", run)
        return [_call(row, order) for order, row in enumerate(rows)]

    async def dead_letters(self) -> list[DeadLetter]:
        rows = await self.pool.fetch("select * from dead_letters order by created_at, id")
        return [_letter(row) for row in rows]


class HeldTime(SharedPipeline):
    """Scripts get the time from the test, and not from the server: it passes when the test says so."""

    def __init__(self, client: Redis) -> None:
        super().__init__(client)
        self.now_s = int(START.timestamp())

    async def do(self, *command: Any) -> Any:
        held = f"({{'{self.now_s}', '0'}})"
        return await super().do(*(it.replace(TIME, held) if isinstance(it, str) else it for it in command))


TIME = "redis.call('TIME')"


class RealCounting:
    """Redis, whose clock the test holds."""

    def __init__(self, client: Redis, prefix: str) -> None:
        self._client = client
        self._prefix = prefix
        self.counters = RedisCounters(client, Keys(prefix))
        self.counters._pipeline = self._time = HeldTime(client)

    @classmethod
    @asynccontextmanager
    async def connected(cls, url: str, prefix: str) -> AsyncIterator[RealCounting]:
        client = connect_streams(url)
        try:
            yield cls(client, prefix)
        finally:
            await client.aclose()

    async def advance(self, seconds: int) -> None:
        self._time.now_s += seconds

    async def wipe(self) -> None:
        async for key in self._client.scan_iter(f"{self._prefix}:*"):
            await self._client.delete(key)


class RealPacing:
    """Redis, whose clock the test holds: a breaker opens for a second, which a busy machine outlasts."""

    def __init__(self, client: Redis, prefix: str) -> None:
        self._client = client
        self._prefix = prefix
        self.spent: dict[Target, Decimal] = {}
        self.pacer = RedisPacer(client, Keys(prefix), self._spent)
        self.pacer._pipeline = self._time = HeldTime(client)

    async def _spent(self, target: Target) -> Decimal:
        return self.spent.get(target, Decimal(0))

    @classmethod
    @asynccontextmanager
    async def connected(cls, url: str, prefix: str) -> AsyncIterator[RealPacing]:
        client = connect_streams(url)
        try:
            yield cls(client, prefix)
        finally:
            await client.aclose()

    async def advance(self, seconds: int) -> None:
        self._time.now_s += seconds

    async def wipe(self) -> None:
        async for key in self._client.scan_iter(f"{self._prefix}:*"):
            await self._client.delete(key)


class RealTransport:
    """Redis, below a prefix of its own."""

    def __init__(self, client: Redis, prefix: str) -> None:
        self._client = client
        self._keys = Keys(prefix)
        self.streams = RedisStreams(client, self._keys, "tester")
        self._heir = RedisStreams(client, self._keys, "heir")

    @classmethod
    @asynccontextmanager
    async def connected(cls, url: str, prefix: str) -> AsyncIterator[RealTransport]:
        client = connect_streams(url)
        try:
            yield cls(client, prefix)
        finally:
            await client.aclose()

    async def read(self, route: str, most: int) -> list[Delivery | Unreadable]:
        reader = self.streams.reader(route)
        await reader.join()
        return list(await reader.new(most)) if await self._unread(route) else []

    def shared(self, bulk: int) -> RedisStreams:
        return RedisStreams(self._client, self._keys, "tester", share=Share(bulk))

    async def _unread(self, route: str) -> bool:
        """Whether there is something to read: a reader would wait a second to find that there is not."""
        (group,) = await self._client.xinfo_groups(self._keys.work(route))
        return bool(await self._client.xrange(self._keys.work(route), f"({group['last-delivered-id']}", count=1))

    async def redeliver(self, route: str) -> list[Delivery | Unreadable]:
        async for lease in self._client.scan_iter(f"{self._keys.prefix}:lease:*"):
            await self._client.delete(lease)
        return list(await self._heir.reader(route).inherited(1_000, 0.0))

    async def put(self, route: str, fields: Mapping[str, str]) -> str:
        entry: Any = await self._client.xadd(self._keys.work(route), dict(fields))  # type: ignore[arg-type]
        return str(entry)

    async def entries(self, route: str) -> dict[str, dict[str, str]]:
        found: Any = await self._client.xrange(self._keys.work(route))
        return dict(found)

    async def pending(self, route: str) -> list[str]:
        key, group = self._keys.work(route), self._keys.group(route)
        if not await self._client.exists(key) or not await self._client.xinfo_groups(key):
            return []
        return [str(row["message_id"]) for row in await self._client.xpending_range(key, group, "-", "+", 1_000)]


LETTER_NAMES = (
    *("route", "kind", "reason", "body", "created_at", "history", "raw"),
    *("settled_at", "settled_by", "settled_as"),
)


def _key(row: Any) -> Key:
    return Key(row["run_id"], row["generation"], row["seq"])


def _pointer(row: Any) -> Pointer:
    return Pointer(*_key(row), row["route"], row["attempt"], row["project_id"], row["trace"], row["bulk"])


def _sealed(row: Any) -> Sealed:
    return Sealed(*(row[name] for name in ("type", "version", "data", "agent", "prompt", "trace")))


def _call(row: Any, order: int) -> CallRow:
    names = ("id", "token", "effect_type", "effect_hash", "occurrence", "status", "answer", "error_kind", "error")
    more = ("fault", "effect", "model", "endpoint", "duration_ms", "asked_at", "ended_at")
    money = ("cost_usd", "worst_case_usd")
    usage = Usage(**{name: row[name] for name in Usage.model_fields})
    return CallRow(key=_key(row), usage=usage, order=order, **{name: row[name] for name in names + more + money})


def _letter(row: Any) -> DeadLetter:
    known = row["run_id"] is not None
    return DeadLetter(
        id=row["id"],
        pointer=Pointer(*_key(row), row["route"], row["attempt"]) if known else None,
        **{name: row[name] for name in LETTER_NAMES},
    )
