"""Agents whose steps ask twice in one delivery, hold up their worker, or kill it."""

from __future__ import annotations

import asyncio
import ctypes
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import BaseModel

from agent.definition import Agent
from agent.effects import Ask, CallModel
from agent.events import AnswerAccepted, Event, RequestReceived
from agent.request import Message
from agent.router import Route
from agent.run import Run
from agent.steps import Budget, Parts
from agent.tools import ToolContext, tool

QUESTIONS = ("the first question", "the second question")


@dataclass(frozen=True, slots=True)
class AskTwice:
    model: str

    async def __call__(self, event: RequestReceived, run: Run, ask: Ask, /) -> Sequence[Event]:
        answers = [await ask(self._call(question)) for question in QUESTIONS]
        return [AnswerAccepted(text=" ".join(answer.text for answer in answers))]

    def _call(self, question: str) -> CallModel:
        said = (Message(role="user", content=question),)
        return CallModel(model=self.model, prompt="toy@1.0.0+0", messages=said, max_output_tokens=16)


def routes(parts: Parts) -> list[Route[RequestReceived]]:
    return [Route("ask_twice", RequestReceived, AskTwice(parts.models[0]), (AnswerAccepted,))]


twice = Agent(name="twice", prompt="chat", routes=routes)


POISON = "poison"
HELD_UP_US = 3_000_000
"""Several leases of the tests that hold up a worker."""


@dataclass(frozen=True, slots=True)
class Deadly:
    """Kills its worker with a run that asks for poison."""

    async def __call__(self, event: RequestReceived, run: Run, ask: Ask, /) -> Sequence[Event]:
        if POISON in run.request.messages[-1].content:
            os._exit(1)
        return [AnswerAccepted(text="Fine.")]


@dataclass(frozen=True, slots=True)
class Holding:
    """Keeps the interpreter to itself for several leases: no other code of its process runs meanwhile."""

    async def __call__(self, event: RequestReceived, run: Run, ask: Ask, /) -> Sequence[Event]:
        ctypes.PyDLL(None).usleep(HELD_UP_US)
        return [AnswerAccepted(text="At last.")]


def deadly_routes(parts: Parts) -> list[Route[RequestReceived]]:
    return [Route("deadly", RequestReceived, Deadly(), (AnswerAccepted,))]


def holding_routes(parts: Parts) -> list[Route[RequestReceived]]:
    return [Route("holding", RequestReceived, Holding(), (AnswerAccepted,))]


class Booking(BaseModel):
    """What to book, and the tool's own log, which is outside of the service."""

    what: str
    log: str


@tool(retries=0)
async def book(booking: Booking, context: ToolContext) -> str:
    """Book a flight at once; a hotel where the flight was booked by another worker, and never else."""
    while booking.what == "hotel" and not booked(booking.log):  # noqa: ASYNC110 - it is about to be written
        await asyncio.sleep(0)
    if booking.what == "hotel" and all(pid == str(os.getpid()) for pid, _, _ in booked(booking.log)):
        await asyncio.Event().wait()
    with Path(booking.log).open("a", encoding="utf-8") as log:  # noqa: ASYNC230 - a line
        log.write(f"{os.getpid()} {context.key} {booking.what}\n")
    return f"{booking.what} is booked"


def booked(log: str) -> list[list[str]]:
    """Who booked what, and with which key."""
    path = Path(log)
    return [line.split() for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


booking = Agent(name="booking", prompt="chat", tools=(book,))
paid = replace(book, name="book_and_pay", approval=True)
spending = Agent(name="spending", prompt="chat", tools=(book, paid), budget=Budget(deadline_s=7_200))

deadly = Agent(name="deadly", prompt="chat", routes=deadly_routes)
holding = Agent(name="holding", prompt="chat", routes=holding_routes)
