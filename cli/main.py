"""The `cuelight` command. Only the module of the command that was typed is imported: half of a short one's time."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

import typer

from agent.errors import Misconfigured, Transient
from cli.exits import Exit, complain

COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("init", "init"),
    "up": ("up", "up"),
    "api": ("serve", "api"),
    "worker": ("serve", "worker"),
    "relay": ("serve", "relay"),
    "migrate": ("serve", "migrate"),
    "ingest": ("ingest", "ingest_command"),
    "search": ("search", "search"),
    "ask": ("ask", "ask"),
    "show": ("show", "show"),
    "export": ("export", "export"),
    "replay": ("replay", "replay"),
    "make-test": ("make_test", "make_test"),
    "evaluate": ("evaluate", "evaluate"),
    "cancel": ("cancel", "cancel"),
    "cost": ("cost", "cost"),
    "approvals": ("approvals", "app"),
    "doctor": ("doctor", "doctor"),
    "runs": ("runs", "runs"),
    "tail": ("tail", "tail"),
    "streams": ("streams", "app"),
    "pause": ("pause", "pause"),
    "resume": ("pause", "resume"),
    "pauses": ("pause", "pauses"),
    "dead": ("dead", "app"),
    "jobs": ("jobs", "app"),
    "retention": ("retention", "retention"),
    "projects": ("projects", "app"),
    "keys": ("keys", "app"),
    "webhooks": ("webhooks", "app"),
    "agents": ("agents", "app"),
    "models": ("models", "app"),
    "fake-model": ("fake_model", "fake_model"),
}
"""Each command's module below `cli`, and what it is called there: a function, or the app of a group of commands."""


def build(words: Sequence[str]) -> typer.Typer:
    """The application for this command line: with the one command that it names, or with all of them."""
    app = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        help="One HTTP call in, one checked answer out.",
    )
    app.callback()(_together)
    for name in words[:1] if words and words[0] in COMMANDS else COMMANDS:
        module, attribute = COMMANDS[name]
        found = getattr(import_module(f"cli.{module}"), attribute)
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=name)
        else:
            app.command(name)(found)
    return app


def _together() -> None:
    """An application of one command would not want that command's name; one with a callback does."""


def main() -> None:
    """Every command; a process that cannot do its job says why in one sentence."""
    try:
        build(sys.argv[1:])()
    except Misconfigured as error:
        complain(error)
        sys.exit(Exit.REFUSED)
    except Transient as error:
        complain(error)
        sys.exit(Exit.FAILED)


if __name__ == "__main__":
    main()
