"""Nothing of a purged run is left: every table, every key of Redis and every file is searched for its words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from agent.adapters.ledger.postgres import PostgresLedger
from agent.adapters.ledger.privacy import PostgresPrivacy
from agent.outcome import Postpone
from agent.ports import Delivery, Pointer
from tests.contract.toys import model_call
from tests.e2e.house import QUESTION, RIGHT, WRONG, House, Open, until
from workers.spill import Spill

ASKED, INSTRUCTED, NOTED, DRAFTED, ANSWERED, COMPLAINED = SECRETS = (
    "xyzzyquestion",
    "xyzzyinstruction",
    "xyzzymetadata",
    "xyzzydraft",
    "xyzzyanswer",
    "xyzzycomplaint",
)
BODY = QUESTION | {
    "input": f"How long is the warranty of the lamp? {ASKED}",
    "instructions": INSTRUCTED,
    "metadata": {"note": NOTED},
}
BAD = {**WRONG, "answer": f"Certainly {DRAFTED}."}
GOOD = {**RIGHT, "answer": f"{RIGHT['answer']} {ANSWERED}"}
REFUSED = {"fault": {"kind": "bad_request", "message": COMPLAINED}, "answer": ""}
COLUMNS = """
select table_name, column_name
from information_schema.columns join information_schema.tables using (table_schema, table_name)
where table_schema = 'public' and table_type = 'BASE TABLE' order by table_name, ordinal_position
"""


async def found(it: House) -> set[tuple[str, str]]:
    """Where a word of the run stands: table and column, key, or file; with the word."""
    places = await _in_tables(it) | await _in_redis(it)
    files = (path for path in it.settings.data_dir.rglob("*") if path.is_file())
    return places | {(path.name, word) for path in files for word in SECRETS if word.encode() in path.read_bytes()}


async def _in_tables(it: House) -> set[tuple[str, str]]:
    places = set()
    for table, column in await it.pool.fetch(COLUMNS):
        values = await it.pool.fetch(f'select "{column}"::text as value from "{table}"')  # noqa: S608  # our own tables
        said = " ".join(_readable(row["value"]) for row in values)
        places |= {(f"{table}.{column}", word) for word in SECRETS if word in said}
    return places


def _readable(value: str | None) -> str:
    """A value as text; bytes come from PostgreSQL in hex."""
    if value is not None and value.startswith("\\x"):
        return bytes.fromhex(value[2:]).decode("latin-1")
    return value or ""


async def _in_redis(it: House) -> set[tuple[str, str]]:
    places = set()
    keys: list[str] = [key async for key in it.redis.scan_iter(f"{it.settings.redis_prefix}:*")]
    for key in keys:
        held = await _held(it, key)
        places |= {(key, word) for word in SECRETS if word in repr((key, held))}
    return places


async def _held(it: House, key: str) -> Any:
    match await it.redis.type(key):
        case "none" | "string":  # a lease may end between the look and this
            return await it.redis.get(key)
        case "stream":
            return await it.redis.xrange(key)
        case "hash":
            return await it.redis.hgetall(key)
        case "set":
            return await it.redis.smembers(key)
        case kind:
            raise AssertionError(f"{key} is a {kind!r}: say how to read it")


async def purged(it: House, run: str) -> bool:
    at = await it.pool.fetchval("select purged_at from runs where id = $1", run)
    return at is not None


@asynccontextmanager
async def at_work(it: House) -> AsyncIterator[httpx.AsyncClient]:
    async with it.worker(), it.door() as http:
        yield http


async def test_an_answer_that_is_not_stored_leaves_no_word_behind(house: Open) -> None:
    async with house({"answer": BAD, "times": 1}, {"answer": GOOD}) as it, at_work(it) as http:
        body = (await http.post("/v1/responses", json=BODY | {"store": False})).json()
        assert ANSWERED in body["output"][0]["content"][0]["text"]
        await until(lambda: purged(it, body["id"]))
        assert await found(it) == set()
        row = await it.pool.fetchrow("select * from runs")
        assert row is not None and (row["status"], row["calls"]) == ("completed", 2) and row["input_tokens"] > 0
        assert len(await it.story(body["id"])) == 6


async def test_a_stored_answer_leaves_no_word_behind_once_it_is_deleted(house: Open) -> None:
    async with house({"answer": BAD, "times": 1}, {"answer": GOOD}) as it, at_work(it) as http:
        run = (await http.post("/v1/responses", json=BODY)).json()["id"]
        assert {word for _, word in await found(it)} == set(SECRETS) - {COMPLAINED}, "the search finds what is there"
        assert (await http.delete(f"/v1/responses/{run}")).status_code == 200
        await until(lambda: purged(it, run))
        assert await found(it) == set()
        assert (await http.get(f"/v1/responses/{run}")).status_code == 404


async def test_a_failure_leaves_no_word_in_its_dead_letter(house: Open) -> None:
    async with house(REFUSED) as it, at_work(it) as http:
        body = (await http.post("/v1/responses", json=BODY)).json()
        assert body["status"] == "failed"
        assert ("dead_letters.reason", COMPLAINED) in await found(it)
        await http.delete(f"/v1/responses/{body['id']}")
        await until(lambda: purged(it, body["id"]))
        assert await found(it) == set()
        (letter,) = await it.dead_letters()
        assert letter["kind"] == "rejected"


async def test_a_deleted_run_that_is_under_way_leaves_no_word_behind(house: Open) -> None:
    async with house({"fault": "hang", "answer": GOOD}) as it, at_work(it) as http:
        waiting = asyncio.create_task(http.post("/v1/responses", json=BODY))

        async def asked() -> str | None:
            row = await it.pool.fetchrow("select run_id from calls where effect_type = 'call_model'")
            return None if row is None else str(row["run_id"])

        run = await until(asked)
        await http.delete(f"/v1/responses/{run}")
        assert (await waiting).json().get("status") in ("cancelled", None)
        await until(lambda: purged(it, run))
        assert await found(it) == set()


async def test_a_spilled_answer_of_a_forgotten_run_leaves_no_word_behind(house: Open) -> None:
    async with house() as it, it.door() as http:
        waiting = asyncio.create_task(http.post("/v1/responses", json=BODY))
        run = await until(it.published)
        begun = await PostgresLedger(it.pool).begin(Delivery(Pointer(run, 1, 1, "retrieve", 1)))
        assert begun is not None
        begun.calls.append(model_call(ASKED, answer=f'"{ANSWERED}"'))
        path = Spill(it.settings.data_dir / "spill").keep(begun, Postpone(0.0, "transport", COMPLAINED))
        assert path is not None
        path.rename(path.with_name("1-1-" + path.name.split("-", 2)[2]))  # of a process that is dead
        await http.delete(f"/v1/responses/{run}")
        await waiting
        assert await PostgresPrivacy(it.pool).purge(0.0, 10) == 1
        async with it.worker():

            async def adopted() -> bool:
                return not list(path.parent.iterdir())

            await until(adopted)
        assert await found(it) == set()
        (call,) = await it.calls(run)
        assert (call["status"], call["input_tokens"]) == ("answered", 10), "its bill is kept"
