"""The HTTP door built from settings, until it is told to stop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import uvicorn

from agent.errors import Misconfigured
from agent.pauses import PauseWatch
from agent.settings import Settings
from agent.wiring import Cast, Connected, archive_prompts, cast, connected
from api.app import create_app
from api.door import Door
from api.network import lock, warn_of_no_address
from api.pressure import Pressure

LAST_WORDS_S = 3
"""How long calls that still wait when the drain is over have to be told so."""


async def serve(
    settings: Settings,
    database_url: str,
    redis_url: str,
    stop: asyncio.Event,
    ready: Callable[[str], None] = lambda url: None,
) -> None:
    """Answer until `stop`; `ready` is told the URL once requests are answered. Raises `Misconfigured`."""
    company = cast(settings)
    async with (
        connected(settings, database_url, redis_url, "api") as engines,
        PauseWatch(engines.pauses).running() as pauses,
        Pressure(engines.look.pressure).running() as pressure,
    ):
        await lock(settings, engines.access)
        warn_of_no_address(settings)
        await archive_prompts(company.book, company.agents, engines.ledger)
        listener = _bind(settings.host, settings.port)
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        url = f"http://{host}:{listener.getsockname()[1]}"
        targets = [paid.target for paid in settings.paid().values()]
        door = replace(
            door_of(settings, engines, company, settings.public_url or url),
            paused=pauses.paused,
            waiting=pressure.waiting,
            overview=partial(engines.overview, company.routes),
            holds=partial(engines.pacer.holds, targets),
            stalled=partial(engines.look.stalled, settings.stall_s),
        )
        await _listen(door, listener, stop, lambda: ready(url))


def door_of(settings: Settings, engines: Connected, company: Cast, url: str) -> Door:
    """The door to these engines, reached at `url`, without what looks after pauses and pressure."""
    return Door(
        ledger=engines.ledger,
        shelf=engines.shelf,
        doorbell=engines.streams,
        streams=engines.streams,
        access=engines.access,
        counters=engines.counters,
        meter=engines.meter,
        callers=engines.callers,
        cancels=engines.cancels,
        approvals=engines.approvals,
        privacy=engines.privacy,
        conversations=engines.conversations,
        instance=engines.instance,
        agents=company.agents,
        names=company.names,
        default_agent=company.default,
        settings=settings,
        base_url=url.rstrip("/"),
        accepts=company.accepts,
        offline=company.offline,
    )


async def _listen(door: Door, listener: socket.socket, stop: asyncio.Event, ready: Callable[[], None]) -> None:
    config = uvicorn.Config(
        create_app(door),
        log_config=None,
        ws="none",  # a request for a WebSocket comes in as what it also is, a GET, and is refused by name
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=int(door.settings.drain_s) + LAST_WORDS_S,
    )
    server = _Server(config, ready)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    stopping.cancel()
    closing = asyncio.get_running_loop().call_later(door.settings.drain_s, door.closing.set)
    await serving
    closing.cancel()


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio switches Nagle off only where it is; without, an answer may wait for 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise Misconfigured(f"nothing can listen on {host}:{port}: {error.strerror}; choose another --port") from error
    return listener


class _Server(uvicorn.Server):
    """Tells when it answers; signals are the command line's business."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
