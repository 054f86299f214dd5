"""The events by which an output item is told, made from the item itself. Nothing in here knows of models or runs.

The order is the Open Responses specification's: an item is added, its parts are added, filled and done, it is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from api.streaming.pieces import pieces

Told = dict[str, Any]
"""An event without its number."""
Item = Mapping[str, Any]


def item_events(item: Item, output_index: int) -> Iterator[Told]:
    """All events of an item. One of a kind that is unknown here is told whole."""
    place = {"output_index": output_index}
    yield {"type": "response.output_item.added", **place, "item": _empty(item)}
    fill = _FILLED.get(item["type"])
    if fill is not None:
        yield from fill(item, {"item_id": item["id"], **place})
    yield {"type": "response.output_item.done", **place, "item": item}


def _empty(item: Item) -> Told:
    """The item before anything of it was told."""
    if item["type"] not in _FILLED:
        return dict(item)
    bare = {name: value for name, value in item.items() if name not in ("encrypted_content", "content")}
    if item["type"] == "message":
        bare["content"] = []
    bare |= {name: type(item[name])() for name in ("summary", "arguments") if name in item}
    return bare | ({"status": "in_progress"} if "status" in item else {})


def _message(item: Item, place: Told) -> Iterator[Told]:
    for number, part in enumerate(item["content"]):
        at = {**place, "content_index": number}
        yield {"type": "response.content_part.added", **at, "part": _empty_part(part)}
        yield from _said(part, at)
        yield {"type": "response.content_part.done", **at, "part": part}


def _empty_part(part: Item) -> Told:
    return {name: value if name == "type" else type(value)() for name, value in part.items()}


def _said(part: Item, at: Told) -> Iterator[Told]:
    if part["type"] == "output_text":
        # OpenAI's client wants the list in both; probabilities are told with the whole text, whose tokens they are of.
        yield from _deltas("response.output_text.delta", part["text"], {**at, "logprobs": []})
        for number, note in enumerate(part["annotations"]):
            kind = "response.output_text.annotation.added"
            yield {"type": kind, **at, "annotation_index": number, "annotation": note}
        logprobs = part.get("logprobs", [])
        yield {"type": "response.output_text.done", **at, "text": part["text"], "logprobs": logprobs}
    elif part["type"] == "refusal":
        yield from _deltas("response.refusal.delta", part["refusal"], at)
        yield {"type": "response.refusal.done", **at, "refusal": part["refusal"]}


def _function_call(item: Item, place: Told) -> Iterator[Told]:
    yield from _deltas("response.function_call_arguments.delta", item["arguments"], place)
    yield {"type": "response.function_call_arguments.done", **place, "arguments": item["arguments"]}


def _reasoning(item: Item, place: Told) -> Iterator[Told]:
    summaries: Sequence[Item] = item["summary"]
    for number, part in enumerate(summaries):
        at = {**place, "summary_index": number}
        yield {"type": "response.reasoning_summary_part.added", **at, "part": _empty_part(part)}
        yield from _deltas("response.reasoning_summary_text.delta", part["text"], at)
        yield {"type": "response.reasoning_summary_text.done", **at, "text": part["text"]}
        yield {"type": "response.reasoning_summary_part.done", **at, "part": part}


def _deltas(kind: str, text: str, at: Told) -> Iterator[Told]:
    return ({"type": kind, **at, "delta": piece} for piece in pieces(text))


_FILLED: Mapping[str, Callable[[Item, Told], Iterator[Told]]] = {
    "message": _message,
    "function_call": _function_call,
    "reasoning": _reasoning,
}
