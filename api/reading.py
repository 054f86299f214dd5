"""The query of `GET /v1/responses/{id}`: whether a stream is wanted, from where on, and what else is to be shown."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from starlette.datastructures import QueryParams

from agent.ports import RunView
from agent.request import Request
from api.errors import invalid, shown, unknown, unsupported
from api.fields.options import INCLUDES

_FLAGS = {"true": True, "false": False}
_NUMBER = re.compile(r"[0-9]{1,15}")
_SINGLE = ("stream", "starting_after", "include_obfuscation")


@dataclass(frozen=True, slots=True)
class Reading:
    """How a response is to be read. `after` is the number of the last event that the client has, -1 for none."""

    stream: bool = False
    after: int = -1
    include: tuple[str, ...] = ()

    def of(self, view: RunView) -> RunView:
        """The run as if it had been asked for with all that is wanted now.

        Raises `ApiError` 400 where a stream would become another one: its events have had their numbers since the
        request was made.
        """
        request = Request.model_validate_json(view.request)
        more = tuple(wanted for wanted in self.include if wanted not in request.include)
        if not more:
            return view
        if self.stream:
            raise invalid(
                "include", f"{more[0]!r} was not asked for when the response was created; its stream has none"
            )
        request = request.model_copy(update={"include": (*request.include, *more)})
        return replace(view, request=request.model_dump_json())


def read_query(query: QueryParams) -> Reading:
    """Raises `ApiError` 400 naming the parameter that is wrong. Nothing is ignored."""
    said = query.multi_items()
    include = tuple(value for name, value in said if name in ("include", "include[]"))
    single = {name: value for name, value in said if name not in ("include", "include[]")}
    for name in single:
        if name not in _SINGLE:
            raise unknown(name)
        if len(query.getlist(name)) > 1:
            raise invalid(name, "must be given once")
    for value in include:
        if value not in INCLUDES:
            raise unsupported("include", repr(shown(value)), there=INCLUDES)
    # We send no obfuscation, so there is none to leave out: whole checked text tells nothing of the model's pace.
    _flag(single, "include_obfuscation")
    stream = _flag(single, "stream")
    return Reading(stream, _after(single.get("starting_after", ""), stream=stream), include)


def _flag(single: dict[str, str], name: str) -> bool:
    value = single.get(name, "false")
    if value not in _FLAGS:
        raise invalid(name, "must be true or false")
    return _FLAGS[value]


def _after(value: str, *, stream: bool) -> int:
    if not value:
        return -1
    if not _NUMBER.fullmatch(value):
        raise invalid("starting_after", "must be the sequence_number of an event")
    if not stream:
        raise invalid("starting_after", "is for streams: send stream=true with it")
    return int(value)
