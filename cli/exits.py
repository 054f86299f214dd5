"""The exit codes of every command, and the one way to end with them."""

from __future__ import annotations

from enum import IntEnum
from typing import NoReturn

import typer
from rich.console import Console

from cli.plain import paragraphs

errors = Console(stderr=True, highlight=False)


class Exit(IntEnum):
    """Documented in `docs/cli.md`: scripts rely on them."""

    OK = 0
    FAILED = 1
    """The command did its work and the answer is no: a run failed, a check found something."""
    USAGE = 2
    """The command line is wrong."""
    REFUSED = 3
    """The process cannot do its job as configured; the message says why."""
    NOT_FOUND = 4
    """What was asked for is not there."""
    WARNED = 5
    """`doctor` found something that wants to be looked at, and no fault."""


def complain(message: object) -> None:
    """Say on standard error what is wrong, whatever stands in it: no terminal obeys it."""
    errors.print(f"cuelight: {paragraphs(str(message))}", markup=False, soft_wrap=True)


def leave(code: Exit, message: str) -> NoReturn:
    """End with one sentence on standard error."""
    complain(message)
    raise typer.Exit(code)
