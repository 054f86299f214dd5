"""What a scripted model answers: `Script({CallModel: [calls("find_order", order_id="A-1"), says("Sent.")]})`."""

from __future__ import annotations

from typing import Any

import orjson
from pydantic import BaseModel

from agent.effects import ModelAnswer
from agent.items import FunctionCall

SCRIPTED = "scripted"


def says(what: str | BaseModel | dict[str, Any] | list[Any], **fields: Any) -> ModelAnswer:
    """A model's words; anything but text is said as JSON. `fields` are those of `ModelAnswer`."""
    value = what.model_dump(mode="json") if isinstance(what, BaseModel) else what
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return ModelAnswer(**{"text": text, "model": SCRIPTED, "endpoint": SCRIPTED, **fields})


def calls(tool: str, /, **arguments: Any) -> ModelAnswer:
    """A model's wish to have one tool or function called; `both` puts several into one reply."""
    wish = FunctionCall(call_id=f"call_{tool}", name=tool, arguments=orjson.dumps(arguments).decode())
    return says("", calls=(wish,), finish_reason="tool_calls")


def both(*answers: ModelAnswer) -> ModelAnswer:
    """One reply with the words and all the calls of several."""
    wishes = [call for answer in answers for call in answer.calls]
    numbered = tuple(it.model_copy(update={"call_id": f"{it.call_id}_{n}"}) for n, it in enumerate(wishes))
    reason = "tool_calls" if numbered else "stop"
    return says("".join(answer.text for answer in answers), calls=numbered, finish_reason=reason)
