"""What is another than it was in a run that is forked: the agent, its prompt, its models, or one of its settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from agent import settings
from agent.cases import Case
from agent.cases.case import closed
from agent.definition import Agent, BoundAgent
from agent.errors import Misconfigured
from agent.prompting import Prompt, PromptBook
from agent.prompting.prompt import HEADER
from agent.request import Request
from agent.testing.replaying.binding import agent_of, bound_as_then
from agent.testing.replaying.settable import Setting, with_settings

MOST_BYTES = 1_000_000
"""Of a prompt's file."""


@dataclass(frozen=True, slots=True)
class Changes:
    """`prompt` is a prompt's folder, one template of it (`system.j2`), or `name@version`; a name alone means the
    current version here. `models` are a chain in place of the agent's and the request's. What is empty stays.
    """

    agent: Agent | str | None = None
    prompt: str = ""
    models: tuple[str, ...] = ()
    settings: tuple[Setting, ...] = ()

    def told(self) -> Sequence[str]:
        """In words."""
        agent = self.agent if isinstance(self.agent, str) or self.agent is None else self.agent.name
        named = {"agent": agent, "prompt": self.prompt, "model": ", ".join(self.models)}
        return [
            *(f"{name}={value}" for name, value in named.items() if value),
            *(f"{it.path}={it.value}" for it in self.settings),
        ]


@dataclass(frozen=True, slots=True)
class Staged:
    """What runs: an agent that is bound, its prompts, and the request."""

    bound: BoundAgent
    book: PromptBook
    request: Request

    @property
    def models(self) -> Sequence[str]:
        """The chain that the run asks."""
        return self.request.models or self.bound.models


def staged(case: Case, changes: Changes, here: Sequence[str] | None = None) -> Staged:
    """What a case is run with.

    Prompts and models that nobody changed are the case's; with `here`, the models of this service, they are those that
    the service would use here. Raises `Misconfigured` for changes that cannot be.
    """
    agent, request = with_settings(agent_of(case, changes.agent), _request(case), changes.settings)
    if changes.models:
        agent, request = replace(agent, models=changes.models), request.model_copy(update={"models": ()})
    book = _here() if here is not None else _then(case, agent)
    if changes.prompt:
        prompt = _prompt(changes.prompt, case, agent, book)
        book.start_with([prompt])
        agent = replace(agent, prompt=prompt.name)
    return Staged(bound_as_then(agent, case, book, here or ()), book, request)


def _request(case: Case) -> Request:
    try:
        return Request.model_validate_json(closed(case.request))
    except ValidationError as error:
        raise Misconfigured(f"the case's request cannot be read: {error.error_count()} problems") from None


def _here() -> PromptBook:
    return PromptBook.here(settings.load().prompts_dir)


def _then(case: Case, agent: Agent) -> PromptBook:
    """The prompts of the case; beside those that are here where the agent wants another one."""
    prompts = _recorded(case)
    if agent.prompt in {prompt.name for prompt in prompts}:
        return PromptBook.of(prompts)
    book = _here()
    book.start_with(prompts)
    return book


def _recorded(case: Case) -> Sequence[Prompt]:
    return [Prompt.from_sources(files, where=f"the case's prompt {name}") for name, files in case.sources.items()]


def _prompt(wanted: str, case: Case, agent: Agent, book: PromptBook) -> Prompt:
    path = Path(wanted)
    if path.is_dir():
        return Prompt.from_sources(_files(path), where=f"the prompt in {path}")
    if path.name == HEADER and path.is_file():
        return Prompt.from_sources(_files(path.parent), where=f"the prompt in {path.parent}")
    if path.suffix == ".j2":
        sources = {**book.current(agent.prompt).sources, path.name: _text(path)}
        return Prompt.from_sources(sources, where=f"{agent.prompt} with {path}")
    return _named(wanted, case)


def _named(wanted: str, case: Case) -> Prompt:
    """By name, or by name and version with or without its hash."""
    name, _, version = wanted.partition("@")
    book = _here()
    if not version:
        return book.current(name)
    known = [*(it for it in _recorded(case) if it.name == name), *book.versions(name)]
    for prompt in known:
        if prompt.version == version or prompt.version.startswith(f"{version}+"):
            return prompt
    there = ", ".join(dict.fromkeys(prompt.id for prompt in known)) or "no prompt of this name, nor such a file"
    raise Misconfigured(f"there is no prompt {wanted!r}; there is {there}")


def _files(folder: Path) -> Mapping[str, str]:
    return {path.name: _text(path) for path in (folder / HEADER, *sorted(folder.glob("*.j2")))}


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            found = file.read(MOST_BYTES + 1)
        if len(found) > MOST_BYTES:
            raise Misconfigured(f"{path} has more than {MOST_BYTES:,} bytes, and is no file of a prompt")
        return found.decode()
    except OSError as error:
        raise Misconfigured(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise Misconfigured(f"{path} is no text in UTF-8") from None
