"""The collections that a request names: its agent has to let it choose them, and its project has to have them."""

from __future__ import annotations

from agent.ports import NewRun
from agent.request import Request
from api.door import Door
from api.errors import ApiError, invalid, shown
from api.offers import Offer
from api.previous import was_sent

FIELD = "tools"


def check_choice(request: Request, offer: Offer) -> None:
    """Raises `ApiError` 400 naming what the agent does not search."""
    if request.file_search is None:
        return
    retrieval, model = offer.card.agent.retrieval, f"the model {offer.name!r}"
    if retrieval is None:
        raise ApiError(400, f"{FIELD}: {model} searches no documents", code="unsupported_parameter", param=FIELD)
    for name in request.file_search.collections:
        if not retrieval.may_search(name):
            raise invalid(FIELD, f"{model} does not search the collection {shown(name)!r}")


async def check_collections(request: Request, door: Door, project: str) -> None:
    """Raises `ApiError` 400 naming the collection that the project does not have."""
    if request.file_search is None:
        return
    names = request.file_search.collections
    there = await door.shelf.collections(project, names)
    for name in names:
        if name not in there:
            raise invalid(FIELD, f"there is no collection {shown(name)!r}")


async def check_opening(new: NewRun, request: Request, door: Door) -> None:
    """As `check_collections`, for a request that opens `new`; one that is sent again has its run already."""
    try:
        await check_collections(request, door, new.project)
    except ApiError:
        if not await was_sent(new, door):
            raise
