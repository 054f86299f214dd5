"""The one shape every step has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from agent.effects import Ask
from agent.events import Event
from agent.run import Run

E_contra = TypeVar("E_contra", bound=Event, contravariant=True)


class Step(Protocol[E_contra]):
    """The newest event and the run so far in, what happens next out.

    A step knows nothing but `event`, `run` and the answers it gets from `ask`: given the same ones it returns the
    same events. That is what makes a crash, a retry and a replay the same thing. The last event it returns is the
    run's open event; those before it are facts that nobody takes.
    """

    async def __call__(self, event: E_contra, run: Run, ask: Ask, /) -> Sequence[Event]: ...
