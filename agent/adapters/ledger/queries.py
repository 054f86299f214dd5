"""The SQL of this package, by name: one described statement per file in `sql/`."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent

_PARAMETER = re.compile(r"\$(\d+)")


@cache
def sql(name: str) -> str:
    """The statement in `sql/<name>.sql`."""
    return (HERE / "sql" / f"{name}.sql").read_text()


@cache
def sql_of_both(first: str, second: str) -> str:
    """Two statements as one round trip: `first` inside of `second`, which begins with `with`.

    The parameters of `first` are numbered after those of `second`. Both see the tables as they were before. The rows of
    `second` have a second column for the one of `first`, whose rows come after them.
    """
    main = sql(second)
    count = max(int(number) for number in _PARAMETER.findall(main))
    part = _PARAMETER.sub(lambda found: f"${int(found[1]) + count}", sql(first))
    both = re.sub(r"^with ", f"with {first} as (\n{part}), ", main, count=1, flags=re.MULTILINE)
    return f"{both.rstrip()}\nunion all select null, {first}.* from {first}\n"  # noqa: S608  # names of our own files
