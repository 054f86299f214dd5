"""An agent's flow as a graph: what is wrong with it, and what it looks like."""

from __future__ import annotations

from typing import Any

from agent.definition import BoundAgent
from agent.events import ENDINGS, Ending, Event, RequestReceived
from agent.router import Route

AnyRoute = Route[Any]


def examine(bound: BoundAgent) -> list[str]:
    """One sentence for each thing that keeps runs of this agent from ending; nothing if all is well."""
    routes = list(bound.router.routes.values())
    reached = _reached(routes)
    return [
        *_unreached(routes, reached),
        *_loose_ends(bound, routes),
        *_unseen_endings(routes),
        *_endless(reached),
    ]


def draw(bound: BoundAgent) -> str:
    """The flow as text, one line per route: the event it takes, its name, the events it may return; `*` ends a run."""
    routes = list(bound.router.routes.values())
    takes = max((len(route.accepts.type) for route in routes), default=0)
    name = max((len(route.name) for route in routes), default=0)
    lines = [f"  {it.accepts.type:<{takes}}  ->  {it.name:<{name}}  ->  {_drawn(it)}" for it in routes]
    return "\n".join([bound.id, *lines])


def _drawn(route: AnyRoute) -> str:
    return " | ".join(event.type + ("*" if issubclass(event, Ending) else "") for event in route.produces) or "?"


def _unreached(routes: list[AnyRoute], reached: list[AnyRoute]) -> list[str]:
    return [
        f"route {route.name!r} is never reached: nothing before it produces {route.accepts.type!r}"
        for route in routes
        if route not in reached
    ]


def _loose_ends(bound: BoundAgent, routes: list[AnyRoute]) -> list[str]:
    return [
        f"route {route.name!r} produces {event.type!r}, which no route takes and which ends nothing"
        for route in routes
        for event in route.produces
        if not issubclass(event, Ending) and event not in bound.router.routes and event not in bound.agent.facts
    ]


def _unseen_endings(routes: list[AnyRoute]) -> list[str]:
    known = " or ".join(repr(ending.type) for ending in ENDINGS)
    return [
        f"route {route.name!r} ends in {event.type!r}, which no client can be shown; end in {known}"
        for route in routes
        for event in route.produces
        if issubclass(event, Ending) and event not in ENDINGS
    ]


def _endless(reached: list[AnyRoute]) -> list[str]:
    """Routes that no ending follows, be it after many more."""
    ending: set[type[Event]] = set()
    grown = True
    while grown:
        ends = {route.accepts for route in reached if any(_ends(event, ending) for event in route.produces)}
        grown = ends != ending
        ending = ends
    return [f"no ending can follow route {it.name!r}" for it in reached if it.accepts not in ending]


def _ends(event: type[Event], ending: set[type[Event]]) -> bool:
    return issubclass(event, Ending) or event in ending


def _reached(routes: list[AnyRoute]) -> list[AnyRoute]:
    """The routes that a run can come to, beginning with its request."""
    seen: set[type[Event]] = {RequestReceived}
    for _ in routes:  # each round reaches one more route, or all are reached already
        seen |= {event for route in routes if route.accepts in seen for event in route.produces}
    return [route for route in routes if route.accepts in seen]
