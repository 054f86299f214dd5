"""The door with everything behind it in memory: each published run is brought to its scripted ending at once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx

from agent.definition import Agent, BoundAgent
from agent.effects import Ask
from agent.envelope import seal
from agent.events import AnswerAccepted, Ending, Event, RequestReceived
from agent.outcome import Advance
from agent.ports import Delivery, Pointer
from agent.request import Request
from agent.router import Route, Router
from agent.run import Run
from agent.settings import Settings
from agent.testing.access import MemoryAccess
from agent.testing.approvals import MemoryApprovals
from agent.testing.callers import MemoryCallers
from agent.testing.cancels import MemoryCancels
from agent.testing.conversations import MemoryConversations
from agent.testing.memory import MemoryLedger
from agent.testing.metering import MemoryCounters, MemoryMeter
from agent.testing.presence import MemoryPresence
from agent.testing.privacy import MemoryPrivacy
from agent.testing.streams import MemoryStreams
from api.app import create_app
from api.door import AgentCard, Door

Settle = Callable[[Request], Ending]
QUESTION = {"model": "documents", "input": "How long is the warranty?"}


async def _nothing(event: RequestReceived, run: Run, ask: Ask, /) -> Sequence[Event]:
    return [event]


def card(name: str) -> AgentCard:
    """An agent as the door is given it."""
    agent = Agent(name=name, prompt=name, description=f"Answers as {name}.")
    router = Router([Route("retrieve", RequestReceived, _nothing)])
    return BoundAgent(agent, router, {}, {name: "1.0.0+0a1b2c3d"}, ("offline",), "1.0.0+ab12cd34")


def accepted(text: str = "Two years.", **more: Any) -> AnswerAccepted:
    return AnswerAccepted(text=text, model="offline", checks=("quotes", "numbers"), **more)


class Stage(MemoryStreams):
    """Streams whose worker is `settle`: what it returns ends the run; without one, runs stay open."""

    def __init__(self, settle: Settle | None = None, **door: Any) -> None:
        super().__init__()
        self.ledger: MemoryLedger = door.get("ledger") or MemoryLedger()
        self.presence = MemoryPresence(self.ledger)
        self.callers = MemoryCallers(self.ledger, self.presence)
        self.privacy = MemoryPrivacy(self.ledger)
        self.access = MemoryAccess(self.ledger)
        self.counters = MemoryCounters(self.ledger.clock)
        self.settle = settle
        cards = {name: card(name) for name in ("documents", "chat")}
        settings = Settings(max_body_bytes=20_000, max_input_chars=5_000)
        self.door = Door(
            ledger=self.ledger,
            shelf=self.ledger,
            doorbell=self,
            streams=self,
            access=self.access,
            counters=self.counters,
            meter=MemoryMeter(self.ledger),
            callers=self.callers,
            cancels=MemoryCancels(self.ledger),
            approvals=MemoryApprovals(self.ledger),
            privacy=self.privacy,
            conversations=MemoryConversations(self.ledger),
            agents=cards,
            default_agent="documents",
            settings=settings,
            base_url="http://door.test/",
            clock=lambda: 1_767_268_800.0,
        )
        self.door = replace(self.door, **door)

    async def publish(self, pointer: Pointer, /) -> str:
        entry = await super().publish(pointer)
        if self.settle is not None:
            await self.end(pointer, self.settle(self.request(pointer.run)))
        return entry

    async def end(self, pointer: Pointer, ending: Ending) -> None:
        """What a worker does with the last delivery of a run."""
        begun = await self.ledger.begin(Delivery(pointer))
        assert begun is not None
        assert await self.ledger.commit(begun, Advance((seal(ending),), None, ending.status))
        await self.ended(pointer.run)

    def request(self, run: str) -> Request:
        """The request as it was opened."""
        return Request.model_validate_json(self.ledger.runs[run].new.request)

    @property
    def last(self) -> Request:
        return self.request(list(self.ledger.runs)[-1])

    @asynccontextmanager
    async def client(self, **transport: Any) -> AsyncIterator[httpx.AsyncClient]:
        """A client of the running application."""
        app = create_app(self.door)
        async with app.router.lifespan_context(app):
            wire = httpx.ASGITransport(app, **transport)
            async with httpx.AsyncClient(transport=wire, base_url="http://door.test") as client:
                yield client
