"""`/v1/approvals`: calls of tools that somebody has to approve before they are made."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from agent.approvals import MOST_REASON_CHARS, Decided, Decision, Waiting
from agent.errors import Transient
from api.access import Caller, caller_of
from api.body import read_json
from api.door import Door
from api.errors import ApiError, invalid, json_reply, no_response, unavailable, unknown
from api.patience import within
from api.stored import RESPONSE_ID

OPERATOR = "operator"
"""Who decides where no key is needed."""


class Approving:
    """Lists what waits and decides on it. Both take a key of the role operator: whoever asks for a run does not."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def waiting(self, request: Request) -> Response:
        """GET /v1/approvals: the runs of the caller's project that wait, the longest first."""
        for name in request.query_params:
            raise unknown(name)
        caller = _operator(request)
        found = await self._within(self._door.approvals.waiting(caller.project))
        return json_reply({"object": "cuelight.approvals", "data": [_told(it) for it in found]})

    async def decide(self, request: Request) -> Response:
        """POST /v1/responses/{id}/approval: the run goes on; 409 if it waits for no approval."""
        for name in request.query_params:
            raise unknown(name)
        caller, run = _operator(request), request.path_params["id"]
        if not RESPONSE_ID.fullmatch(run):
            raise no_response()
        body = await read_json(request, self._door.settings.max_body_bytes)
        decision = _decision(body, caller.key or OPERATOR)
        try:
            decided = await self._within(self._door.approvals.decide(run, caller.project, decision))
        except ValueError as error:
            raise invalid("approve", str(error)) from None
        if decided is Decided.UNKNOWN:
            raise no_response()
        if decided is Decided.OVER:
            raise ApiError(409, f"Response {run} waits for no approval", code="no_approval_wanted", param="id")
        return json_reply({"id": run, "object": "cuelight.decision", "by": decision.by, "reason": decision.reason})

    async def _within(self, work: Any) -> Any:
        door = self._door
        try:
            return await within(door.settings.ledger_timeout_s, work, door.sleep)
        except Transient as error:
            raise unavailable("The service cannot reach its store; try again.") from error


def _operator(request: Request) -> Caller:
    caller = caller_of(request)
    if caller.role != "operator":
        raise ApiError(403, "This takes a key of the role operator", code="insufficient_permissions")
    return caller


def _decision(body: Any, by: str) -> Decision:
    if not isinstance(body, dict):
        raise invalid(None, "must be an object with `approve`")
    for name in body:
        if name not in ("approve", "reason"):
            raise unknown(name)
    reason = body.get("reason") or ""
    if not isinstance(reason, str) or len(reason) > MOST_REASON_CHARS:
        raise invalid("reason", f"must be a string of at most {MOST_REASON_CHARS} characters")
    return Decision(_approve(body.get("approve")), by, reason)


def _approve(value: Any) -> bool | frozenset[str]:
    if isinstance(value, bool):
        return value
    if isinstance(value, list) and value and all(isinstance(call, str) for call in value):
        return frozenset(value)
    raise invalid("approve", "must be true, false, or an array of the call_ids that may be made")


def _told(waiting: Waiting) -> dict[str, Any]:
    return {
        "id": waiting.run,
        "object": "cuelight.approval",
        "model": waiting.agent,
        "calls": [call.model_dump() for call in waiting.calls],
        "created_at": int(waiting.since.timestamp()),
        "expires_at": int(waiting.until.timestamp()),
    }
