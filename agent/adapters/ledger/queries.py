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
def settling(*, calls: bool, ends: bool) -> str:
    """`settle` with what belongs to it, as one statement and one round trip; all of it sees the tables as they were.

    Parameters are those of `settle`, then of `end_runs` and then of `record_calls`, as far as these take part. With
    `calls`, rows for what `record_calls` brings come after those of `settle`.
    """
    text = sql("settle")
    if ends:
        text = _at_the_end(text, "forget_calls", "end_runs", "tell_webhooks")
    return _at_the_start(text, "record_calls") if calls else text


@cache
def ending() -> str:
    """`end_runs` by itself, for runs that were settled in the same transaction; its parameters are the same."""
    held = "with held as (select unnest($1::text[]) as run_id, null::text as next_route)"
    parts = ", ".join(f"{name} as (\n{sql(name)})" for name in ("forget_calls", "end_runs"))
    return f"{held}, {parts}\n{sql('tell_webhooks')}"


def _at_the_end(text: str, *parts: str) -> str:
    """With parts that may use what `text` has under its own `with`, and bring it no rows."""
    head, closed, tail = text.rpartition("\n)\n")
    for name in parts:
        head += f"\n), {name} as (\n{_after(head, name)}"
    return f"{head}{closed}{tail}"


def _at_the_start(text: str, name: str) -> str:
    """With a part whose one column stands second in the rows."""
    both = re.sub(r"^with ", f"with {name} as (\n{_after(text, name)}), ", text, count=1, flags=re.MULTILINE)
    return f"{both.rstrip()}\nunion all select null, {name}.* from {name}\n"  # noqa: S608  # names of our own files


def _after(text: str, name: str) -> str:
    """A statement with its parameters numbered after those of `text`."""
    count = max(int(number) for number in _PARAMETER.findall(text))
    return _PARAMETER.sub(lambda found: f"${int(found[1]) + count}", sql(name))
