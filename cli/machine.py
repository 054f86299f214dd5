"""What `--json` prints: ASCII only, so that no terminal obeys it and every parser takes it."""

from __future__ import annotations

import json
from dataclasses import asdict, is_dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import typer


def tell(value: Any) -> None:
    """One JSON value, spread over lines."""
    typer.echo(json.dumps(value, default=_plain, indent=2))


def line(value: Any) -> None:
    """One JSON value on one line, sent at once: whoever reads the pipe waits for it."""
    print(json.dumps(value, default=_plain), flush=True)  # noqa: T201  # typer's echo is not flushed into a pipe


def _plain(value: object) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value:f}"
    raise TypeError(f"{type(value).__name__} is not JSON")
