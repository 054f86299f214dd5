"""The whole house in a thread of its own, for libraries that bring event loops, and tests, of their own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from agent.adapters.embedded import Engines
from agent.testing.fake_model.script import Playing
from tests.compat.obliging import oblige
from tests.e2e.house import opened

NEEDED = ("langchain_tests", "langchain_openai", "agents", "pydantic_ai", "litellm")
collect_ignore_glob = [] if all(find_spec(name) for name in NEEDED) else ["test_*.py"]


class _Ready(threading.Event):
    base_url = ""


async def _keep(engines: Engines, ready: _Ready, over: asyncio.Event) -> None:
    async with opened(engines.urls, "compat", []) as it, it.worker(drain_s=0.1), it.door() as http:
        ready.base_url = f"{http.base_url}/v1"
        ready.set()
        await over.wait()


@pytest.fixture(scope="session", autouse=True)
def base_url(engines: Engines) -> Iterator[str]:
    """Where a service listens whose model does as it is asked to."""
    ready, loop, over = _Ready(), asyncio.new_event_loop(), asyncio.Event()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Playing, "take", lambda _, call: (1, oblige(call)))
        patch.setenv("NO_PROXY", "*")
        patch.setenv("OPENAI_API_KEY", "none")
        keeping = threading.Thread(target=loop.run_until_complete, args=(_keep(engines, ready, over),))
        keeping.start()
        assert ready.wait(60), "the house did not open"
        patch.setenv("OPENAI_BASE_URL", ready.base_url)
        yield ready.base_url
        loop.call_soon_threadsafe(over.set)
        keeping.join()
    loop.close()
