"""Every way the fake model can misbehave, by the `kind` that a script names."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from agent.testing.fake_model.faults.bodies import (
    CutJson,
    EmptyChoices,
    ErrorIn200,
    Html,
    Slow,
    StreamCut,
    StreamUnfinished,
    WrongTypes,
)
from agent.testing.fake_model.faults.connections import Drop, Hang
from agent.testing.fake_model.faults.contents import (
    BadCharacters,
    ContentFilter,
    FakeCitation,
    Huge,
    Length,
    NullContent,
    Refusal,
    WrongSchema,
)
from agent.testing.fake_model.faults.statuses import (
    BadRequest,
    ContextLength,
    InsufficientQuota,
    NotFound,
    RateLimited,
    ServerError,
    Unauthorized,
)

Fault = Annotated[
    RateLimited
    | InsufficientQuota
    | ServerError
    | BadRequest
    | ContextLength
    | Unauthorized
    | NotFound
    | Hang
    | Drop
    | CutJson
    | Html
    | ErrorIn200
    | WrongTypes
    | EmptyChoices
    | Slow
    | StreamUnfinished
    | StreamCut
    | NullContent
    | Refusal
    | ContentFilter
    | Length
    | WrongSchema
    | FakeCitation
    | BadCharacters
    | Huge,
    Field(discriminator="kind"),
]
"""One of them, told apart by `kind`."""
