"""`GET /v1/responses/{id}/input_items`: what a response was asked with, page by page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from agent.request import Request as AskedRequest
from api.door import Door
from api.errors import invalid, json_reply, shown, unknown, unsupported
from api.fields.options import Include
from api.items import input_items
from api.stored import stored

MOST = 100
DEFAULT = 20
_KNOWN = {"after", "before", "limit", "order", "include", "include[]"}
_ALWAYS = {"message.input_image.image_url"}
"""What may be asked for and is there anyhow."""

Item = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Page:
    """Which items are wanted: those after one and before another, in the order of the page."""

    limit: int = DEFAULT
    newest_first: bool = True
    after: str | None = None
    before: str | None = None


class InputItems:
    """The calls on the input of responses."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def list(self, request: Request) -> Response:
        """A page of the items that the response's own request had; those of earlier responses are not among them."""
        page = read_page(request.query_params)
        view = await stored(self._door, request, "in_progress")
        return json_reply(paged(input_items(view.id, AskedRequest.model_validate_json(view.request)), page))


def read_page(query: QueryParams) -> Page:
    """Raises `ApiError` 400 naming the parameter that is wrong."""
    for name, value in query.multi_items():
        if name not in _KNOWN:
            raise unknown(name)
        if name.startswith("include") and value and value not in {*get_args(Include), *_ALWAYS}:
            raise unsupported(name, repr(shown(value)))
    order, limit = query.get("order", "desc"), query.get("limit", str(DEFAULT))
    if order not in ("asc", "desc"):
        raise invalid("order", "must be asc or desc")
    if not (limit.isascii() and limit.isdecimal() and len(limit) <= 3 and 1 <= int(limit) <= MOST):
        raise invalid("limit", f"must be a number from 1 to {MOST}")
    return Page(int(limit), order == "desc", query.get("after"), query.get("before"))


def paged(items: Sequence[Item], page: Page) -> dict[str, Any]:
    """The page as a list object. Raises `ApiError` 400 if `after` or `before` is no item of these."""
    ordered = [*reversed(items)] if page.newest_first else [*items]
    first = 0 if page.after is None else _place(ordered, page.after, "after") + 1
    last = len(ordered) if page.before is None else _place(ordered, page.before, "before")
    wanted = ordered[first:last]
    shown_items = wanted[: page.limit]
    return {
        "object": "list",
        "data": shown_items,
        "first_id": shown_items[0]["id"] if shown_items else None,
        "last_id": shown_items[-1]["id"] if shown_items else None,
        "has_more": len(wanted) > len(shown_items),
    }


def _place(items: Sequence[Item], wanted: str, param: str) -> int:
    for place, item in enumerate(items):
        if item["id"] == wanted:
            return place
    raise invalid(param, f"there is no item {shown(wanted)!r} in the input of this response")
