"""A worker's doors to the world for an operator's trial: the configured models, and a ledger that is only read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from agent.adapters.embedded import EngineUrls
from agent.adapters.ledger.connect import connect_reading
from agent.adapters.ledger.conversations import PostgresConversations
from agent.adapters.ledger.migrate import require_current
from agent.adapters.retrieval.library import Library
from agent.definition import BoundAgent
from agent.effects import Found, Search
from agent.errors import Permanent
from agent.recalling import Recollection
from agent.settings import Settings
from agent.wiring import model_book, remote_tools, searcher
from workers.perform import Perform, nothing_recalled
from workers.tools import Tools


@asynccontextmanager
async def doors(settings: Settings, urls: EngineUrls | None, bound: BoundAgent) -> AsyncIterator[Perform]:
    """As a worker has them. Without engines nothing is found. Raises `Misconfigured`."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(remote_tools({bound.name: bound}, settings.start_wait_s))
        models, tools = model_book(settings), Tools({bound.name: bound})
        stack.push_async_callback(models.close)
        if urls is None:
            yield Perform(models, _no_ledger, nothing_recalled, tools)
            return
        await require_current(urls.database_url)
        pool = await connect_reading(urls.database_url, most=2)
        stack.push_async_callback(pool.close)
        search = searcher(settings, Library(pool))
        stack.callback(search.close)
        yield Perform(models, search.search, Recollection(PostgresConversations(pool)), tools)


async def _no_ledger(effect: Search, project: str) -> Found:
    raise Permanent("there is no ledger here to search", kind="rejected")
