"""Each method of `client.responses` in OpenAI's Python client, sync and async, whole, raw and streamed, and its errors.

One story is told by both clients. A method that a newer client brings, and that nobody tries here, fails the test.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import openai
import pytest
from openai.types.responses import Response
from pydantic import BaseModel

from tests.e2e.house import Open

ASKED: dict[str, Any] = {"model": "chat", "input": "Well?"}
SLOWLY: dict[str, Any] = {"model": "chat", "input": "Slowly?", "background": True}
LAMP = {"name": "lamp", "watts": 7}
SCRIPT = (
    {"contains": "Slowly", "delay_ms": 60_000, "answer": "Too late."},
    {"contains": "lamp", "answer": LAMP},
    {"answer": "Well said."},
)
NOBODY = "resp_" + "0" * 32
NOT_OFFERED = {"compact", "connect"}


class Lamp(BaseModel):
    name: str
    watts: int


@dataclass
class Story:
    """A client, and the methods that were tried. A sync one works in a thread: the door is in this event loop."""

    client: Any
    tried: set[str] = field(default_factory=set)

    async def call(self, method: str, *given: Any, **more: Any) -> Any:
        """What a method brings; its name as from `client.responses`."""
        self.tried.add(method)
        target = self.client.responses
        for part in method.split("."):
            target = getattr(target, part)
        return await self.done(target, *given, **more)

    async def done(self, work: Callable[..., Any], *given: Any, **more: Any) -> Any:
        if isinstance(self.client, openai.OpenAI):
            return await asyncio.to_thread(work, *given, **more)
        found = work(*given, **more)
        return await found if inspect.isawaitable(found) else found

    async def all(self, stream: Any) -> list[Any]:
        if isinstance(self.client, openai.OpenAI):
            return await asyncio.to_thread(list, stream)
        return [each async for each in stream]

    async def entered(self, manager: Any, use: Callable[[Any], Any]) -> Any:
        """What `use` makes of what a context manager brings."""
        if isinstance(self.client, openai.OpenAI):
            return await asyncio.to_thread(_entered, manager, use)
        async with manager as inside:
            found = use(inside)
            return await found if inspect.isawaitable(found) else found

    @contextmanager
    def refused(self, kind: type[openai.APIStatusError], code: str) -> Iterator[None]:
        """The error class, and what its body and headers are to say."""
        with pytest.raises(kind) as caught:
            yield
        assert (caught.value.code, bool(caught.value.request_id)) == (code, True)
        assert isinstance(caught.value.body, dict) and caught.value.body["message"] in caught.value.message


def _entered(manager: Any, use: Callable[[Any], Any]) -> Any:
    with manager as inside:
        return use(inside)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


def methods_of(thing: Any, prefix: str = "") -> set[str]:
    """What can be called there, one level deep."""
    found: set[str] = set()
    for name in dir(thing):
        value = None if name.startswith("_") else getattr(thing, name)
        if inspect.ismethod(value) or inspect.isfunction(value):
            found.add(prefix + name)
        elif value is not None and not prefix and not callable(value):
            found |= methods_of(value, f"{name}.")
    return found


async def test_every_method_of_responses_works_or_says_that_it_is_not_offered(house: Open) -> None:
    async with house(*SCRIPT) as it, it.worker(drain_s=0.1), it.door() as http:
        given: dict[str, Any] = {"api_key": "none", "base_url": f"{http.base_url}/v1", "max_retries": 0}
        async with openai.AsyncOpenAI(**given) as client:
            await _told(Story(client))
        with openai.OpenAI(**given) as sync:
            await _told(Story(sync))


async def _told(story: Story) -> None:
    answer = await _creating(story)
    await _reading(story, answer)
    await _raw(story, answer)
    await _ending(story, answer)
    await _refused(story)
    plain = {method for method in story.tried if "with_" not in method}
    wanted = methods_of(story.client.responses)
    assert {"create", "input_items.list"} < wanted
    assert plain == {method for method in wanted if "with_" not in method}
    for way in ("with_raw_response", "with_streaming_response"):
        offered = {name for name in dir(getattr(story.client.responses, way)) if not name.startswith("_")}
        missing = offered - NOT_OFFERED - {method.split(".")[1] for method in story.tried if way in method}
        assert not missing, (way, missing)


async def _creating(story: Story) -> Response:
    answer: Response = await story.call("create", **ASKED)
    assert (answer.status, answer.output_text, bool(answer._request_id)) == ("completed", "Well said.", True)
    events = await story.all(await story.call("create", **ASKED, stream=True))
    assert (events[0].type, events[-1].response.output_text) == ("response.created", "Well said.")
    parsed = await story.call("parse", model="chat", input="A lamp.", text_format=Lamp)
    assert parsed.output_parsed == Lamp(**LAMP)
    story.tried.add("stream")
    final = await story.entered(story.client.responses.stream(**ASKED), lambda helper: helper.get_final_response())
    assert final.output_text == "Well said."
    return answer


async def _reading(story: Story, answer: Response) -> None:
    assert await story.call("retrieve", answer.id) == answer
    again = await story.all(await story.call("retrieve", answer.id, stream=True, starting_after=2))
    assert again[0].sequence_number == 3
    story.tried.add("stream")
    replayed = story.client.responses.stream(response_id=answer.id)
    assert (await story.entered(replayed, lambda helper: helper.get_final_response())).output_text == "Well said."
    page = await story.call("input_items.list", answer.id, limit=1, order="asc")
    assert [item.content[0].text for item in await story.all(page)] == ["Well?"]
    count = await story.call("input_tokens.count", **ASKED)
    assert (count.object, count.input_tokens > 0) == ("response.input_tokens", True)


async def _raw(story: Story, answer: Response) -> None:
    wanted: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
        "create": ((), ASKED),
        "retrieve": ((answer.id,), {}),
        "input_items.list": ((answer.id,), {}),
        "input_tokens.count": ((), ASKED),
    }
    for method, (given, more) in wanted.items():
        raw = await story.call(f"with_raw_response.{method}", *given, **more)
        assert (raw.status_code, raw.headers["content-type"]) == (200, "application/json")
        assert raw.headers["x-request-id"] and await story.done(raw.parse)
        story.tried.add(f"with_streaming_response.{method}")
        live = _at(story.client.responses.with_streaming_response, method)(*given, **more)
        assert b'"object"' in await story.entered(live, lambda reply: reply.read())
    parsed = await story.call("with_raw_response.parse", model="chat", input="A lamp.", text_format=Lamp)
    assert (await story.done(parsed.parse)).output_parsed == Lamp(**LAMP)


def _at(thing: Any, path: str) -> Any:
    for part in path.split("."):
        thing = getattr(thing, part)
    return thing


async def _ending(story: Story, answer: Response) -> None:
    for way in ("", "with_raw_response.", "with_streaming_response."):
        waiting = await story.call("create", **SLOWLY)
        assert waiting.status == "queued"
        read = await _read(story, f"{way}cancel", waiting.id)
        assert b'"cancelled"' in read if isinstance(read, bytes) else read.status == "cancelled"
        assert (await story.call("cancel", waiting.id)).status == "cancelled"
        await _read(story, f"{way}delete", waiting.id)
        with story.refused(openai.NotFoundError, "response_not_found"):
            await story.call("retrieve", waiting.id)
    with story.refused(openai.ConflictError, "response_already_ended"):
        await story.call("cancel", answer.id)


async def _read(story: Story, method: str, run: str) -> Any:
    """What a method says of a run: an object, or the bytes of a reply that is streamed."""
    if "streaming" in method:
        story.tried.add(method)
        return await story.entered(_at(story.client.responses, method)(run), lambda reply: reply.read())
    found = await story.call(method, run)
    return await story.done(found.parse) if "raw" in method else found


async def _refused(story: Story) -> None:
    for method in ("retrieve", "cancel", "delete", "input_items.list"):
        with story.refused(openai.NotFoundError, "response_not_found"):
            await story.call(method, NOBODY)
    for method in ("create", "input_tokens.count", "with_raw_response.create"):
        with story.refused(openai.NotFoundError, "model_not_found"):
            await story.call(method, model="gpt-9", input="Well?")
        with story.refused(openai.BadRequestError, "invalid_request"):
            await story.call(method, **ASKED | {"input": [{"role": "nobody", "content": "Well?"}]})
    with story.refused(openai.BadRequestError, "unsupported_parameter"):
        await story.call("create", **ASKED, conversation="conv_1")
    with story.refused(openai.NotFoundError, "unsupported_endpoint"):
        await story.call("compact", **ASKED)
    story.tried.add("connect")
    with pytest.raises(
        Exception, match=r"realtime|404"
    ):  # it has no such package, or is told that we have no such call
        await story.entered(story.client.responses.connect(), lambda _: None)
