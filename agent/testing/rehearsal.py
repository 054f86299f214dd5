"""An agent's whole chain in memory, with a worker's own code: for its author's tests, without engines or network."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import orjson
import structlog
from pydantic import BaseModel

from agent.approvals import Decision
from agent.definition import Agent, BoundAgent
from agent.effects import AnyEffect, Ask, CallTool, Effect
from agent.ports import Archive, Begun, Delivery, Ledger, Streams
from agent.prompting import Prompt, PromptBook
from agent.settings import load
from agent.testing.chain import Chain
from agent.testing.script import Script
from workers.decide import Decider
from workers.handle import handle
from workers.perform import Perform, Quote
from workers.tools import Tools

MODELS = ("scripted",)
T = TypeVar("T", bound=BaseModel)


def rehearse(agent: Agent, script: Script, *, prompts: PromptBook | None = None, approve: bool | None = None) -> Chain:
    """The chain of an agent whose questions to the world a script answers.

    Its tools are called for real, unless the script has a line for `CallTool`. Calls that wait for an approval are all
    approved (True), all denied (False), or wait until their time is over (None).
    The prompts are those that the service would use here: the shipped ones, `./prompts`, `CUELIGHT_PROMPTS_DIR`.
    Raises `Misconfigured` for an agent that the service would not start with.
    """
    log_plainly()
    book = prompts or PromptBook.here(load().prompts_dir)
    bound = agent.bind(book, MODELS)
    agents = {bound.name: bound}
    decision = None if approve is None else Decision(approve, by="rehearsal")
    return Chain(bound, Work(agents, scripted(script, agents), book), decision, book)


def log_plainly() -> None:
    """Tracebacks as Python writes them, unless somebody has said how: with every local variable they take seconds."""
    if not structlog.is_configured():
        renderer = structlog.dev.ConsoleRenderer(
            colors=sys.stdout.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
        structlog.configure(processors=[*structlog.get_config()["processors"][:-1], renderer])


def scripted(script: Script, agents: Mapping[str, BoundAgent]) -> Perform:
    """A script as a worker's doors to the world."""
    return _Scripted(None, None, tools=Tools(agents), script=script)  # type: ignore[arg-type]  # it has no other door


@dataclass(frozen=True, slots=True)
class _Scripted(Perform):
    script: Script = field(default_factory=Script)

    def bind(self, begun: Begun) -> Ask:
        perform = super(_Scripted, self).bind(begun)

        async def ask(effect: Effect[T], /) -> T:
            real = isinstance(effect, CallTool) and not self.script.knows(CallTool)
            if real:
                self.script.asked.append(effect)
                return await perform(effect)
            return await self.script(effect)

        return ask

    def quote(self, effect: AnyEffect) -> Quote | None:
        return None


class Shelved:
    """An archive of prompts in memory; where runs live no longer than their prompts it may stay empty."""

    def __init__(self, *prompts: Prompt) -> None:
        self._kept = {(it.name, it.version): orjson.dumps(dict(it.sources)).decode() for it in prompts}

    async def keep_prompt(self, name: str, version: str, sources: str) -> None:
        self._kept[name, version] = sources

    async def kept_prompt(self, name: str, version: str) -> str | None:
        return self._kept.get((name, version))


@dataclass(frozen=True, slots=True)
class Work:
    """What a worker does, on whichever ledger and streams a chain brings."""

    agents: Mapping[str, BoundAgent]
    perform: Perform
    book: PromptBook
    archive: Archive = field(default_factory=Shelved)

    async def __call__(self, delivery: Delivery, /, *, ledger: Ledger, streams: Streams) -> None:
        decide = Decider(self.agents, self.perform, ledger, self.book, self.archive)
        await handle(delivery, decide=decide, ledger=ledger, streams=streams)
