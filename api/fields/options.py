"""The plain fields of a request, with the limits of the specification."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from agent.items import Reasoning
from agent.request import StreamOptions
from api.body import join
from api.errors import ApiError, invalid, shown, unknown, unsupported

RESERVED = "cuelight."
"""Metadata keys that begin so are ours; a response carries them beside the client's own."""

Include = Literal[
    "file_citation",
    "cuelight.progress",
    "cuelight.verdicts",
    "reasoning.encrypted_content",
    "message.output_text.logprobs",
]
INCLUDES: tuple[str, ...] = get_args(Include)
"""What a request may ask for beyond what every response shows."""

_Key = Annotated[str, StringConstraints(max_length=64)]
_Value = Annotated[str, StringConstraints(max_length=512)]
_Name = Annotated[str, StringConstraints(max_length=64)]
_Penalty = Annotated[float, Field(ge=-2, le=2)]


class Options(BaseModel):
    """The fields that are their own value, as they were sent; null means the default everywhere."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")
    model: str | None = None
    instructions: str | None = None
    metadata: Annotated[dict[_Key, _Value], Field(max_length=16)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    presence_penalty: _Penalty | None = None
    frequency_penalty: _Penalty | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    max_output_tokens: Annotated[int, Field(ge=16)] | None = None
    max_tool_calls: Annotated[int, Field(ge=1)] | None = None
    parallel_tool_calls: bool | None = None
    reasoning: Reasoning | None = None
    service_tier: Literal["auto", "default", "flex", "priority"] | None = None
    prompt_cache_key: _Name | None = None
    safety_identifier: _Name | None = None
    user: Annotated[str, StringConstraints(max_length=512)] | None = None
    store: bool | None = None
    previous_response_id: Annotated[str, StringConstraints(max_length=128)] | None = None
    truncation: Literal["auto", "disabled"] | None = None
    include: list[Include] | None = None
    background: bool | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None


def read_options(body: Mapping[str, Any]) -> Options:
    """Raises `ApiError` 400 naming the field that is wrong."""
    try:
        options = Options.model_validate(body)
    except ValidationError as error:
        raise _by_field(error) from None
    if options.background and options.store is False:
        raise invalid("background", "needs a response that is stored: with store false nobody could ever read it")
    if options.stream_options is not None and not options.stream:
        raise invalid("stream_options", "is for streams: send stream true with it")
    for key in options.metadata or ():
        if key.startswith(RESERVED):
            raise invalid(join("metadata", key), f"keys that begin with {RESERVED!r} are the service's own")
    return options


def _by_field(error: ValidationError) -> ApiError:
    first = error.errors(include_url=False)[0]
    path = ""
    for part in first["loc"]:
        path = path if part == "[key]" else join(path, part)
    if first["type"] == "extra_forbidden":
        return unknown(path)
    if first["type"] == "literal_error" and path.startswith("include"):
        return unsupported(path, repr(shown(str(first["input"]))), there=INCLUDES)
    return invalid(path, first["msg"].replace("Input should", "should"))
