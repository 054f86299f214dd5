"""The stored response that a path names, if its caller may see it."""

from __future__ import annotations

import re

from starlette.requests import Request

from agent.ports import RunStatus, RunView
from api.access import caller_of
from api.door import Door
from api.errors import no_response

RESPONSE_ID = re.compile(r"resp_[0-9a-zA-Z]{1,64}")


async def stored(door: Door, request: Request, *unstored: RunStatus) -> RunView:
    """The response in the path of a request; one that is not to be stored can be seen in these statuses only.

    Raises `ApiError` 404 if there is none, also for one of another project.
    """
    run = request.path_params["id"]
    view = await door.shelf.view(run, caller_of(request).project) if RESPONSE_ID.fullmatch(run) else None
    if view is None or view.deleted or (not view.store and view.status not in unstored):
        raise no_response()
    return view
