"""An agent's whole chain in memory, with a worker's own code and a scripted world."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson

from agent.definition import Agent, BoundAgent
from agent.effects import Ask
from agent.ports import Delivery, Ledger, Streams
from agent.prompting import SHIPPED, Prompt, PromptBook
from agent.testing import Chain, Script
from workers.decide import Decider
from workers.handle import handle
from workers.perform import Perform

MODELS = ("m",)


class Archive:
    """The ledger's prompts, in memory."""

    def __init__(self, *prompts: Prompt) -> None:
        self._kept = {(it.name, it.version): orjson.dumps(dict(it.sources)).decode() for it in prompts}

    async def keep_prompt(self, name: str, version: str, sources: str) -> None:
        self._kept[name, version] = sources

    async def kept_prompt(self, name: str, version: str) -> str | None:
        return self._kept.get((name, version))


@dataclass(frozen=True, slots=True)
class Scripted(Perform):
    """A worker's doors to the world: the script's."""

    script: Script = field(default_factory=Script)

    def bind(self, begun: object) -> Ask:
        return self.script

    def quote(self, effect: object) -> None:
        return None


@dataclass(frozen=True)
class Work:
    """What a worker does."""

    agents: Mapping[str, BoundAgent]
    script: Script
    book: PromptBook
    archive: Archive = field(default_factory=Archive)

    async def __call__(self, delivery: Delivery, /, *, ledger: Ledger, streams: Streams) -> None:
        decide = Decider(self.agents, Scripted(None, None, script=self.script), ledger, self.book, self.archive)  # type: ignore[arg-type]
        await handle(delivery, decide=decide, ledger=ledger, streams=streams)


def chain_of(agent: Agent, script: Script, book: PromptBook | None = None) -> Chain:
    """The chain of an agent with the shipped prompts."""
    known = book or PromptBook.load(SHIPPED)
    bound = agent.bind(known, MODELS)
    return Chain(bound, Work({bound.name: bound}, script, known))
