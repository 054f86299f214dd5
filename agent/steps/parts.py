"""What a chain of steps is built from: an agent's choices, and the prompts and models of this process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from agent.checks.draft import Check
from agent.checks.output import Output, output_schema
from agent.prompting import PromptBook
from agent.router import Route


@dataclass(frozen=True, slots=True)
class Retrieval:
    """Where passages come from, and how many a question gets."""

    collection: str = "default"
    limit: int = 6


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
    failures: int = 24
    """Failed attempts of one run, at all of its steps together."""


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

    @property
    def output_schema(self) -> str | None:
        """The JSON Schema of the output as JSON text; None where the answer is plain text."""
        return None if self.output is None else output_schema(self.output)


Routes = Callable[[Parts], list[Route[Any]]]
"""Builds an agent's flow: `grounded_routes`, `plain_routes`, or an author's own table."""
