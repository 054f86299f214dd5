"""The stream of a run: a function of what the ledger holds, and of nothing else.

The same run gives the same events on every reading, on every replica and in every later release; a run that has come
further gives the same ones and more. So whoever sends a stream asks again what is in it, and sends what is new.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from agent.envelope import Envelope
from agent.errors import Unfamiliar
from agent.ports import RunView
from agent.request import Request
from api import verdicts
from api.projection import project
from api.streaming.items import Told, item_events
from api.streaming.progress import ASKED_BY, progress

VERSIONS = (1, 2)
"""How runs are told, for as long as they are stored: what this module and those below it make of a run of a version may
never change. A release that tells runs otherwise counts up and keeps the old way beside it.

Version 2 leaves the verdicts of single checks out of the progress, and shows them at the end where they are wanted."""

_ENDS = {
    "completed": "response.completed",
    "incomplete": "response.incomplete",
    "failed": "response.failed",
    # No event of the API says it. Whoever reads no more than the event's name must not take nothing for an answer.
    "cancelled": "response.failed",
}


def version_for(include: Collection[str]) -> int:
    """How a run that is opened now is told: in the oldest version that does, so that older releases can tell it too."""
    return 2 if ASKED_BY in include or verdicts.ASKED_BY in include else 1


def wants_progress(view: RunView) -> bool:
    """Whether the events of this run are needed to tell its stream."""
    return ASKED_BY in Request.model_validate_json(view.request).include


def ended(view: RunView) -> bool:
    """Whether there is nothing more to come."""
    return view.status != "in_progress"


def opened(view: RunView) -> RunView:
    """The run as it was when it was opened, whatever has become of it."""
    return replace(view, status="in_progress", ending=None, ended_at=None, begun=False, verdicts=())


def tell(view: RunView, events: Sequence[Envelope] = ()) -> list[dict[str, Any]]:
    """The events of a run's stream so far, numbered from 0; the last one is terminal once the run has ended.

    `events` are those of the run's generation, oldest first, up to the ending if there is one; only a stream with
    progress needs them.

    Raises:
        Unfamiliar: a newer release wrote the run, or its ending.
        Undecodable: an event is not what its type promises.
    """
    return [
        {"type": told["type"], "sequence_number": number, **told} for number, told in enumerate(_told(view, events))
    ]


def _told(view: RunView, events: Sequence[Envelope]) -> Iterator[Told]:
    request = Request.model_validate_json(view.request)
    if request.stream_version not in VERSIONS:
        raise Unfamiliar(f"stream version {request.stream_version} of {view.id} is not known to this release")
    begun = view.begun or ended(view) or any(event.key.seq > 1 for event in events)
    yield from _beginning(view, background=request.background, begun=begun)
    if ASKED_BY in request.include:
        yield from progress(events, request.stream_version)
    if ended(view):
        yield from _ending(project(view))


def _beginning(view: RunView, *, background: bool, begun: bool) -> Iterator[Told]:
    snapshot = project(opened(view))
    yield {"type": "response.created", "response": snapshot}
    if background:
        yield {"type": "response.queued", "response": snapshot}
    if begun or not background:
        yield {"type": "response.in_progress", "response": project(replace(opened(view), begun=True))}


def _ending(response: Mapping[str, Any]) -> Iterator[Told]:
    for place, item in enumerate(response["output"]):
        yield from item_events(item, place)
    yield {"type": _ENDS[response["status"]], "response": response}
