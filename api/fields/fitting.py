"""What an agent takes: a request that its agent could not honour is refused before anything is opened."""

from __future__ import annotations

from collections.abc import Iterable

from agent.access import Project
from agent.items import Part
from agent.request import Request
from api.body import join
from api.door import Door
from api.errors import ApiError, invalid
from api.offers import Offer, offers


def check_fit(request: Request, offer: Offer, door: Door, rules: Project) -> None:
    """Raises `ApiError` 400 naming the field, and what takes it instead."""
    if offer.card.agent.output is not None:
        _refuse_forms(request, offer, offers(door, rules).values())
    _refuse_names(request, offer)
    for place, message in enumerate(request.messages):
        for part in message.parts:
            _check_part(part, join("input", place), offer, door)


def _refuse_forms(request: Request, offer: Offer, there: Iterable[Offer]) -> None:
    """An agent whose answer has a form of its own cannot give it another one."""
    if not request.question.strip() and request.previous_response_id is None:
        raise invalid("input", f"the model {offer.name!r} answers questions: it must hold a text of the user")
    if request.tools:
        raise _no("tools", "calls no functions of its clients", offer, there)
    if request.text.format.type != "text":
        raise _no("text.format", "gives no answer in another form", offer, there)
    if request.top_logprobs:
        raise _no("top_logprobs", "has no probabilities to tell", offer, there)
    if "message.output_text.logprobs" in request.include:
        raise _no("include", "has no probabilities to tell", offer, there)


def _refuse_names(request: Request, offer: Offer) -> None:
    """A function of the client must not stand in for a tool of the agent."""
    for place, tool in enumerate(request.tools):
        if tool.name in offer.card.tools.tools:
            path = join(join("tools", place), "name")
            raise invalid(path, f"the model {offer.name!r} has a tool {tool.name!r} of its own; choose another name")


def _no(param: str, why: str, offer: Offer, there: Iterable[Offer]) -> ApiError:
    others = [other.name for other in there if other.card.agent.output is None]
    instead = f"; {' and '.join(map(repr, others))} can" if others else ""
    message = f"{param}: the model {offer.name!r} {why}, because its answer has a form of its own{instead}"
    return ApiError(400, message, code="unsupported_parameter", param=param)


def _check_part(part: Part, path: str, offer: Offer, door: Door) -> None:
    wanted = part.needs
    if wanted is None or any(wanted in door.accepts.get(model, ()) for model in offer.chain):
        return
    models = ", ".join(map(repr, offer.chain))
    what = {"image": "images", "file": "files", "file_url": "addresses of files"}[wanted]
    raise invalid(path, f"the model {offer.name!r} takes no {what}: it asks {models}, and none of them does")
