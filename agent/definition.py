"""An agent is one object. Bound to prompts and models, it is everything that a process needs to run it."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import orjson

from agent.approvals import APPROVED
from agent.checks.draft import Check
from agent.checks.judging import described
from agent.checks.output import Output, check_output
from agent.envelope import index
from agent.errors import Misconfigured
from agent.events import CATALOGUE, ApprovalDecided, Event, RequestReceived
from agent.failures import OF_ANSWERS
from agent.prompting import PromptBook, check_supplied
from agent.prompting.prompt import NAME, SEMVER
from agent.router import Route, Router
from agent.steps import Before, Budget, Drafting, Parts, Retrieval, Routes, grounded_routes, plain_routes
from agent.steps.joining import inner_of, joined, name_of_step
from agent.tools import McpServer, Tool, Toolbox

NO_ANSWER = "The documents do not answer this question."


@dataclass(frozen=True, kw_only=True)
class Agent:
    """What a user defines. `name` is what a request asks for in its `model` field.

    Raises `Misconfigured` when built with a name, a version, a budget or an output that cannot be.
    """

    name: str
    prompt: str
    """The name of its prompt in the prompt directories."""
    version: str = "1.0.0"
    description: str = ""
    models: tuple[str, ...] = ()
    """The chain of models, first choice first; empty for the one in the settings."""
    fallback: tuple[Literal["refused", "truncated"], ...] = ()
    """Answers that are passed on: the next model of the chain is asked as after a failure, if there is one."""
    retrieval: Retrieval | None = None
    checks: tuple[Check, ...] = ()
    tools: tuple[Tool | McpServer, ...] = ()
    """What a model may have the service do before it answers."""
    output: Output | None = None
    """What the model's reply must parse into: a pydantic model or a JSON Schema as a dict; None for plain text."""
    budget: Budget = field(default_factory=Budget)
    routes: Routes | tuple[Route[Any], ...] = ()
    """Its flow is `grounded_routes` with retrieval and `plain_routes` without. Routes that stand here join it, in place
    of those that have their name or take their event; a function of `Parts` is the whole flow instead."""
    steps: tuple[Before, ...] = ()
    """Steps of its own in front of routes of the flow."""
    no_answer_text: str = NO_ANSWER
    """What the client reads when the passages do not hold the answer."""
    events: tuple[type[Event], ...] = ()
    """Facts of its own that a step returns before the open event and that no route takes."""

    def __post_init__(self) -> None:
        if not re.fullmatch(NAME, self.name):
            raise Misconfigured(f"an agent cannot be called {self.name!r}: use 1 to 64 letters, digits, `_`, `.`, `-`")
        if not re.fullmatch(SEMVER, self.version):
            raise Misconfigured(f"agent {self.name!r} has version {self.version!r}: use three numbers, such as 1.0.0")
        if unknown := set(self.fallback) - set(OF_ANSWERS.values()):
            raise Misconfigured(f"agent {self.name!r}: an answer that is {min(unknown)!r} cannot be passed on")
        _check_budget(self.name, self.budget)
        for check in self.checks:
            if not callable(check) or inspect.iscoroutinefunction(check):
                said = getattr(check, "__name__", repr(check))
                raise Misconfigured(f"agent {self.name!r}: its check {said[:80]} must be a plain function of a draft")
        for each in self.tools:
            if each.approval and each.approval_s >= self.budget.deadline_s:
                raise Misconfigured(
                    f"agent {self.name!r}: its tool {each.name!r} waits {each.approval_s:g} s for an approval, "
                    f"and a run has {self.budget.deadline_s:g} s; raise budget.deadline_s or lower approval_s"
                )
        if self.output is not None:
            try:
                check_output(self.output)
            except ValueError as error:
                raise Misconfigured(f"agent {self.name!r}: its output {error}") from None

    def bind(self, book: PromptBook, models: tuple[str, ...]) -> BoundAgent:
        """This agent with its prompts and, where it names none itself, these models.

        Raises `Misconfigured` if the prompt is missing or does not fit, if there is no model, if routes collide,
        or if none of them takes the first event.
        """
        prompt = book.current(self.prompt)
        for known in book.versions(self.prompt):
            check_supplied(known)  # an older one is rendered as well, for runs that began with it
        parts = self._parts(book, self.models or tuple(models))
        try:
            routes = self._routes(parts)
            told = (event for route in routes for event in (route.accepts, *route.produces))
            router = Router(routes)
            catalogue = index([*CATALOGUE, *told, *self.facts])
        except ValueError as error:
            raise Misconfigured(f"agent {self.name!r}: {error}") from error
        if RequestReceived not in router.routes:
            raise Misconfigured(f"agent {self.name!r}: no route takes {RequestReceived.type!r}, so no run can begin")
        decided = router.routes.get(ApprovalDecided)
        if decided is not None and APPROVED not in {route.name for route in router.routes.values()}:
            wrong = f"the route that takes {ApprovalDecided.type!r} must be called {APPROVED!r}, not {decided.name!r}"
            raise Misconfigured(f"agent {self.name!r}: {wrong}: a decision sends runs there")
        prompts = {prompt.name: prompt.version}
        version = f"{self.version}+{_fingerprint(parts, router, prompts)}"
        return BoundAgent(self, router, catalogue, prompts, parts.models, version, parts.tools)

    def _parts(self, book: PromptBook, models: tuple[str, ...]) -> Parts:
        if not models:
            raise Misconfigured(f"agent {self.name!r} has no model: name one in CUELIGHT_MODELS or in the agent")
        return Parts(
            book=book,
            prompt=self.prompt,
            models=models,
            checks=self.checks,
            output=self.output,
            budget=self.budget,
            retrieval=self.retrieval or Retrieval(),
            no_answer_text=self.no_answer_text,
            tools=Toolbox.of(self.tools, self.budget.tool_rounds),
            fallback=self.fallback,
        )

    def _routes(self, parts: Parts) -> list[Route[Any]]:
        """Raises `ValueError` if a step has no place in the flow."""
        if callable(self.routes):
            return joined(self.routes(parts), (), self.steps)
        flow = grounded_routes(parts) if self.retrieval else plain_routes(parts)
        return joined(flow, self.routes, self.steps)

    @property
    def facts(self) -> tuple[type[Event], ...]:
        """Events that no route takes and that end nothing."""
        return (*self.events, *(fact for step in self.steps for fact in step.facts))


@dataclass(frozen=True)
class BoundAgent:
    """An agent ready to run. `version` is `1.0.0+hash`: the hash changes with whatever changes its answers.

    `prompts` maps the names of its prompts to the versions that new runs start with; `catalogue` is every event that
    its runs may hold, by type.
    """

    agent: Agent
    router: Router
    catalogue: Mapping[str, type[Event]]
    prompts: Mapping[str, str]
    models: tuple[str, ...]
    version: str
    tools: Toolbox = field(default_factory=Toolbox)

    @property
    def name(self) -> str:
        return self.agent.name

    @property
    def first_route(self) -> str:
        """The route that a new run starts with."""
        return self.router.routes[RequestReceived].name

    def models_at(self, route: str) -> frozenset[str]:
        """The models that the step of a route drafts with; none where it has no `drafting`."""
        drafting = (
            getattr(inner_of(it.step), "drafting", None) for it in self.router.routes.values() if it.name == route
        )
        return frozenset(model for it in drafting if isinstance(it, Drafting) for model in it.models)

    @property
    def id(self) -> str:
        """`name@version`, as it stands beside every event."""
        return f"{self.name}@{self.version}"


def load(spec: str) -> Agent:
    """The agent at `module:attribute`; the module may lie in the working directory.

    Raises `Misconfigured` if there is no such module or attribute, if it is no agent, or if importing it failed.
    """
    module_name, colon, attribute = spec.partition(":")
    if not (module_name and colon and attribute):
        raise Misconfigured(f"{spec!r} names no agent: write module:attribute, such as my_agents:support")
    module = _import(module_name, spec)
    try:
        found = getattr(module, attribute)
    except AttributeError:
        raise Misconfigured(f"{spec!r}: the module {module_name!r} has no {attribute!r}") from None
    if not isinstance(found, Agent):
        raise Misconfigured(f"{spec!r} is {_a(type(found).__name__)}, not an Agent")
    return found


def _import(name: str, spec: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)  # at the end: a file in the working directory must not stand in for one of ours
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            raise Misconfigured(f"{spec!r}: there is no module {error.name!r} in {here} or installed") from None
        raise Misconfigured(f"{spec!r}: importing {name!r} failed: {error}") from error
    except Exception as error:
        raise Misconfigured(f"{spec!r}: importing {name!r} failed: {type(error).__name__}: {error}") from error


def _check_budget(name: str, budget: Budget) -> None:
    wrong = [
        limit
        for limit, right in {
            "repairs": budget.repairs >= 0,
            "max_output_tokens": budget.max_output_tokens > 0,
            "deadline_s": budget.deadline_s > 0,
            "usd": budget.usd is None or budget.usd > 0,
            "tokens": budget.tokens is None or budget.tokens > 0,
            "calls": budget.calls is None or budget.calls > 0,
            "failures": budget.failures > 0,
            "tool_rounds": budget.tool_rounds > 0,
        }.items()
        if not right
    ]
    if wrong:
        raise Misconfigured(f"agent {name!r} has a budget that allows nothing: look at {', '.join(wrong)}")


def _fingerprint(parts: Parts, router: Router, prompts: Mapping[str, str]) -> str:
    told: dict[str, Any] = {
        "prompts": dict(prompts),
        "models": parts.models,
        "checks": [described(check) for check in parts.checks],
        "output": parts.output_schema,
        "budget": _limits(parts),
        "retrieval": parts.retrieval.told(),
        "no_answer_text": parts.no_answer_text,
        "routes": [[route.name, route.accepts.type, name_of_step(route.step)] for route in router.routes.values()],
    }
    if parts.tools.tools:
        told["tools"] = [each.declared for each in parts.tools.tools.values()]
    if parts.fallback:
        told["fallback"] = sorted(parts.fallback)
    return sha256(orjson.dumps(told, option=orjson.OPT_SORT_KEYS, default=str)).hexdigest()[:8]


def _limits(parts: Parts) -> dict[str, Any]:
    """Those that can matter: an agent without tools, or a limit of calls, is the same as before there were any."""
    without = (() if parts.tools.tools else ("tool_rounds",)) + (("calls",) if parts.budget.calls is None else ())
    return {name: limit for name, limit in asdict(parts.budget).items() if name not in without}


def _a(noun: str) -> str:
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"
