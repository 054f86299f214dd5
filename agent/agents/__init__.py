"""The agents that come with the service: `CUELIGHT_AGENT=agent.agents:documents,agent.agents:chat`."""

from __future__ import annotations

from agent.checks import GROUNDED, CitedAnswer, answers_something
from agent.definition import Agent
from agent.steps import Retrieval

documents = Agent(
    name="documents",
    description="Answers from your documents; every claim carries a quote that was found in them, word for word.",
    prompt="answer",
    retrieval=Retrieval(collection="default", limit=6, choosable="any"),
    output=CitedAnswer,
    checks=GROUNDED,
)

chat = Agent(
    name="chat",
    description="Replies to a conversation as the caller's instructions ask; nothing is looked up.",
    prompt="chat",
    checks=(answers_something,),
)
