"""`POST /v1/responses/input_tokens`: how long a request is, before it is sent. Nothing is opened, nobody asked."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from agent.effects import CallModel
from agent.recalling import conversation
from agent.request import Message
from agent.request import Request as AskedRequest
from api.access import caller_of
from api.admission import admit
from api.body import read_json
from api.collections import check_collections
from api.door import Door
from api.errors import json_reply, unknown
from api.previous import check_previous
from api.references import resolved


class InputTokens:
    """The call that counts."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def count(self, request: Request) -> Response:
        """An estimate of the tokens of a request: what it would be refused for, it is refused for here too."""
        for name in request.query_params:
            raise unknown(name)
        caller = caller_of(request)
        body = await read_json(request, self._door.settings.max_body_bytes)
        asked = admit(await resolved(body, self._door, caller.project), self._door, caller).request
        await check_collections(asked, self._door, caller.project)
        earlier = await check_previous(asked, self._door, caller.project)
        tokens = estimated(asked, () if earlier is None else conversation(earlier))
        return json_reply({"object": "response.input_tokens", "input_tokens": tokens})


def estimated(asked: AskedRequest, earlier: tuple[Message, ...]) -> int:
    """What the client sends, and the conversation it goes on from; not what its agent says and finds."""
    told = asked.caller_instructions
    instructions = () if told is None else (Message(role="system", content=told),)
    return CallModel(
        model="",
        prompt="",
        messages=(*instructions, *earlier, *asked.messages),
        max_output_tokens=1,
        tools=asked.tools,
        form=asked.text.format,
    ).prompt_tokens()
