"""What a check is, and what it is shown."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from agent.events import CalledTool, Evidence, Passage
from agent.items import FunctionCall
from agent.request import Request


@dataclass(frozen=True, slots=True)
class Cited:
    """A citation as the model wrote it: a passage's label or id, and words that it says stand there."""

    passage_id: str
    quote: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A draft after it was parsed. `raw` is the model's text; `answer` the part that is meant for the client."""

    raw: str
    answer: str
    request: Request
    passages: tuple[Passage, ...] = ()
    citations: tuple[Cited, ...] = ()
    no_answer: bool = False
    value: Any = None
    """The parsed output, where the agent has one: an object of its pydantic model, or plain JSON for a JSON Schema."""
    calls: tuple[FunctionCall, ...] = ()
    """The calls of the client's functions, which have passed their own checks."""
    mends: tuple[str, ...] = ()
    """What was mended in `raw` before it could be read: `thoughts`, `fence`, `prose`, `lenient`."""
    results: tuple[CalledTool, ...] = ()
    """What the agent's own tools brought in this run, oldest first."""
    told: str = ""
    """The agent's own prompt as its author wrote it: what its answers should not repeat."""


Check = Callable[[Draft], Iterable[str | Evidence]]
"""No strings means that the draft passes; each string is one problem, told to the model in these words.

A check may yield `Evidence` beside them: where in the draft and in a passage it looked. That is kept with its verdict.
The function's name is the check's name in events and messages.
"""


AnyCheck = TypeVar("AnyCheck", bound=Check)
_GROUNDING = "about_grounding"


def grounding(check: AnyCheck) -> AnyCheck:
    """Marks a check whose problems more passages may help with: the search is widened before the model is asked again.

    All other problems are of form, and the model can mend them with what it has.
    """
    vars(check)[_GROUNDING] = True
    return check


def is_grounding(check: Check) -> bool:
    """Whether a check was marked by `grounding`, also under `functools.partial`."""
    inner = check.func if isinstance(check, functools.partial) else check
    return bool(getattr(inner, _GROUNDING, False))
