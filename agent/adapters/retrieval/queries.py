"""The SQL of this package, by name: one described statement per file in `sql/`."""

from __future__ import annotations

from functools import cache
from pathlib import Path

SQL = Path(__file__).parent / "sql"


@cache
def sql(name: str) -> str:
    """The statement in `sql/<name>.sql`."""
    return (SQL / f"{name}.sql").read_text()
