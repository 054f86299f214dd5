"""`previous_response_id`: what can be known of the conversation before a run is opened."""

from __future__ import annotations

from collections.abc import Sequence

from agent.errors import KeyTaken
from agent.ports import NewRun
from agent.prompting import is_too_long, unpaired
from agent.recalling import Earlier, conversation, output
from agent.request import Message, Request
from api.body import join
from api.door import Door
from api.errors import ApiError, invalid, shown
from api.patience import within
from api.stored import RESPONSE_ID

FIELD = "previous_response_id"


async def check_previous(request: Request, door: Door, project: str) -> Earlier | None:
    """The run that a request goes on from, if it does. What of it is still on its way, the new run will look at.

    Raises `ApiError` 400: `previous_response_not_found` if there is none that is stored, and naming the item of the
    input that does not fit to what was answered.
    """
    previous = request.previous_response_id
    if previous is None:
        return None
    earlier = await _earlier(previous, door, project)
    if earlier is None or earlier.deleted or not earlier.store:
        raise no_previous(previous)
    if earlier.status != "in_progress":
        _check_pairs(output(earlier), request.messages)
        if is_too_long((*conversation(earlier), *request.messages)):
            raise invalid(FIELD, "the conversation is longer than this service takes; begin a new one")
    return earlier


async def check_sending(new: NewRun, request: Request, door: Door) -> None:
    """As `check_previous`, for a request that opens `new`.

    One that is sent again with its key has its run already: it gets that, whatever became of the earlier one since.
    """
    try:
        await check_previous(request, door, new.project)
    except ApiError:
        if not await was_sent(new, door):
            raise


async def was_sent(new: NewRun, door: Door) -> bool:
    """Whether the very same request has opened a run already, under its idempotency key."""
    if new.once is None:
        return False
    looking = door.callers.known(new.project, new.once.key, new.once.body_hash)
    try:
        return await within(door.settings.ledger_timeout_s, looking, door.sleep) is not None
    except KeyTaken:
        return False


async def _earlier(previous: str, door: Door, project: str) -> Earlier | None:
    if not RESPONSE_ID.fullmatch(previous):
        return None
    looking = door.conversations.earlier(previous, project)
    return await within(door.settings.ledger_timeout_s, looking, door.sleep)


def _check_pairs(answered: Sequence[Message], asked: Sequence[Message]) -> None:
    """Only the last answer can have calls that wait for their results: earlier ones were looked at in their time."""
    missing = unpaired((*answered, *asked))
    if missing is None:
        return
    place, call_id = missing
    if place < len(answered) or asked[place - len(answered)].role != "tool":
        problem, param = f"No tool output found for function call {shown(call_id)}.", "input"
    else:
        problem = f"No tool call found for function call output with call_id {shown(call_id)}."
        param = join("input", place - len(answered))
    raise ApiError(400, problem, code="invalid_request", param=param)


def no_previous(previous: str) -> ApiError:
    """400, in OpenAI's words for it: there is none, or its caller may not see it, or it was not to be stored."""
    message = f"Previous response with id '{shown(previous)}' not found."
    return ApiError(400, message, code="previous_response_not_found", param=FIELD)
