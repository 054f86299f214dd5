"""What a fault is: something between the finished generation and the socket."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from agent.testing.fake_model.call import Call
from agent.testing.fake_model.completion import Completion
from agent.testing.fake_model.wire import Reply


class FaultBase(BaseModel):
    """A way to misbehave."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: str

    @property
    def billed(self) -> bool:
        """Whether a real vendor would have charged for the call."""
        return True

    def applies(self, call: Call, /) -> bool:
        """Whether the fault concerns this call; if not, the line's answer is given as if the fault were not there."""
        return True

    def alter(self, completion: Completion, /) -> Completion:
        """The generation, with what the fault changes about it."""
        return completion

    def reply(self, completion: Completion, /) -> Reply:
        """What goes onto the wire for a generation that `alter` has been at."""
        return completion.reply()
