"""Agents for the tests of the whole chain, as a user would write them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agent import Agent
from agent.checks import GROUNDED, CitedAnswer
from agent.effects import Ask, CallModel
from agent.events import AnswerAccepted, Event, RequestReceived
from agent.request import Message
from agent.router import Route
from agent.run import Run
from agent.steps import Budget, Parts, Retrieval

hasty = Agent(
    name="hasty",
    prompt="answer",
    retrieval=Retrieval(),
    output=CitedAnswer,
    checks=GROUNDED,
    budget=Budget(deadline_s=1.5),
)


def question(prompt: str) -> CallModel:
    """The same question to the same model, under a prompt's name."""
    return CallModel(model="m1", prompt=prompt, messages=(Message(role="user", content="Well?"),), max_output_tokens=50)


async def ask_twice(event: RequestReceived, run: Run, ask: Ask, /) -> Sequence[Event]:
    """A step with two paid questions: whatever happens at the second, the first is not to be paid again."""
    first = await ask(question("first@1.0.0"))
    second = await ask(question("second@1.0.0"))
    return [AnswerAccepted(text=f"{first.text} {second.text}")]


def _routes(parts: Parts) -> list[Route[Any]]:
    return [Route("generate", RequestReceived, ask_twice, (AnswerAccepted,))]


twice = Agent(name="twice", prompt="chat", routes=_routes)
