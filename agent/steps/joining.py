"""How an author's steps and routes join a flow that ships."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from agent.effects import Ask
from agent.events import Ending, Event
from agent.router import Route
from agent.run import Run
from agent.step import Step

Flow = list[Route[Any]]


@dataclass(frozen=True, slots=True)
class Before:
    """A step that stands in front of a route and takes the event that it takes.

    What the step returns are facts, and the run goes on with the route; or the last of it is an ending. `name` is the
    step's own route, and so its stream. `produces` are the facts of its own and the endings that it may return.
    """

    route: str
    name: str
    step: Step[Any]
    produces: tuple[type[Event], ...] = ()

    @property
    def facts(self) -> tuple[type[Event], ...]:
        return tuple(event for event in self.produces if not issubclass(event, Ending))

    def joined(self, flow: Flow) -> Flow:
        """The flow with this step in it. Raises `ValueError` if the flow has no such route, or has one of its name."""
        names = [route.name for route in flow]
        if self.route not in names:
            raise ValueError(f"step {self.name!r} is to stand before {self.route!r}; there is {', '.join(names)}")
        return [new for route in flow for new in (self._around(route) if route.name == self.route else (route,))]

    def _around(self, route: Route[Any]) -> tuple[Route[Any], Route[Any]]:
        passed = passed_on(self.name)
        takes = route.step.takes if isinstance(route.step, Following) else route.accepts
        following = route.step if isinstance(route.step, Following) else Following(route.step, takes)
        endings = tuple(event for event in self.produces if issubclass(event, Ending))
        return (
            Route(self.name, route.accepts, Standing(self.step, takes, passed), (passed, *self.facts, *endings)),
            replace(route, accepts=passed, step=following),
        )


@dataclass(frozen=True, slots=True)
class Standing:
    """An author's step, and the event after it by which the run goes on."""

    step: Step[Any]
    takes: type[Event]
    passed: type[Event]

    async def __call__(self, event: Event, run: Run, ask: Ask, /) -> Sequence[Event]:
        told = await self.step(run.last(self.takes), run, ask)
        return told if told and isinstance(told[-1], Ending) else [*told, self.passed()]


@dataclass(frozen=True, slots=True)
class Following:
    """A step behind others: it is given the newest event of the type that it takes, be it one of theirs."""

    step: Step[Any]
    takes: type[Event]

    async def __call__(self, event: Event, run: Run, ask: Ask, /) -> Sequence[Event]:
        return await self.step(run.last(self.takes), run, ask)


@cache
def passed_on(name: str) -> type[Event]:
    """The event by which a run leaves the step of this name: the same one for every agent that has such a step."""
    return type("PassedOn", (Event,), {"type": f"{name}.passed", "__module__": __name__, "__doc__": PASSED})


PASSED = "A step of an author's is done, and the run goes on with the route behind it."


def joined(flow: Flow, routes: Iterable[Route[Any]], steps: Iterable[Before]) -> Flow:
    """A flow with an author's routes in place of those that have their name or take their event, and then their steps.

    Raises `ValueError` for a step that has no place.
    """
    for mine in routes:
        kept = [route for route in flow if route.name != mine.name and route.accepts is not mine.accepts]
        place = next((n for n, route in enumerate(flow) if route not in kept), len(kept))
        flow = [*kept[:place], mine, *kept[place:]]
    for step in steps:
        flow = step.joined(flow)
    return flow


def inner_of(step: Step[Any]) -> Step[Any]:
    """A step as its author built it."""
    return step.step if isinstance(step, Standing | Following) else step


def name_of_step(step: Step[Any]) -> str:
    """What an agent's version knows a step by."""
    inner = inner_of(step)
    return getattr(inner, "__name__", type(inner).__name__) if inner is not step else type(step).__name__
