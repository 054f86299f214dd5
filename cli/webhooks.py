"""`cuelight webhooks`: who is told of endings. A secret is shown once, when it is made, and in no listing."""

from __future__ import annotations

from typing import Annotated, NoReturn, TypeVar
from urllib.parse import urlsplit

import typer
from rich.console import Console

from agent.adapters.embedded import EngineUrls
from agent.adapters.network.addresses import Forbidden, Unresolved, addresses_of
from agent.ports import DEFAULT_PROJECT
from agent.settings import Settings
from agent.webhooks import (
    TYPES,
    AttemptLook,
    DeliveryLook,
    Endpoint,
    NewEndpoint,
    Webhooks,
    complaint,
    mint_endpoint,
    mint_secret,
)
from cli import loop, machine
from cli.endpoints import Act, state, table_of_attempts, table_of_deliveries, table_of_endpoints, webhooks
from cli.exits import Exit, leave
from cli.find import DataDir, engines_for, settings_for
from cli.granting import AsJson
from cli.logs import configure
from cli.plain import plain, text
from cli.reading import operator
from cli.spans import seconds

app = typer.Typer(no_args_is_help=True, help="Tell endpoints of a project how its responses ended.")
console = Console(highlight=False)
notes = Console(highlight=False, stderr=True)

Id = Annotated[str, typer.Argument(help="The endpoint's id: wh_…")]
T = TypeVar("T")
ALL_EVENTS = ",".join(TYPES)


@app.command()
def create(
    url: Annotated[str, typer.Argument(help="Where events are sent; https only.")],
    project: Annotated[str, typer.Option(help="The project whose responses it is told of.")] = DEFAULT_PROJECT,
    events: Annotated[str | None, typer.Option(help=f"Only these, with commas between: {ALL_EVENTS}.")] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Put an endpoint on record. Its secret goes to standard output, this one time."""
    settings = _begin(data_dir)
    loop.run(_refuse(settings, url))
    new = NewEndpoint(mint_endpoint(), project, url, mint_secret(), _events(events))

    async def act(it: Webhooks) -> bool:
        return await it.create(new, operator())

    if not _do(settings, act, make=True):
        leave(Exit.NOT_FOUND, f"there is no project {plain(project, 80)!r}; see `cuelight projects list`")
    _show_secret(new.id, new.secret, f"{new.id} of project {project}", as_json)


@app.command("list")
def list_endpoints(
    project: Annotated[str | None, typer.Option(help="Only endpoints of this project.")] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """List endpoints, the oldest first."""

    async def act(it: Webhooks) -> list[Endpoint]:
        return list(await it.endpoints(project))

    found = _do(_begin(data_dir), act)
    if as_json:
        machine.tell(found)
    elif found:
        console.print(table_of_endpoints(found))
    else:
        console.print(text("no endpoints", "dim"))


@app.command()
def show(id: Id, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Tell everything about an endpoint but its secret."""
    settings = _begin(data_dir)

    async def act(it: Webhooks) -> Endpoint | None:
        return await it.endpoint(id)

    found = _do(settings, act) or _unknown(id)
    if as_json:
        machine.tell(found)
    else:
        console.print(table_of_endpoints([found]))


@app.command()
def rotate(
    id: Id,
    grace: Annotated[
        str, typer.Option(help="How long earlier secrets sign too, such as 24h; 0s ends them now.")
    ] = "24h",
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Sign with a new secret, which goes to standard output, this one time; earlier ones sign too for a while."""
    settings, secret, grace_s = _begin(data_dir), mint_secret(), seconds(grace)

    async def act(it: Webhooks) -> Endpoint | None:
        return await it.rotate(id, secret, grace_s, operator())

    found = _do(settings, act) or _unknown(id)
    _show_secret(id, secret, f"{id} {state(found)}", as_json)


@app.command()
def delete(id: Id, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Remove an endpoint with all that was to be sent to it."""

    async def act(it: Webhooks) -> bool:
        return await it.delete(id, operator())

    if not _do(_begin(data_dir), act):
        _unknown(id)
    if as_json:
        machine.tell({"id": id, "deleted": True})
    else:
        console.print(text(f"{id} is deleted"))


@app.command()
def deliveries(
    id: Id,
    event: Annotated[str | None, typer.Option(help="Every attempt at this one: evt_…")] = None,
    limit: Annotated[int, typer.Option(help="How many, the newest first.", min=1, max=1_000)] = 50,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """List what an endpoint was told or is to be told, or every attempt at telling it of one event."""

    async def act(it: Webhooks) -> tuple[Endpoint | None, list[DeliveryLook], list[AttemptLook]]:
        attempts = [] if event is None else list(await it.attempts(id, event))
        return await it.endpoint(id), list(await it.deliveries(id, limit)), attempts

    endpoint, found, attempts = _do(_begin(data_dir), act)
    if endpoint is None or (event is not None and not attempts):
        _unknown(id if endpoint is None else event or "")
    if as_json:
        machine.tell(found if event is None else attempts)
    else:
        console.print(table_of_deliveries(found) if event is None else table_of_attempts(attempts))


@app.command()
def retry(
    id: Id,
    event: Annotated[str | None, typer.Argument(help="One event, evt_…; all that did not arrive by default.")] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Have events sent now, with 72 hours before them; an endpoint that was gone is told again."""

    async def act(it: Webhooks) -> tuple[Endpoint | None, list[str]]:
        return await it.endpoint(id), list(await it.again(id, event, operator()))

    endpoint, found = _do(_begin(data_dir), act)
    if endpoint is None or (event is not None and not found):
        _unknown(id if endpoint is None else event or "")
    if as_json:
        machine.tell({"id": id, "events": found})
    else:
        console.print(text(f"{len(found)} to be sent to {id}"))


def _begin(data_dir: DataDir) -> Settings:
    settings = settings_for(data_dir)
    configure(settings, "webhooks")
    return settings


def _do(settings: Settings, act: Act[T], *, make: bool = False) -> T:
    with engines_for(settings, make=make) as urls:
        return loop.run(_with(urls, act, make))


async def _with(urls: EngineUrls, act: Act[T], make: bool) -> T:
    async with webhooks(urls, make=make) as it:
        return await act(it)


def _events(value: str | None) -> tuple[str, ...] | None:
    """Raises `typer.BadParameter`."""
    if value is None:
        return None
    found = tuple(dict.fromkeys(part.strip() for part in value.split(",") if part.strip()))
    if not found or not set(found) <= set(TYPES):
        raise typer.BadParameter(f"events are {ALL_EVENTS}")
    return found


async def _refuse(settings: Settings, url: str) -> None:
    """Ends the process if nothing will be sent to this URL. The sender looks again, at each connection."""
    private = settings.webhooks_allow_private
    if why := complaint(url, private):
        leave(Exit.USAGE, f"{plain(url, 80)!r} cannot be an endpoint: {why}")
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    try:
        await addresses_of(host, port, allow_private=private)
    except Unresolved:
        leave(Exit.FAILED, f"{plain(host, 80)!r} has no address")
    except Forbidden:
        leave(
            Exit.FAILED,
            f"{plain(host, 80)!r} has a private address; if it is a receiver of your own, set "
            "CUELIGHT_WEBHOOKS_ALLOW_PRIVATE=true here and for everything that relays",
        )


def _show_secret(id: str, secret: str, said: str, as_json: bool) -> None:
    if as_json:
        machine.tell({"id": id, "secret": secret})
    else:
        notes.print(text(f"{said}. Keep the secret: it is not shown again."), soft_wrap=True)
        typer.echo(secret)


def _unknown(what: str) -> NoReturn:
    leave(Exit.NOT_FOUND, f"there is no {plain(what, 80)!r}; see `cuelight webhooks list`")
