"""`cuelight api`, `worker`, `relay` and `migrate`: the processes of a deployment, one by one."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from agent.settings import Settings
from cli import loop
from cli.exits import Exit, leave
from cli.find import DataDir, attached, engines_for, settings_for
from cli.logs import configure

console = Console(highlight=False)


def api(
    host: Annotated[str | None, typer.Option(help="Address to listen on; loopback by default.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 for any free one.", min=0, max=65535)] = None,
    data_dir: DataDir = None,
) -> None:
    """Answer HTTP requests. The engines must run and be migrated."""
    from api.serve import serve  # the web framework is not needed by the other commands

    chosen = {"host": host, "port": port}
    settings = settings_for(data_dir).model_copy(update={k: v for k, v in chosen.items() if v is not None})
    configure(settings, "api")
    urls = running(settings)
    loop.run_until_stopped(lambda stop: serve(settings, *urls, stop, ready=say_ready))


def worker(
    routes: Annotated[str, typer.Option(help="Comma-separated routes to work on; all of them by default.")] = "",
    relay: Annotated[
        bool, typer.Option("--relay/--no-relay", help="Whether to relay too; without it a `cuelight relay` must run.")
    ] = True,
    data_dir: DataDir = None,
) -> None:
    """Work on the streams. Any number of workers may run."""
    from workers.blocked import unblocked
    from workers.serve import serve  # the model client takes half a second to import

    settings = settings_for(data_dir)
    configure(settings, "worker")
    urls = running(settings)
    chosen = tuple(route.strip() for route in routes.split(",") if route.strip())
    loop.run_until_stopped(
        lambda stop: unblocked(serve(settings, *urls, stop, chosen, lambda: say_ready("worker"), relaying=relay))
    )


def relay(data_dir: DataDir = None) -> None:
    """Only relay: publish what is due, end what is overdue, mend what Redis lost. Any number of relays may run."""
    from workers.serve import serve_relay

    settings = settings_for(data_dir)
    configure(settings, "relay")
    urls = running(settings)
    loop.run_until_stopped(lambda stop: serve_relay(settings, *urls, stop, lambda: say_ready("relay")))


def migrate(data_dir: DataDir = None) -> None:
    """Bring the ledger to this release's version."""
    from agent.adapters.ledger.migrate import migrate as bring

    settings = settings_for(data_dir)
    configure(settings, "migrate")
    with engines_for(settings, make=True) as urls:
        done = loop.run(bring(urls.database_url))
    for name in done:
        console.print(f"applied {name}")
    console.print("the ledger is up to date")


def running(settings: Settings) -> tuple[str, str]:
    """The URLs of engines that run. Ends the process if there are none."""
    urls = attached(settings)
    if urls is None:
        leave(
            Exit.REFUSED,
            f"no engines run in {settings.data_dir}: start `cuelight up`, "
            "or set CUELIGHT_DATABASE_URL and CUELIGHT_REDIS_URL",
        )
    return urls.database_url, urls.redis_url


def say_ready(what: str) -> None:
    """The line that scripts wait for."""
    print(f"ready: {what}", flush=True)  # noqa: T201  # a script reads it
