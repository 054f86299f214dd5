"""An error as data: what is kept of it on record, and the same error again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict

from agent import errors
from agent.errors import AgentError, Held, Overloaded

CLASSES: Mapping[str, type[AgentError]] = {
    it.__name__: it
    for it in vars(errors).values()
    if isinstance(it, type) and issubclass(it, AgentError) and it is not AgentError
}
"""Every error that a step or an effect may raise on purpose, by its name."""

WAITS: Mapping[type[AgentError], str] = {Overloaded: "retry_after_s", Held: "wait_s"}
"""Errors that name a time to wait, and what that is called."""


class Fault(BaseModel):
    """An error that was met: its class by name, its kind, its words, and the seconds that it named to wait, if any."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    error: str
    kind: str
    message: str = ""
    wait_s: float | None = None

    @classmethod
    def of(cls, error: Exception) -> Fault:
        """What is kept of any error; one that nobody raised on purpose is a `bug`."""
        name = next((WAITS[kind] for kind in WAITS if isinstance(error, kind)), None)
        wait_s = getattr(error, name) if name else None
        kind = error.kind if isinstance(error, AgentError) else "bug"
        return cls(error=type(error).__name__, kind=kind, message=str(error)[:2000], wait_s=wait_s)

    def columns(self) -> str:
        """What no column of its own holds, as JSON."""
        told: dict[str, Any] = {"error": self.error}
        return orjson.dumps(told | ({} if self.wait_s is None else {"wait_s": self.wait_s})).decode()

    def again(self) -> Exception:
        """The same error once more. One that is not ours comes as an error that is called the same."""
        kind = CLASSES.get(self.error)
        if kind is None:
            bug: Exception = type(self.error, (Exception,), {})(self.message)
            return bug
        waits: dict[str, Any] = {name: self.wait_s or 0.0 for it, name in WAITS.items() if issubclass(kind, it)}
        return kind(self.message, kind=self.kind, **waits)
