"""What a chain of steps is built from: an agent's choices, and the prompts and models of this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from agent.checks.draft import Check
from agent.checks.output import Output, output_schema
from agent.errors import Misconfigured
from agent.filters import Filter, Scalar, both, equal
from agent.prompting import PromptBook
from agent.router import Route
from agent.tools import Toolbox

Collections = Sequence[str] | Literal["any"]
MOST_PASSAGES = 50
MOST_NEIGHBOURS = 5


@dataclass(frozen=True, slots=True)
class Retrieval:
    """Where passages come from, and how many a question gets.

    Raises `Misconfigured` if it can find nothing.
    """

    collection: str = "default"
    limit: int = 6
    where: Mapping[str, Scalar | Sequence[Scalar]] = field(default_factory=dict)
    """Only documents with these attributes are searched, whatever a request asks for."""
    neighbours: int = 0
    """How many passages before and after each one that was found come with it."""
    choosable: Collections = ()
    """What a request may search instead of `collection`: these, or any of its project's (`"any"`)."""

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= MOST_PASSAGES or not 0 <= self.neighbours <= MOST_NEIGHBOURS:
            raise Misconfigured(
                f"a retrieval brings 1 to {MOST_PASSAGES} passages with 0 to {MOST_NEIGHBOURS} neighbours: "
                f"look at limit={self.limit} and neighbours={self.neighbours}"
            )
        if isinstance(self.choosable, str) and self.choosable != "any":
            raise Misconfigured(f"choosable is a tuple of collections or 'any', not {self.choosable!r}")
        try:
            equal(self.where)
        except ValueError as error:
            raise Misconfigured(f"a retrieval cannot look for such attributes: {error}") from error

    def may_search(self, collection: str) -> bool:
        """Whether a request may ask for this collection."""
        return self.choosable == "any" or collection in (self.collection, *self.choosable)

    def filter(self, wanted: Filter | None = None) -> Filter | None:
        """What documents must meet: its own condition, and what a request wants beside it."""
        return both(equal(self.where), wanted)

    def told(self) -> Mapping[str, Any]:
        """What of it changes answers."""
        own = {"collection": self.collection, "limit": self.limit}
        where = {"where": dict(self.where)} if self.where else {}
        return own | where | ({"neighbours": self.neighbours} if self.neighbours else {})


@dataclass(frozen=True, slots=True)
class Budget:
    """What one run may use up. `usd` is None where only the other limits count."""

    repairs: int = 2
    """Of each model of the chain; 0: the first draft is the only one."""
    max_output_tokens: int = 1024
    """Of one reply; a request may ask for less."""
    deadline_s: float = 120.0
    usd: Decimal | None = None
    tokens: int | None = None
    """Input and output of all calls together; None where only the other limits count."""
    calls: int | None = None
    """Calls of models, failed and repeated ones too, but for those that came too early; None: as many as it takes."""
    failures: int = 24
    """Failed attempts of one run, at all of its steps together."""
    tool_rounds: int = 8
    """How often in one run a model may have tools of the agent called."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything a chain is built from. `models` is the chain of models, the first choice first."""

    book: PromptBook
    prompt: str
    models: tuple[str, ...]
    checks: tuple[Check, ...]
    output: Output | None
    budget: Budget
    retrieval: Retrieval
    no_answer_text: str
    tools: Toolbox = field(default_factory=Toolbox)
    fallback: tuple[str, ...] = ()

    @property
    def output_schema(self) -> str | None:
        """The JSON Schema of the output as JSON text; None where the answer is plain text."""
        return None if self.output is None else output_schema(self.output)


Routes = Callable[[Parts], list[Route[Any]]]
"""Builds an agent's flow: `grounded_routes`, `plain_routes`, or an author's own table."""
