"""Which step takes which event. The whole flow of an agent is one `Router`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from agent.errors import Unroutable
from agent.events import Ending, Event
from agent.step import Step

E = TypeVar("E", bound=Event)


@dataclass(frozen=True, slots=True)
class Route(Generic[E]):
    """`name` is also the stream the step reads and the group it reads as.

    `produces` are the events the step may return; `cuelight agents check` draws the flow from them.
    """

    name: str
    accepts: type[E]
    step: Step[E]
    produces: tuple[type[Event], ...] = ()


class Router:
    """Raises `ValueError` when built if two routes want one event or one name."""

    def __init__(self, routes: Iterable[Route[Any]]) -> None:
        self.routes: Mapping[type[Event], Route[Any]] = _unique(routes)

    def route(self, event: Event) -> Route[Any]:
        """The route `event` takes. Raises `Unroutable`."""
        try:
            return self.routes[type(event)]
        except KeyError:
            raise Unroutable(f"no step takes {event.type!r}") from None

    def next(self, events: Sequence[Event]) -> str | None:
        """The name of the route that takes the last of `events`, None if it ends the run.

        Raises `Unroutable` if there is no last event, if no step takes it, or if an ending stands before the end.
        """
        if not events:
            raise Unroutable("the step returned no event")
        if any(isinstance(event, Ending) for event in events[:-1]):
            raise Unroutable("the step returned events after an ending")
        return None if isinstance(events[-1], Ending) else self.route(events[-1]).name


def _unique(routes: Iterable[Route[Any]]) -> dict[type[Event], Route[Any]]:
    table: dict[type[Event], Route[Any]] = {}
    for route in routes:
        for taken in table.values():
            if route.accepts is taken.accepts or route.name == taken.name:
                raise ValueError(f"route {route.name!r} collides with {taken.name!r}")
        table[route.accepts] = route
    return table
