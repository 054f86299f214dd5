"""`/v1/chat/completions`: a thin door to the runs behind `/v1/responses`. Who may come in and what becomes of a run
is the same; only the words differ."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from agent.ports import RunView
from api.access import Caller, caller_of
from api.admission import Admitted, admit
from api.body import read_json
from api.chat.chunks import broken_off, chunked
from api.chat.completion import completed, failed
from api.chat.fields import Chat, in_words_of_chat, read_chat
from api.door import Door
from api.endings import Look, late
from api.errors import ApiError, unknown
from api.foreground import Foreground, Told
from api.opening import Opening
from api.projection import project
from api.repeats import is_retry
from api.streaming.frames import MEDIA_TYPE, PING


class ChatCompletions:
    """The call on chats."""

    def __init__(self, door: Door, opening: Opening, foreground: Foreground) -> None:
        self._door = door
        self._opening = opening
        self._foreground = foreground

    async def create(self, request: Request) -> Response:
        """POST /v1/chat/completions: the checked answer, whole or in chunks; an error if there is none."""
        for name in request.query_params:
            raise unknown(name)
        body = await read_json(request, self._door.settings.max_body_bytes)
        chat = read_chat(body)
        new = await self._opening.pass_in(request, body, admit_chat(chat, self._door, caller_of(request)))
        form = ChunksForm(chat) if chat.stream else CompletionForm()
        return await self._foreground.answer(new, request.receive, retry=is_retry(request), form=form)


def admit_chat(chat: Chat, door: Door, caller: Caller) -> Admitted:
    """What a chat asks for, as the request of a run. Raises `ApiError` as `admit` does, in the words of chats."""
    try:
        admitted = admit(chat.body, door, caller)
    except ApiError as error:
        raise in_words_of_chat(error, chat) from error
    # How it is told belongs to this reply. Whoever reads the run as a response decides that anew.
    changes: dict[str, Any] = {"stream": False}
    if chat.most_tokens is not None:
        changes["max_output_tokens"] = min(chat.most_tokens, admitted.card.agent.budget.max_output_tokens)
    return Admitted(admitted.card, admitted.request.model_copy(update=changes))


class CompletionForm:
    """One JSON object, or an error with its status."""

    media_type = "application/json"
    pulse = b" "

    def at_once(self, view: RunView) -> Told:
        try:
            return Told(orjson.dumps(completed(view)))
        except ApiError as error:
            return _refused(error)

    def after_all(self, look: Look) -> bytes | None:
        if look.late or failed(project(look.view)):
            return None  # a completion has no word for it, and 200 was said already
        return orjson.dumps(completed(look.view))


class ChunksForm:
    """Server-sent events. As long as none was sent, an error has its status."""

    media_type = MEDIA_TYPE
    pulse = PING

    def __init__(self, chat: Chat) -> None:
        self._include_usage = chat.include_usage

    def at_once(self, view: RunView) -> Told:
        try:
            return Told(chunked(view, include_usage=self._include_usage))
        except ApiError as error:
            return _refused(error)

    def after_all(self, look: Look) -> bytes:
        try:
            if look.late:
                raise late(look.view)
            return chunked(look.view, include_usage=self._include_usage)
        except ApiError as error:
            return broken_off(error)


def _refused(error: ApiError) -> Told:
    headers = {**error.headers, "content-type": "application/json"}
    return Told(orjson.dumps(error.body()), error.status, headers)
