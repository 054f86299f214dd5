"""An agent with a step that asks the model twice in one delivery."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.definition import Agent
from agent.effects import Ask, CallModel
from agent.events import AnswerAccepted, Event, RequestReceived
from agent.request import Message
from agent.router import Route
from agent.run import Run
from agent.steps import Parts

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
