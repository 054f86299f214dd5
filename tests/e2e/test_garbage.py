"""What strangers write into the work streams: set aside byte for byte, and the line goes on."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agent.adapters.ledger.letters import PostgresLetters
from tests.e2e.house import QUESTION, RIGHT, House, Open, until

ROUTES = ("retrieve", "generate", "validate", "repair")
POINTER = {"run": "resp_1", "generation": "1", "seq": "1", "route": "ROUTE", "attempt": "1", "project": "default"}
GARBAGE: dict[str, dict[Any, Any]] = {
    "empty": {"": ""},
    "foreign": {"hello": "world"},
    "no UTF-8": {b"\xff\xfe": b"\x80\x00\xc3"},
    "a run that is no UTF-8": {**POINTER, "run": b"resp_\xff"},
    "a NUL": {**POINTER, "run": "resp_\x00"},
    "no number": {**POINTER, "seq": "one"},
    "a number that is too large": {**POINTER, "attempt": "9" * 30},
    "a number below one": {**POINTER, "generation": "0"},
    "an unknown route": {**POINTER, "route": "nowhere"},
    "a huge value": {"x": b"y" * 4_000_000},
    "a huge number": {**POINTER, "seq": "1" * 1_000_000},
    "a huge run": {**POINTER, "run": "r" * 1_000_000},
}


def wire(fields: dict[Any, Any]) -> bytes:
    parts = [part.encode() if isinstance(part, str) else part for pair in fields.items() for part in pair]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)


@pytest.mark.parametrize("route", ROUTES)
async def test_garbage_in_a_stream_ends_in_dead_letters_with_its_bytes_and_the_line_goes_on(
    house: Open, route: str
) -> None:
    thrown = {
        name: {key: route if value == "ROUTE" else value for key, value in fields.items()}
        for name, fields in GARBAGE.items()
    }
    async with house({"answer": RIGHT}) as it, it.worker(), it.door() as http:
        first = asyncio.create_task(http.post("/v1/responses", json=QUESTION))
        ids = {name: await it.redis.xadd(it.keys.work(route), fields) for name, fields in thrown.items()}
        replies = [await first, await http.post("/v1/responses", json=QUESTION)]
        assert [reply.json()["status"] for reply in replies] == ["completed"] * 2
        await until(lambda: all_buried(it, len(thrown)))
        letters = PostgresLetters(it.pool)
        for name, fields in thrown.items():
            told = await letters.letter(f"{route}/{ids[name]!s}")
            assert told is not None, name
            assert (told.letter.kind, told.raw) == ("unreadable", wire(fields)), name
            assert len(told.body) + len(told.letter.reason) < 20_000, name


async def all_buried(it: House, count: int) -> bool:
    """Whether so many letters are there and nothing is left in any work stream."""
    left = [await it.redis.xlen(it.keys.work(route)) for route in ROUTES]
    return len(await it.dead_letters()) == count and not any(left)
