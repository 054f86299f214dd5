"""The SQL of this package, by name: one described statement per file in `sql/`."""

from __future__ import annotations

from functools import cache
from pathlib import Path

HERE = Path(__file__).parent


@cache
def sql(name: str) -> str:
    """The statement in `sql/<name>.sql`."""
    return (HERE / "sql" / f"{name}.sql").read_text()
