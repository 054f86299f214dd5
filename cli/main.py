"""The `cuelight` command."""

from __future__ import annotations

import sys

import typer

from agent.errors import Misconfigured, Transient
from cli import (
    agents,
    ask,
    cancel,
    dead,
    doctor,
    fake_model,
    ingest,
    jobs,
    models,
    pause,
    retention,
    runs,
    serve,
    show,
    streams,
    tail,
    up,
)
from cli.exits import Exit, errors

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="One HTTP call in, one checked answer out.",
)
app.command()(up.up)
app.command()(serve.api)
app.command()(serve.worker)
app.command()(serve.relay)
app.command()(serve.migrate)
app.command("ingest")(ingest.ingest_command)
app.command()(ask.ask)
app.command()(show.show)
app.command()(cancel.cancel)
app.command()(doctor.doctor)
app.command()(runs.runs)
app.command()(tail.tail)
app.add_typer(streams.app, name="streams")
app.command()(pause.pause)
app.command()(pause.resume)
app.command()(pause.pauses)
app.add_typer(dead.app, name="dead")
app.add_typer(jobs.app, name="jobs")
app.command()(retention.retention)
app.add_typer(agents.app, name="agents")
app.add_typer(models.app, name="models")
app.command("fake-model")(fake_model.fake_model)


def main() -> None:
    """Every command; a process that cannot do its job says why in one sentence."""
    try:
        app()
    except Misconfigured as error:
        errors.print(f"cuelight: {error}", markup=False, soft_wrap=True)
        sys.exit(Exit.REFUSED)
    except Transient as error:
        errors.print(f"cuelight: {error}", markup=False, soft_wrap=True)
        sys.exit(Exit.FAILED)


if __name__ == "__main__":
    main()
