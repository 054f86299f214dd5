"""Which dead letters a command means: options that several commands share, and the filter that they make."""

from __future__ import annotations

from typing import Annotated

import typer

from agent.envelope import scrub
from agent.letters import Filter, State
from cli.spans import seconds

Route = Annotated[str | None, typer.Option("--route", help="Only work of this route.")]
Kind = Annotated[str | None, typer.Option("--kind", help="Only this class of error.")]
AgentName = Annotated[str | None, typer.Option("--agent", help="Only runs of this agent.")]
Run = Annotated[str | None, typer.Option("--run", help="Only this run.")]
OlderThan = Annotated[str | None, typer.Option("--older-than", help="Set aside longer ago than, such as 15m.")]
YoungerThan = Annotated[str | None, typer.Option("--younger-than", help="Set aside less long ago than, such as 2h.")]


def letters_of(
    route: str | None,
    kind: str | None,
    agent: str | None,
    run: str | None,
    older_than: str | None,
    younger_than: str | None,
    state: State = "open",
) -> Filter:
    """The filter of these options; what no store takes is cleaned. Raises `typer.BadParameter`."""
    return Filter(
        route=_storable(route),
        kind=_storable(kind),
        agent=_storable(agent),
        run=_storable(run),
        older_than_s=None if older_than is None else seconds(older_than),
        younger_than_s=None if younger_than is None else seconds(younger_than),
        state=state,
    )


def _storable(value: str | None) -> str | None:
    return None if value is None else scrub(value)
