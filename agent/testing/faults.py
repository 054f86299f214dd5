"""Faults of a model's endpoint by name: `Script(says("Noon."), faults=["rate_limited"])`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from agent.effects import ModelAnswer
from agent.errors import AgentError, Overloaded, Permanent, Transient
from agent.testing.replies import says

Happening = AgentError | ModelAnswer
"""An error, or an answer with which something is wrong."""


def _transient(kind: str) -> Callable[..., Happening]:
    return lambda message=f"a scripted fault: {kind}": Transient(message, kind=kind)


def _permanent(kind: str) -> Callable[..., Happening]:
    return lambda message=f"a scripted fault: {kind}": Permanent(message, kind=kind)


def _overloaded(kind: str) -> Callable[..., Happening]:
    def made(message: str = f"a scripted fault: {kind}", retry_after_s: float = 1.0) -> Happening:
        return Overloaded(message, kind=kind, retry_after_s=retry_after_s)

    return made


def _answer(finish_reason: str) -> Callable[..., Happening]:
    return lambda text="": says(text, finish_reason=finish_reason)


FAULTS: Mapping[str, Callable[..., Happening]] = {
    **{kind: _transient(kind) for kind in ("transport", "server", "malformed", "empty")},
    **{kind: _permanent(kind) for kind in ("quota", "rejected", "unauthorized", "context_length_exceeded")},
    "rate_limited": _overloaded("rate_limited"),
    **{reason: _answer(reason) for reason in ("refusal", "content_filter", "length")},
}
"""By the class of the error, or by the reason for which an answer stopped; the first four are tried again."""


def fault(name: str, **more: Any) -> Happening:
    """A fault by its name: `fault("rate_limited", retry_after_s=7)`, `fault("length", text="The lamp has")`.

    Raises `ValueError` for a name that is none.
    """
    try:
        made = FAULTS[name]
    except KeyError:
        raise ValueError(f"there is no fault {name!r}; there is {', '.join(FAULTS)}") from None
    return made(**more)
