"""Whether what a door sent is what the Open Responses specification and OpenAI's client promise each other.

The specification's own schema is used where its file is: at `CUELIGHT_OPENRESPONSES`, or beside the repository at
`../shared/openresponses/openapi.json`. The client's types always are. Where we leave the specification knowingly,
`_forgiven` says how.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import jsonschema_rs
import orjson
from openai.types import Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import InputTokenCountResponse, Response, ResponseItemList, ResponseStreamEvent

FILE = Path(
    os.environ.get("CUELIGHT_OPENRESPONSES")
    or Path(__file__).resolve().parents[2] / "shared" / "openresponses" / "openapi.json"
)
PRESENT = FILE.is_file()
"""Whether the specification is here to be asked."""

TERMINAL = {"response.completed", "response.failed", "response.incomplete", "error"}
DONE = b"data: [DONE]\n\n"


class Deviation(AssertionError):
    """Something that was sent is not as promised."""


def check_response(body: Mapping[str, Any]) -> None:
    """Raises `Deviation` if this is no Response object, for the specification or for OpenAI's client."""
    _check("ResponseResource", body)
    Response.model_validate(body)


def check_error(body: Mapping[str, Any]) -> None:
    """Raises `Deviation` if this is not the body of an error, with all of its fields and no others."""
    if set(body) != {"error"} or set(body["error"]) != {"message", "type", "param", "code"}:
        raise Deviation(f"no body of an error: {body}")
    _check("ErrorPayload", body["error"])


def check_object(body: Mapping[str, Any]) -> None:
    """Raises `Deviation` if what calls itself one of OpenAI's other objects is none for its client."""
    kind = str(body.get("object"))
    if kind.startswith("cuelight."):
        return  # ours, and no client of OpenAI's looks at it
    if kind == "response.input_tokens":
        InputTokenCountResponse.model_validate(body)
    elif kind == "list" and "first_id" in body:
        ResponseItemList.model_validate(body)
    elif kind == "list":
        for model in body["data"]:
            Model.model_validate(model)
    elif kind == "model":
        Model.model_validate(body)
    elif kind != "response" or body.get("deleted") is not True:
        raise Deviation(f"what is {kind!r}?")


def check_event(event: Mapping[str, Any]) -> None:
    """Raises `Deviation` if this is no event of a stream, for the specification or for OpenAI's client."""
    kind, number = event.get("type"), event.get("sequence_number")
    if not isinstance(kind, str) or not isinstance(number, int):
        raise Deviation(f"an event without a type or a number: {event}")
    if kind.startswith("cuelight:"):  # an extension: the specification wants these two, and nothing of OpenAI's name
        return
    schema, known = _event_schemas().get(kind), _event_types().get(kind)
    if PRESENT and schema is None:
        raise Deviation(f"the specification has no event {kind!r}")
    if schema is not None:
        _check(schema, event)
    if known is None:
        raise Deviation(f"OpenAI's client has no event {kind!r}")
    if kind != "error":  # the client takes the specification's nested error for a failure of the call, and raises
        known.model_validate(event)


def check_stream(sent: bytes, *, after: int = -1, whole: bool = True) -> list[dict[str, Any]]:
    """The events of a stream, each checked, and all of them together.

    `after` is the number that the stream was asked to go on after. A stream that was cut off is not `whole`.
    """
    frames = list(_frames(sent))
    if whole and (not frames or frames.pop() != DONE):
        raise Deviation("the stream does not end with [DONE]")
    events = [_event(frame) for frame in frames]
    for number, event in enumerate(events, start=after + 1):
        check_event(event)
        if event["sequence_number"] != number:
            raise Deviation(f"event {event['sequence_number']} stands where {number} should")
    kinds = [event["type"] for event in events]
    if after < 0 and kinds and kinds[0] != "response.created":
        raise Deviation(f"the stream begins with {kinds[0]}")
    if any(kind in TERMINAL for kind in kinds[:-1]) or (whole and kinds and kinds[-1] not in TERMINAL):
        raise Deviation(f"a terminal event belongs at the end, and nowhere else: {kinds}")
    return events


def check_completion(body: Mapping[str, Any]) -> None:
    """Raises `Deviation` if this is no chat completion for OpenAI's client."""
    ChatCompletion.model_validate(body)
    (choice,) = body["choices"]
    if (choice["finish_reason"] == "tool_calls") is not bool(choice["message"].get("tool_calls")):
        raise Deviation(f"{choice['finish_reason']} with {choice['message']}")


def check_chunks(sent: bytes) -> list[dict[str, Any]]:
    """The chunks of a chat completion, each checked, and all of them together; an error may stand in their place."""
    *frames, last = _frames(sent)
    if last != DONE:
        raise Deviation("the stream does not end with [DONE]")
    chunks: list[dict[str, Any]] = [orjson.loads(frame.removeprefix(b"data: ")) for frame in frames]
    if [set(chunk) for chunk in chunks] == [{"error"}]:
        return chunks
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk)
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    if [choice["finish_reason"] is None for choice in choices] != [True] * (len(choices) - 1) + [False]:
        raise Deviation("the last choice, and no other, says why there is no more")
    if choices[0]["delta"]["role"] != "assistant" or len({chunk["id"] for chunk in chunks}) != 1:
        raise Deviation("the chunks do not belong to one message")
    return chunks


def _frames(sent: bytes) -> Iterator[bytes]:
    """What is between comments; a frame is one event and ends with an empty line."""
    *whole, rest = sent.split(b"\n\n")
    if rest or b"\r" in sent:
        raise Deviation(f"no frame: {rest[:80]!r}")
    for frame in whole:
        if not frame.startswith(b":"):
            yield frame + b"\n\n"


def _event(frame: bytes) -> dict[str, Any]:
    head, _, data = frame.partition(b"\n")
    if not head.startswith(b"event: ") or not data.startswith(b"data: ") or data.count(b"\n") != 2:
        raise Deviation(f"no frame: {frame[:80]!r}")
    event: dict[str, Any] = orjson.loads(data[len(b"data: ") :])
    if event.get("type") != head[len(b"event: ") :].decode():
        raise Deviation(f"{head!r} tells of {event.get('type')!r}")
    return event


def _check(schema: str, value: Any) -> None:
    if not PRESENT:
        return
    error = next(_validator(schema).iter_errors(_forgiven(value)), None)
    if error is not None:
        raise Deviation(f"{schema} at {'/'.join(map(str, error.instance_path))}: {error.message[:500]}")


def _forgiven(value: Any) -> Any:
    """Without what we do in another way than the specification, and know it.

    An echoed `json_schema` format shows the caller's schema, as OpenAI does, where the specification has `null`. A
    client that asked for `file_citation` gets OpenAI's annotations of that name. The specification knows functions
    alone among the tools of a response; a request that chose collections is echoed in OpenAI's words.
    """
    if isinstance(value, list):
        return [_forgiven(inner) for inner in value if not _is(inner, "file_citation", "file_search")]
    if not isinstance(value, Mapping):
        return value
    plain = {name: _forgiven(inner) for name, inner in value.items()}
    if _is(plain.get("annotation"), "file_citation"):
        plain["annotation"] = None
    if plain.get("type") == "json_schema" and "schema" in plain:
        plain["schema"] = None
    return plain


def _is(value: Any, *kinds: str) -> bool:
    return isinstance(value, Mapping) and value.get("type") in kinds


@functools.cache
def _document() -> dict[str, Any]:
    document: dict[str, Any] = orjson.loads(FILE.read_bytes())
    return document


@functools.cache
def _validator(schema: str) -> Any:
    return jsonschema_rs.validator_for(
        {"$ref": f"#/components/schemas/{schema}", "components": _document()["components"]},
    )


@functools.cache
def _event_schemas() -> dict[str, str]:
    """The names of the schemas of events, by the events' type."""
    if not PRESENT:
        return {}
    schemas = _document()["components"]["schemas"]
    mine = {name: schema for name, schema in schemas.items() if name.endswith("StreamingEvent")}
    return {schema["properties"]["type"]["enum"][0]: name for name, schema in mine.items()}


@functools.cache
def _event_types() -> dict[str, Any]:
    """OpenAI's classes of events, by the events' type."""
    union = get_args(get_args(ResponseStreamEvent)[0])
    return {get_args(kind.model_fields["type"].annotation)[0]: kind for kind in union}
