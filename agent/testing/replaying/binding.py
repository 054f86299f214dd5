"""The agent of a case, bound to the prompts that stand in it."""

from __future__ import annotations

from agent.cases import Case
from agent.definition import Agent, BoundAgent, load
from agent.errors import Misconfigured
from agent.prompting import Prompt, PromptBook


def bound_for(case: Case, agent: Agent | str | None = None) -> tuple[BoundAgent, PromptBook]:
    """The agent, as an object or as `module:attribute`; the one that the case names by default.

    Its prompts are those of the case; where it wants another one, that is taken from the prompts that are here. Raises
    `Misconfigured`.
    """
    spec = agent or case.agent.spec
    if not spec:
        raise Misconfigured(
            f"the case does not say where its agent {case.agent.name!r} is: name it as module:attribute"
        )
    found = load(spec) if isinstance(spec, str) else spec
    prompts = [Prompt.from_sources(files, where=f"the case's prompt {name}") for name, files in case.sources.items()]
    models = case.agent.models or ("recorded",)
    if found.prompt in {prompt.name for prompt in prompts}:
        book = PromptBook.of(prompts)
    else:
        book = PromptBook.here()
        book.start_with(prompts)
    return found.bind(book, models), book
