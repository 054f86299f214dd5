"""The connection itself fails. A byte of an answer means that there was one: that is billed, silence is not."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from pydantic import Field

from agent.testing.fake_model.completion import Completion
from agent.testing.fake_model.faults.base import FaultBase
from agent.testing.fake_model.wire import Reply


class Hang(FaultBase):
    """The call is taken, and then nothing happens until the client leaves; or nothing more after `after_bytes`."""

    kind: Literal["hang"]
    after_bytes: int = Field(0, ge=0)

    @property
    def billed(self) -> bool:
        return self.after_bytes > 0

    def reply(self, completion: Completion, /) -> Reply:
        return replace(completion.reply(), only_bytes=self.after_bytes, ending="hang")


class Drop(FaultBase):
    """The connection closes after `after_bytes` of the response, its head included; `reset` closes it with RST."""

    kind: Literal["drop"]
    after_bytes: int = Field(0, ge=0)
    reset: bool = False

    @property
    def billed(self) -> bool:
        return self.after_bytes > 0

    def reply(self, completion: Completion, /) -> Reply:
        return replace(completion.reply(), only_bytes=self.after_bytes, ending="reset" if self.reset else "cut")
