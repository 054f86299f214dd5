"""A tool: a pydantic model of its arguments and a coroutine, with its limits."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, get_type_hints, overload

from pydantic import BaseModel, PydanticUserError, ValidationError

from agent.checks.json_schema import BadSchema, compiled
from agent.checks.parsing import schema
from agent.checks.telling import problem, told
from agent.errors import Misconfigured
from agent.items import CALLABLE, FunctionTool

MOST_CHARS = 20_000


class ToolError(Exception):
    """What a tool raises to tell the model, in words for it, why there is no result. The call is not tried again."""


@dataclass(frozen=True, slots=True)
class ToolContext:
    """What a tool is told beside its arguments.

    `key` is the same whenever this very call is made again, after a crash too: hand it on as the idempotency key of
    whatever the tool spends or writes. `remaining_s` is what is left of the call's time limit.
    """

    run: str
    project: str
    key: str
    attempt: int
    """The nth try at this call by this worker, from 1."""
    remaining_s: float


Work = Callable[[Any, ToolContext], Awaitable[Any]]
"""The coroutine of a tool. What it returns is told to the model: text as it is, anything else as JSON."""


@dataclass(frozen=True, kw_only=True)
class Tool:
    """Something the service does when a model asks for it. `description` is what the model reads.

    Raises `Misconfigured` when built with a name that no endpoint takes, or with limits that allow nothing.
    """

    name: str
    description: str
    arguments: type[BaseModel]
    work: Work
    timeout_s: float = 30.0
    """Of one try."""
    retries: int = 2
    """How often a try that failed is made again within one delivery, with the same `key`; 0 for never."""
    most_chars: int = MOST_CHARS
    """A longer result is cut."""
    approval: bool | Callable[[Any], bool] = False
    """Whether somebody has to approve a call before it is made; a function is given the arguments."""
    approval_s: float = 3_600.0
    """How long a run waits for that; then the call is denied."""

    def __post_init__(self) -> None:
        if not CALLABLE.fullmatch(self.name):
            raise Misconfigured(f"a tool cannot be called {self.name!r}: use 1 to 64 letters, digits, `_` and `-`")
        if not (self.timeout_s > 0 and self.approval_s > 0 and self.retries >= 0 and self.most_chars > 0):
            raise Misconfigured(f"tool {self.name!r} has limits that allow nothing")

    @cached_property
    def function(self) -> FunctionTool:
        """The tool as a model is told of it."""
        return FunctionTool(name=self.name, description=self.description, parameters=schema(self.arguments))

    def check(self) -> None:
        """Raises `Misconfigured` if calls could not be judged: by then a model has been paid for asking for one."""
        try:
            if self.function.parameters is not None:
                compiled(self.function.parameters)
        except BadSchema as error:
            wrong = f"/{'/'.join(map(str, error.path))} {error.problem}"
            raise Misconfigured(f"tool {self.name!r}: the schema of its arguments cannot be used: {wrong}") from None
        except PydanticUserError as error:
            wrong = error.message
            raise Misconfigured(f"tool {self.name!r}: its arguments have no JSON Schema: {wrong}") from None

    @property
    def declared(self) -> list[Any]:
        """What the version of an agent is made of."""
        return [self.function.model_dump(), bool(self.approval)]

    def needs_approval(self, arguments: str) -> bool:
        """Whether a call with these arguments has to be approved. Raises what the author's own code does."""
        if isinstance(self.approval, bool):
            return self.approval
        value = self.read(arguments)
        return not isinstance(value, list) and self.approval(value)

    def read(self, arguments: str) -> BaseModel | list[str]:
        """The arguments of a call, or what is wrong with them in words for the model. Raises nothing."""
        try:
            return self.arguments.model_validate_json(arguments)
        except ValidationError as error:
            return told(error)
        except Exception as error:  # an author's own validator met what it did not expect
            return [problem((), type(error).__name__)]


@overload
def tool(function: Callable[..., Awaitable[Any]], /) -> Tool: ...
@overload
def tool(
    *, name: str | None = None, description: str | None = None, **limits: Any
) -> Callable[[Callable[..., Awaitable[Any]]], Tool]: ...
def tool(
    function: Callable[..., Awaitable[Any]] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    **limits: Any,
) -> Tool | Callable[[Callable[..., Awaitable[Any]]], Tool]:
    """Make a tool of a coroutine `(arguments, context)` or `(arguments)`, whose first parameter names its model.

    Written `@tool`, or `@tool(...)` with settings. Its name is the function's and its description the docstring, where
    none are given. `limits` are those of `Tool`.
    Raises `Misconfigured` for a function that is no such coroutine.
    """

    def made(function: Callable[..., Awaitable[Any]]) -> Tool:
        return Tool(
            name=name or function.__name__,
            description=description or inspect.cleandoc(function.__doc__ or ""),
            arguments=_model_of(function),
            work=_with_context(function),
            **limits,
        )

    return made if function is None else made(function)


def _model_of(function: Callable[..., Awaitable[Any]]) -> type[BaseModel]:
    parameters = list(inspect.signature(function).parameters)
    model = get_type_hints(function).get(parameters[0]) if parameters else None
    if not inspect.iscoroutinefunction(function) or not (inspect.isclass(model) and issubclass(model, BaseModel)):
        raise Misconfigured(f"{function.__name__!r} is no tool: write a coroutine whose first parameter is a model")
    return model


def _with_context(function: Callable[..., Awaitable[Any]]) -> Work:
    if len(inspect.signature(function).parameters) > 1:
        return function

    async def work(arguments: BaseModel, _: ToolContext) -> Any:
        return await function(arguments)

    return work
