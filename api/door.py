"""What the door is made of: all that `create_app` is given, and no more of it than the door uses."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from agent.access import Access
from agent.approvals import Approvals
from agent.callers import Callers
from agent.cancels import Cancels
from agent.fairness import Queue
from agent.inspection import Overview, Stall
from agent.metering import Counters, Meter
from agent.pacing import Hold
from agent.pauses import Pause
from agent.ports import Doorbell, NewRun, Pointer, Shelf
from agent.privacy import Privacy
from agent.recalling import Conversations
from agent.router import Router
from agent.settings import NameSettings, Settings
from agent.tools import Toolbox
from api.ids import new_fence, new_response_id
from api.patience import Sleep


class Budget(Protocol):
    """`deadline_s` is the longest that a run of this agent may take."""

    @property
    def deadline_s(self) -> float: ...
    @property
    def max_output_tokens(self) -> int: ...


class Choice(Protocol):
    def may_search(self, collection: str) -> bool: ...


class Definition(Protocol):
    @property
    def description(self) -> str: ...
    @property
    def budget(self) -> Budget: ...
    @property
    def output(self) -> object | None: ...
    @property
    def retrieval(self) -> Choice | None: ...


class AgentCard(Protocol):
    """What the door knows about an agent; `agent.definition.BoundAgent` is one. `id` is `name@version`."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def prompts(self) -> Mapping[str, str]: ...
    @property
    def models(self) -> Sequence[str]: ...
    @property
    def router(self) -> Router: ...
    @property
    def agent(self) -> Definition: ...
    @property
    def tools(self) -> Toolbox: ...


class Opener(Protocol):
    """The one thing of the ledger that the door writes with."""

    async def open(self, new: NewRun, /) -> str: ...


class Publisher(Protocol):
    """What the door sends with."""

    async def publish(self, pointer: Pointer, /) -> str: ...
    async def ended(self, run: str, /) -> None: ...


async def no_stall() -> Sequence[Stall]:
    """Nothing waits in vain."""
    return ()


@dataclass(frozen=True, slots=True)
class Door:
    """Everything behind the HTTP door. `base_url` is how clients reach it; `clock` gives Unix seconds."""

    ledger: Opener
    shelf: Shelf
    doorbell: Doorbell
    streams: Publisher
    access: Access
    counters: Counters
    meter: Meter
    callers: Callers
    cancels: Cancels
    approvals: Approvals
    privacy: Privacy
    conversations: Conversations
    agents: Mapping[str, AgentCard]
    default_agent: str
    settings: Settings
    base_url: str
    accepts: Mapping[str, Collection[str]] = field(default_factory=dict)
    """What models take beside text, by their name: `image`, `file`, `file_url`."""
    names: Mapping[str, NameSettings] = field(default_factory=dict)
    """More names that a request may ask for, and what they stand for."""
    offline: bool = False
    """Whether answers come from the model that needs no endpoint."""
    instance: str = "door"
    """The name of this process among all."""
    clock: Callable[[], float] = time.time
    sleep: Sleep = asyncio.sleep
    """How every wait in here passes, so that a test can hold it."""
    new_id: Callable[[], str] = new_response_id
    new_fence: Callable[[], str] = new_fence
    paused: Callable[[], Mapping[str, Pause]] = dict
    """What an operator has stopped, by its scope: `intake`, `route:NAME`."""
    stalled: Callable[[], Awaitable[Sequence[Stall]]] = no_stall
    """The routes where work waits and none is begun."""
    waiting: Callable[[], Mapping[Queue, float]] = dict
    """For how many seconds the oldest work of each line has waited to be begun, as it was seen last."""
    overview: Callable[[], Awaitable[Overview]] | None = None
    """What waits where, for monitoring."""
    holds: Callable[[], Awaitable[Sequence[Hold]]] | None = None
    """What models are on hold for, for monitoring."""
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    """Set shortly before this process stops: calls that still wait are told where to go on."""
    grace_s: float = 5.0
    """How long after a run's deadline its ending may still arrive before the waiting call gives up."""
