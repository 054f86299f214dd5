"""What doors send in this process: objects, streams and errors are held against `spec`, and all can be heard."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs

import orjson
import pytest
from starlette.types import Message, Receive, Scope, Send

from api.middleware import EveryReply
from tests import spec

CHAT = "/v1/chat/completions"

answer = EveryReply.__call__

_ears: list[bytearray] = []


@contextmanager
def heard(into: bytearray) -> Iterator[None]:
    """Keep every byte of heads and bodies that any door sends meanwhile, whichever client asked."""
    _ears.append(into)
    try:
        yield
    finally:
        del _ears[next(place for place, ear in enumerate(_ears) if ear is into)]


@pytest.fixture(autouse=True)
def everything_sent_is_as_promised(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fails the test whose door sent anything else."""
    replies: list[_Reply] = []

    async def watched(self: EveryReply, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await answer(self, scope, receive, send)
            return
        reply = _Reply(scope, send)
        if scope["path"].startswith("/v1/"):
            replies.append(reply)
        await answer(self, scope, receive, reply)

    monkeypatch.setattr(EveryReply, "__call__", watched)
    yield
    for reply in replies:
        reply.check()


class _Reply:
    """`send`, keeping what goes through."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._query = parse_qs(scope.get("query_string", b"").decode())
        self._chat = scope["path"] == CHAT
        self._send = send
        self._kind = b""
        self._body = bytearray()

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._kind = dict(message["headers"]).get(b"content-type", b"")
            _hear(b"".join(name + value for name, value in message["headers"]))
        else:
            self._body += message.get("body", b"")
            _hear(message.get("body", b""))
        await self._send(message)

    def check(self) -> None:
        if self._kind == b"text/event-stream" and self._chat:
            if self._body.endswith(spec.DONE):
                spec.check_chunks(bytes(self._body))
        elif self._kind == b"text/event-stream":
            after = int(self._query.get("starting_after", ["-1"])[0])
            spec.check_stream(bytes(self._body), after=after, whole=self._body.endswith(spec.DONE))
        elif self._kind == b"application/json" and self._body.strip():
            self._check_json(orjson.loads(self._body))

    def _check_json(self, said: object) -> None:
        if isinstance(said, dict) and said.get("object") == "response" and "status" in said:
            spec.check_response(said)
        elif isinstance(said, dict) and said.get("object") == "chat.completion":
            spec.check_completion(said)
        elif isinstance(said, dict) and "error" in said:
            spec.check_error(said)
        elif isinstance(said, dict):
            spec.check_object(said)
        else:
            raise spec.Deviation(f"no object: {said!r}")


def _hear(said: bytes) -> None:
    for ear in _ears:
        ear.extend(said)
