"""Items of the input that only name an item of a stored response: what they name takes their place."""

from __future__ import annotations

from typing import Any

from agent.request import Request
from api.body import join
from api.door import Door
from api.errors import ApiError, invalid, shown
from api.items import input_items, run_of
from api.projection import project
from api.turns import MAX_MESSAGES, is_reference

MOST_RESPONSES = 32
"""Of which one input may name items; each has to be read."""


async def resolved(body: Any, door: Door, caller_project: str) -> Any:
    """The body with every reference replaced by its item.

    Raises `ApiError` 400 if there is no such item that the project may read.
    """
    items = body.get("input") if isinstance(body, dict) else None
    if not isinstance(items, list) or len(items) > MAX_MESSAGES or not any(map(is_reference, items)):
        return body
    known: dict[str, dict[str, Any]] = {}
    read: set[str] = set()
    for place, item in enumerate(items):
        path = join(join("input", place), "id")
        if is_reference(item) and (run := _run(item, path)) not in read:
            read.add(run)
            if len(read) > MOST_RESPONSES:
                raise invalid(path, f"items of no more than {MOST_RESPONSES} responses can be named")
            known |= await _items(run, door, caller_project)
    return {**body, "input": [_item(item, known, join("input", place)) for place, item in enumerate(items)]}


def _run(item: dict[str, Any], path: str) -> str:
    identity = item.get("id")
    run = run_of(identity) if isinstance(identity, str) else None
    if run is None:
        raise _nothing(path, identity)
    return run


async def _items(run: str, door: Door, caller_project: str) -> dict[str, dict[str, Any]]:
    """Every item of a stored response of the project, by its id; none if there is no such response."""
    view = await door.shelf.view(run, caller_project)
    if view is None or view.deleted or not view.store:
        return {}
    items = [*input_items(run, Request.model_validate_json(view.request)), *project(view)["output"]]
    return {item["id"]: item for item in items}


def _item(item: Any, known: dict[str, dict[str, Any]], path: str) -> Any:
    if not is_reference(item):
        return item
    found = known.get(item["id"])
    if found is None:
        raise _nothing(join(path, "id"), item["id"])
    return found


def _nothing(path: str, identity: Any) -> ApiError:
    return invalid(path, f"there is no item {shown(str(identity))!r} of a stored response")
