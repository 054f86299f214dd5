"""`cuelight keys`: what lets clients in. A key is shown once, when it is made; the ledger keeps its hash."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from agent.access import Key, NewKey, hashed, mint
from agent.adapters.embedded import EngineUrls
from agent.ports import DEFAULT_PROJECT
from cli import granting, loop, machine
from cli.exits import Exit, leave
from cli.find import DataDir, engines_for, settings_for
from cli.granting import AsJson, Concurrent, Requests, Tokens, Usd
from cli.logs import configure
from cli.plain import plain, text
from cli.reading import operator
from cli.spans import seconds

app = typer.Typer(no_args_is_help=True, help="Make API keys, list them, and revoke them.")
console = Console(highlight=False)
notes = Console(highlight=False, stderr=True)


class Role(StrEnum):
    """An operator may also read the figures of `/metrics` from elsewhere."""

    USER = "user"
    OPERATOR = "operator"


@app.command()
def create(
    project: Annotated[str, typer.Option(help="The project that the key opens.")] = DEFAULT_PROJECT,
    name: Annotated[str, typer.Option(help="Who or what will use it.")] = "",
    role: Annotated[Role, typer.Option(help="What it may do.")] = Role.USER,
    expires: Annotated[
        str | None, typer.Option(help="How long it is good for, such as 90d; for ever by default.")
    ] = None,
    requests_per_min: Requests = None,
    tokens_per_min: Tokens = None,
    concurrent_runs: Concurrent = None,
    usd_per_day: Usd = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Make a key. It goes to standard output, this one time; as soon as there is one, every request needs one."""
    settings = settings_for(data_dir)
    configure(settings, "keys")
    key, id, hint = mint()
    limits = granting.limits_of(requests_per_min, tokens_per_min, concurrent_runs, usd_per_day)
    lives_s = None if expires is None else seconds(expires)
    new = NewKey(id, project, name, role.value, hint, hashed(key), limits, lives_s)
    with engines_for(settings, make=True) as urls:
        if not loop.run(_create(urls, new)):
            leave(Exit.NOT_FOUND, f"there is no project {plain(project, 80)!r}; see `cuelight projects list`")
    if as_json:
        machine.tell({"id": id, "project": project, "name": name, "role": role.value, "key": key})
    else:
        notes.print(
            text(f"{id} of project {project}, role {role.value}. Keep the key: it is not shown again."), soft_wrap=True
        )
        typer.echo(key)


@app.command("list")
def list_keys(
    project: Annotated[str | None, typer.Option(help="Only keys of this project.")] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """List all keys that there ever were, the oldest first; one that begins `cue-12ab` is `key_12ab`."""
    settings = settings_for(data_dir)
    configure(settings, "keys")
    with engines_for(settings) as urls:
        found = loop.run(_list(urls, project))
    if as_json:
        machine.tell([granting.values_of(key) for key in found])
    elif found:
        console.print(_table(found))
    else:
        console.print(text("no keys: whoever reaches the service may use it", "dim"))


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(help="The key's id: key_…")],
    grace: Annotated[
        str, typer.Option(help="How long it is still good, such as 1h, while its successor spreads.")
    ] = "0s",
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Have a key refused, within seconds or after a grace. A grace can be cut short and not made longer."""
    settings = settings_for(data_dir)
    configure(settings, "keys")
    grace_s = seconds(grace)
    with engines_for(settings) as urls:
        found = loop.run(_revoke(urls, key, grace_s))
    if found is None:
        leave(Exit.NOT_FOUND, f"there is no key {plain(key, 80)!r}; see `cuelight keys list`")
    if as_json:
        machine.tell(granting.values_of(found))
    else:
        console.print(text(f"{found.id} {state(found)}"))


def state(key: Key) -> str:
    """What can be said of a key's life."""
    if key.lives_s is not None and key.lives_s <= 0:
        return "is revoked" if key.revoked_at is not None else "has expired"
    ends = [at for at in (key.revoked_at, key.expires_at) if at is not None]
    return f"is good until {min(ends):%Y-%m-%d %H:%M:%S} UTC" if ends else "is good"


async def _create(urls: EngineUrls, new: NewKey) -> bool:
    async with granting.access(urls, make=True) as it:
        return await it.create_key(new, operator())


async def _list(urls: EngineUrls, project: str | None) -> Sequence[Key]:
    async with granting.access(urls) as it:
        return await it.keys(project)


async def _revoke(urls: EngineUrls, key: str, grace_s: float) -> Key | None:
    async with granting.access(urls) as it:
        return await it.revoke_key(key, grace_s, operator())


def _table(found: Sequence[Key]) -> Table:
    """A key that begins with `cue-12ab…` has the id `key_12ab…`."""
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("key", no_wrap=True, min_width=16)
    for name in ("project", "role", "name", "state", "limits"):
        table.add_column(name, overflow="fold")
    for it in found:
        row = (it.id, it.project, it.role, it.name, state(it), granting.told(it.limits))
        table.add_row(*(text(value) for value in row))
    return table
