"""A well-formed answer with the wrong thing in it. The tokens were generated, so they are billed."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from pydantic import Field

from agent.testing.fake_model.completion import Completion, dumps
from agent.testing.fake_model.faults.base import FaultBase

FILLER = "The show goes on and on. "


class NullContent(FaultBase):
    """`content: null` without a reason."""

    kind: Literal["null_content"]

    def alter(self, completion: Completion, /) -> Completion:
        return replace(completion, content=None)


class Refusal(FaultBase):
    """`message.refusal` is set, the content is null."""

    kind: Literal["refusal"]
    text: str = "I'm sorry, I can't assist with that request."

    def alter(self, completion: Completion, /) -> Completion:
        return replace(completion, content=None, refusal=self.text)


class ContentFilter(FaultBase):
    """The vendor's filter stopped the answer after `chars` characters."""

    kind: Literal["content_filter"]
    chars: int = Field(20, ge=0)

    def alter(self, completion: Completion, /) -> Completion:
        return replace(completion, content=(completion.content or "")[: self.chars], finish_reason="content_filter")


class Length(FaultBase):
    """The token limit stopped the answer after `chars` characters."""

    kind: Literal["length"]
    chars: int = Field(20, ge=0)

    def alter(self, completion: Completion, /) -> Completion:
        return replace(completion, content=(completion.content or "")[: self.chars], finish_reason="length")


class WrongSchema(FaultBase):
    """Valid JSON of a shape that nobody asked for."""

    kind: Literal["wrong_schema"]

    def alter(self, completion: Completion, /) -> Completion:
        shape = {"reply": {"text": completion.content or "", "confidence": "high"}, "sources": 3}
        return replace(completion, content=dumps(shape).decode())


class FakeCitation(FaultBase):
    """The shape that was asked for, with a quote that stands in no passage."""

    kind: Literal["fake_citation"]
    answer: str = "The moon is made of green cheese."
    passage_id: str = "p1"
    quote: str = "it has been proven beyond doubt that the moon consists of green cheese"

    def alter(self, completion: Completion, /) -> Completion:
        citation = {"passage_id": self.passage_id, "quote": self.quote}
        shape = {"answer": self.answer, "citations": [citation], "no_answer": False}
        return replace(completion, content=dumps(shape).decode())


class BadCharacters(FaultBase):
    """The answer with a NUL and a lone surrogate behind it: legal in JSON, refused by databases and encoders."""

    kind: Literal["bad_characters"]

    def alter(self, completion: Completion, /) -> Completion:
        return replace(completion, content=(completion.content or "") + "\x00\ud800")


class Huge(FaultBase):
    """A text without end."""

    kind: Literal["huge"]
    size_bytes: int = Field(1_000_000, ge=1, le=100_000_000)

    def alter(self, completion: Completion, /) -> Completion:
        text = FILLER * (self.size_bytes // len(FILLER) + 1)
        return replace(completion, content=text[: self.size_bytes])
