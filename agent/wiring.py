"""The one place that builds the real things from settings."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from importlib import metadata
from typing import TYPE_CHECKING

import orjson
import structlog

from agent.adapters.ledger.access import PostgresAccess
from agent.adapters.ledger.approvals import PostgresApprovals
from agent.adapters.ledger.callers import PostgresCallers
from agent.adapters.ledger.cancels import PostgresCancels
from agent.adapters.ledger.connect import Pool, connect_hot
from agent.adapters.ledger.connect import connect as connect_ledger
from agent.adapters.ledger.conversations import PostgresConversations
from agent.adapters.ledger.epochs import PostgresEpochs
from agent.adapters.ledger.evaluations import PostgresEvaluations
from agent.adapters.ledger.jobs import PostgresJobs
from agent.adapters.ledger.letters import PostgresLetters
from agent.adapters.ledger.looking import LedgerLook
from agent.adapters.ledger.metering import PostgresMeter
from agent.adapters.ledger.migrate import require_current
from agent.adapters.ledger.outgoing import PostgresOutgoing
from agent.adapters.ledger.pauses import PostgresPauses
from agent.adapters.ledger.postgres import PostgresLedger
from agent.adapters.ledger.presence import PostgresPresence
from agent.adapters.ledger.privacy import PostgresPrivacy
from agent.adapters.ledger.retention import PostgresRetention
from agent.adapters.ledger.sweeps import PostgresSweeps
from agent.adapters.probe import MAY_YET_COME, probe_database, probe_redis
from agent.adapters.retrieval.library import Library
from agent.adapters.retrieval.searching import Searcher
from agent.adapters.streams.client import connect as connect_streams
from agent.adapters.streams.counting import RedisCounters
from agent.adapters.streams.heartbeat import ProcessHeartbeat
from agent.adapters.streams.keys import Keys
from agent.adapters.streams.looking import StreamLook, looking_client
from agent.adapters.streams.notes import RedisNotes
from agent.adapters.streams.pacing import RedisPacer
from agent.adapters.streams.redis import RedisStreams
from agent.definition import BoundAgent, load
from agent.envelope import Envelope
from agent.errors import Absent, Misconfigured
from agent.fairness import Share
from agent.inspection import Backlog, Overview
from agent.ports import Notes, Place, Pointer, RunView, StoredPassage
from agent.presence import Kind, present
from agent.prompting import PromptBook
from agent.settings import OFFLINE, NameSettings, Settings
from agent.tools import McpTool

if TYPE_CHECKING:
    from agent.adapters.model.book import ModelBook
    from agent.adapters.webhooks.sending import Sender

log = structlog.get_logger(__name__)

AWAIT_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class Cast:
    """The agents of this process by name, the first one the default, and their prompts."""

    agents: Mapping[str, BoundAgent]
    book: PromptBook
    offline: bool
    accepts: Mapping[str, Sequence[str]]
    """What each model takes beside text."""
    names: Mapping[str, NameSettings] = field(default_factory=dict)
    """More names that a request may ask for, and what they stand for."""

    @property
    def default(self) -> str:
        return next(iter(self.agents))

    @property
    def routes(self) -> Sequence[str]:
        """Every route that any of the agents has."""
        return sorted({route.name for bound in self.agents.values() for route in bound.router.routes.values()})

    def models_at(self, route: str) -> frozenset[str]:
        """Every model that a step of this route may call; none where nobody knows of one."""
        calling = {name: bound.models_at(route) for name, bound in self.agents.items()}
        named = {model for it in self.names.values() if calling.get(it.agent) for model in it.models}
        return frozenset().union(named, *calling.values())


@dataclass(frozen=True, slots=True)
class Connected:
    """The doors to the two engines, open."""

    ledger: PostgresLedger
    sweeps: PostgresSweeps
    library: Library
    streams: RedisStreams
    shelf: LedgerShelf
    instance: str
    pauses: PostgresPauses
    heartbeat: ProcessHeartbeat
    look: LedgerLook
    epochs: PostgresEpochs
    callers: PostgresCallers
    cancels: PostgresCancels
    privacy: PostgresPrivacy
    conversations: PostgresConversations
    stream_look: StreamLook
    letters: PostgresLetters
    jobs: PostgresJobs
    retention: PostgresRetention
    access: PostgresAccess
    meter: PostgresMeter
    counters: RedisCounters
    notes: RedisNotes
    outgoing: PostgresOutgoing
    approvals: PostgresApprovals
    pacer: RedisPacer
    evaluations: PostgresEvaluations

    async def overview(self, routes: Sequence[str]) -> Overview:
        """What waits where at this moment. Raises `Transient`."""
        backlog, letters = await asyncio.gather(self.look.backlog(), self.look.letters())
        looks = await asyncio.gather(*(self.stream_look.route(route) for route in routes))
        return Overview([(look, backlog.get(look.route, Backlog(look.route))) for look in looks], letters)


class LedgerShelf:
    """What the HTTP door reads: runs from the ledger, passages from the library."""

    def __init__(self, ledger: PostgresLedger, library: Library) -> None:
        self._ledger = ledger
        self._library = library

    async def view(self, run: str, project: str, /) -> RunView | None:
        return await self._ledger.view(run, project)

    async def ended(self, runs: Sequence[str], /) -> Sequence[str]:
        return await self._ledger.ended(runs)

    async def places(self, runs: Sequence[str], /) -> Mapping[str, Place]:
        return await self._ledger.places(runs)

    async def happened(self, run: str, generation: int, /) -> Sequence[Envelope]:
        return await self._ledger.happened(run, generation)

    async def passage(self, passage: str, project: str, /) -> StoredPassage | None:
        return await self._library.passage(passage, project)

    async def collections(self, project: str, names: Sequence[str], /) -> frozenset[str]:
        return await self._library.collections(project, names)

    async def ping(self) -> None:
        await self._ledger.ping()


class NotedStreams(RedisStreams):
    """Streams that note on the work row which entry carries it, with the ledger's next transaction."""

    def __init__(self, streams: RedisStreams, ledger: PostgresLedger) -> None:
        self.__dict__.update(streams.__dict__)
        self._ledger = ledger

    async def publish(self, pointer: Pointer, /) -> str:
        if entry := await super().publish(pointer):
            self._ledger.published_later(pointer, entry)
        return entry


def cast(settings: Settings) -> Cast:
    """The configured agents, bound to their prompts and models. Raises `Misconfigured`."""
    book = PromptBook.here(settings.prompts_dir)
    endpoints = settings.endpoints()
    models = tuple(model.name for endpoint in endpoints for model in endpoint.models) or (OFFLINE,)
    agents: dict[str, BoundAgent] = {}
    for spec in settings.agent:
        bound = load(spec).bind(book, models)
        if agents.setdefault(bound.name, bound) is not bound:
            raise Misconfigured(f"CUELIGHT_AGENT names two agents called {bound.name!r}; a request could not choose")
    if not agents:
        raise Misconfigured("CUELIGHT_AGENT names no agent; leave it unset for the ones that ship")
    names = settings.named()
    _check_names(names, agents, models)
    accepts = {model.name: model.accepts for endpoint in endpoints for model in endpoint.models}
    return Cast(agents, book, offline=not endpoints, accepts=accepts, names=names)


def _check_names(names: Mapping[str, NameSettings], agents: Mapping[str, BoundAgent], models: Sequence[str]) -> None:
    """Raises `Misconfigured` if a name means what there is not, or is an agent's own."""
    for name, meant in names.items():
        if name in agents:
            raise Misconfigured(f"the name {name!r} is an agent's already; choose another for agent {meant.agent!r}")
        if meant.agent not in agents:
            raise Misconfigured(f"the name {name!r} means an agent {meant.agent!r}; there is {', '.join(agents)}")
        if unknown := [model for model in meant.models if model not in models]:
            raise Misconfigured(f"the name {name!r} means a model {unknown[0]!r}; there is {', '.join(models)}")


def model_book(settings: Settings, notes: Notes | None = None) -> ModelBook:
    """The configured endpoints, or the offline model. Raises `Misconfigured`."""
    # The client of the endpoints takes longer to import than all the rest, and only workers call models.
    from agent.adapters.model.book import ModelBook
    from agent.adapters.model.offline import OfflineModel

    return ModelBook(settings.endpoints(), OfflineModel(), notes)


def sender(settings: Settings) -> Sender:
    """What sends to endpoints. Only those that relay need its HTTP client."""
    from agent.adapters.webhooks.sending import Sender

    return Sender(
        allow_private=settings.webhooks_allow_private,
        timeout_s=settings.webhooks_timeout_s,
        slots=settings.webhooks_slots,
    )


@asynccontextmanager
async def remote_tools(agents: Mapping[str, BoundAgent], wait_s: float) -> AsyncIterator[None]:
    """The agents' tools of MCP servers can be called while the block lasts. Raises `Misconfigured` if they cannot."""
    tools = [tool for bound in agents.values() for tool in bound.tools.tools.values() if isinstance(tool, McpTool)]
    if not tools:
        yield
        return
    try:
        from agent.adapters.tools.mcp import equipped
    except ModuleNotFoundError as error:
        missing = f"an agent has tools of an MCP server, and there is no module {error.name!r}"
        raise Misconfigured(f"{missing}: install it with pip install 'cuelight[mcp]'") from None
    async with equipped(tools, wait_s):
        yield


def searcher(settings: Settings, library: Library) -> Searcher:
    """This process' own search index."""
    return Searcher(library, settings.index_dir or settings.data_dir / "index")


@asynccontextmanager
async def connected(
    settings: Settings, database_url: str, redis_url: str, kind: Kind | None = None
) -> AsyncIterator[Connected]:
    """Both engines, probed; one that does not answer is waited for, `start_wait_s` at most.

    The ledger knows meanwhile that this process lives, if `kind` says what it is. Raises `Misconfigured` where an
    engine cannot serve, or is not at this release's version.
    """
    pool, hot = await _both_there(database_url, redis_url, settings.start_wait_s)
    client, looker = connect_streams(redis_url), looking_client(redis_url)
    try:
        ledger, library = PostgresLedger(pool, hot), Library(pool)
        keys, name = Keys(settings.redis_prefix), instance()
        streams = RedisStreams(client, keys, name, settings.lease_s, Share(settings.queued_per_project))
        shelf = LedgerShelf(ledger, library)
        presence, meter = PostgresPresence(pool), PostgresMeter(pool)
        async with present(presence, name, kind, metadata.version("cuelight")) if kind else nullcontext():
            yield Connected(
                ledger,
                PostgresSweeps(ledger),
                library,
                NotedStreams(streams, ledger),
                shelf,
                name,
                PostgresPauses(pool),
                ProcessHeartbeat(redis_url, keys, name, settings.lease_s),
                LedgerLook(pool),
                PostgresEpochs(pool),
                PostgresCallers(pool),
                PostgresCancels(ledger),
                PostgresPrivacy(pool),
                PostgresConversations(pool),
                StreamLook(looker, Keys(settings.redis_prefix)),
                PostgresLetters(pool),
                PostgresJobs(pool),
                PostgresRetention(pool),
                PostgresAccess(pool),
                meter,
                RedisCounters(client, keys),
                RedisNotes(client, keys),
                PostgresOutgoing(pool),
                PostgresApprovals(ledger),
                RedisPacer(client, keys, meter.spent_today),
                PostgresEvaluations(pool),
            )
            await ledger.drain()
    finally:
        await looker.aclose()
        await client.aclose()
        await hot.close()
        await pool.close()


async def _both_there(database_url: str, redis_url: str, wait_s: float) -> tuple[Pool, Pool]:
    """An engine may be on its way back just now: a process that gave up at once would only be started again.

    The two pools of the ledger. A server that answered may be gone again before they are filled.
    """
    until = time.monotonic() + wait_s
    while True:
        try:
            await probe_database(database_url)
            await probe_redis(redis_url)
            await require_current(database_url)
            return await _pools(database_url)
        except Absent as error:
            if time.monotonic() >= until:
                raise
            log.warning("engine_awaited", error=str(error))
            await asyncio.sleep(AWAIT_EVERY_S)


async def _pools(database_url: str) -> tuple[Pool, Pool]:
    """For everything, and for what each hop writes. Raises `Absent`."""
    try:
        pool = await connect_ledger(database_url)
        try:
            return pool, await connect_hot(database_url)
        except BaseException:
            pool.terminate()
            raise
    except MAY_YET_COME as error:
        raise Absent(f"the database has gone away again ({type(error).__name__})") from error


async def archive_prompts(book: PromptBook, agents: Mapping[str, BoundAgent], ledger: PostgresLedger) -> None:
    """Keep the prompts that new runs will start with: those runs go on with them, whatever becomes of the files."""
    for bound in agents.values():
        for name, version in bound.prompts.items():
            sources = orjson.dumps(dict(book.get(name, version).sources), option=orjson.OPT_SORT_KEYS)
            await ledger.keep_prompt(name, version, sources.decode())


def instance() -> str:
    """A name for this process that no other has, now or later."""
    return f"{socket.gethostname()[:40]}:{os.getpid()}:{os.urandom(3).hex()}"
