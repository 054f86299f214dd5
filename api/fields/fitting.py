"""What an agent takes: a request that its agent could not honour is refused before anything is opened."""

from __future__ import annotations

from agent.items import FilePart, ImagePart, Part
from agent.request import Request
from api.body import join
from api.door import AgentCard, Door
from api.errors import ApiError, invalid


def check_fit(request: Request, card: AgentCard, door: Door) -> None:
    """Raises `ApiError` 400 naming the field, and what takes it instead."""
    if card.agent.output is not None:
        _refuse_forms(request, card, door)
    for place, message in enumerate(request.messages):
        for part in message.parts:
            _check_part(part, join("input", place), card, door)


def _refuse_forms(request: Request, card: AgentCard, door: Door) -> None:
    """An agent whose answer has a form of its own cannot give it another one."""
    if request.tools:
        raise _no("tools", "calls no functions of its clients", card, door)
    if request.top_logprobs:
        raise _no("top_logprobs", "has no probabilities to tell", card, door)
    if "message.output_text.logprobs" in request.include:
        raise _no("include", "has no probabilities to tell", card, door)


def _no(param: str, why: str, card: AgentCard, door: Door) -> ApiError:
    others = [name for name, other in door.agents.items() if other.agent.output is None]
    instead = f"; {' and '.join(map(repr, others))} can" if others else ""
    message = f"{param}: the model {card.name!r} {why}, because its answer has a form of its own{instead}"
    return ApiError(400, message, code="unsupported_parameter", param=param)


def _check_part(part: Part, path: str, card: AgentCard, door: Door) -> None:
    wanted = _needs(part)
    if wanted is None or any(wanted in door.accepts.get(model, ()) for model in card.models):
        return
    models = ", ".join(map(repr, card.models))
    what = {"image": "images", "file": "files", "file_url": "addresses of files"}[wanted]
    raise invalid(path, f"the model {card.name!r} takes no {what}: it asks {models}, and none of them does")


def _needs(part: Part) -> str | None:
    if isinstance(part, ImagePart):
        return "image"
    if isinstance(part, FilePart):
        return "file" if part.file_data is not None else "file_url"
    return None
