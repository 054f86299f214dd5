"""Runs in memory for tests of cases: an agent that ships, a page about a lamp, and a model that says its lines."""

from __future__ import annotations

from typing import Any

import orjson

from agent import CallModel, Found, ModelAnswer, Passage, Search
from agent.agents import documents
from agent.cases import Case
from agent.definition import Agent
from agent.events import Usage
from agent.testing import Chain, Script
from agent.testing.rehearsal import rehearse

QUOTE = "a warranty of two years"
PAGE = Passage(id="a1", label="", document_id="d1", title="Lamp", source="lamp.md", text=f"The lamp has {QUOTE}.")
RIGHT = {
    "answer": "The lamp has a warranty of two years.",
    "citations": [{"passage_id": "p1", "quote": QUOTE}],
    "no_answer": False,
}
WRONG = {**RIGHT, "citations": [{"passage_id": "p1", "quote": "a warranty of nine lives"}]}
QUESTION = "How long is the warranty?"


def says(reply: Any, **more: Any) -> ModelAnswer:
    text = reply if isinstance(reply, str) else orjson.dumps(reply).decode()
    usage = Usage(input_tokens=100, output_tokens=20)
    return ModelAnswer(text=text, model="scripted", endpoint="desk", usage=usage, **more)


def chain(*said: Any, agent: Agent = documents, page: Passage = PAGE) -> Chain:
    """A chain whose model says these things in turn; what is an error is raised."""
    replies = [it if isinstance(it, Exception | ModelAnswer) else says(it) for it in said]
    found = Found(passages=(page,), index_version=3)
    return rehearse(agent, Script({Search: lambda effect: found, CallModel: replies}))


async def case_of(*said: Any, question: str = QUESTION, **changes: Any) -> Case:
    """The case of a run on such a chain."""
    it = chain(*said, **changes)
    return it.case(await it.ask(question))
