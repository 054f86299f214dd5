"""Dead letters in PostgreSQL: looked at, replayed, discarded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import orjson

from agent.adapters.ledger.connect import Connection, Pool, transaction
from agent.adapters.ledger.errors import reached
from agent.adapters.ledger.queries import sql
from agent.adapters.ledger.rows import audit_id, columns
from agent.letters import Filter, Letter, LetterStory, Place, Refusal, Standing, Tally, Verdict, refusal
from agent.ports import Pointer

SAME_NAMES = [field.name for field in fields(Letter) if field.name != "run"]


class PostgresLetters:
    """See `agent.letters.Letters`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def letters(self, chosen: Filter, most: int, after: Place | None = None, /) -> Sequence[Letter]:
        with reached():
            rows = await self._pool.fetch(sql("letters"), *_filter(chosen), *(after or (None, None)), most)
        return [_letter(row) for row in rows]

    async def letter(self, id: str, /) -> LetterStory | None:
        with reached():
            row = await self._pool.fetchrow(sql("letter"), id)
        return None if row is None else LetterStory(_letter(row), row["body"], row["history"], row["raw"])

    async def tally(self, chosen: Filter, /) -> Tally:
        with reached():
            (row,) = await self._pool.fetch(sql("letters_tally"), *_filter(chosen))
        return Tally(row["count"], row["replayable"], row["spent_usd"], row["estimate_usd"])

    async def replay(self, ids: Sequence[str], by: str, /) -> Sequence[Verdict]:
        with reached():
            async with transaction(self._pool) as connection:
                return await replay_in(connection, ids, by)

    async def discard(self, ids: Sequence[str], by: str, /) -> Sequence[Verdict]:
        with reached():
            async with transaction(self._pool) as connection:
                return await discard_in(connection, ids, by)


async def replay_in(connection: Connection, ids: Sequence[str], by: str) -> Sequence[Verdict]:
    """As `Letters.replay`, inside a transaction of the caller's."""
    letters = await _lock(connection, ids)
    runs = await _runs(connection, letters.values())
    verdicts = {id: _judge(id, letters.get(id), runs) for id in ids}
    chosen = [letters[id] for id, verdict in verdicts.items() if verdict.refused is None]
    standing = await _reopen(connection, chosen)
    await _settle(connection, [verdicts[it.id] for it in chosen], by, "replayed")
    return [_signed(verdicts[id], by, standing) for id in ids]


async def discard_in(connection: Connection, ids: Sequence[str], by: str) -> Sequence[Verdict]:
    """As `Letters.discard`, inside a transaction of the caller's."""
    letters = await _lock(connection, ids)
    verdicts = {id: _discarded(id, letters.get(id)) for id in ids}
    chosen = [verdict for verdict in verdicts.values() if verdict.refused is None]
    await _settle(connection, chosen, by, "discarded")
    return [_signed(verdicts[id], by, {}) for id in ids]


async def _reopen(connection: Connection, chosen: Sequence[Letter]) -> Mapping[str, Pointer]:
    again = [(it.run, it.generation, it.seq, it.route) for it in chosen]
    rows = await connection.fetch(sql("reopen"), *columns(again, 4))
    return {row["run_id"]: Pointer(*row) for row in rows}


async def _lock(connection: Connection, ids: Sequence[str]) -> Mapping[str, Letter]:
    return {row["id"]: _letter(row) for row in await connection.fetch(sql("letters_lock"), list(ids))}


async def _runs(connection: Connection, letters: Any) -> Mapping[tuple[str, int], Standing]:
    wanted = [(it.run, it.generation, it.seq) for it in letters if it.run is not None]
    rows = await connection.fetch(sql("letters_runs"), *columns(wanted, 3))
    return {
        (row["id"], row["of_generation"]): Standing(row["generation"], row["status"], row["purged"], row["has_event"])
        for row in rows
    }


def _judge(id: str, letter: Letter | None, runs: Mapping[tuple[str, int], Standing]) -> Verdict:
    run = None if letter is None else runs.get((letter.run or "", letter.generation or 0))
    why = refusal(letter, run)
    if letter is None:
        return Verdict(id, why)
    if why is not None:
        return Verdict(id, why, letter.run, letter.generation, letter.settled_by)
    return Verdict(id, None, letter.run, (letter.generation or 0) + 1)


def _discarded(id: str, letter: Letter | None) -> Verdict:
    if letter is None:
        return Verdict(id, Refusal.UNKNOWN)
    if letter.settled_at is None:
        return Verdict(id, None, letter.run, letter.generation)
    why = Refusal.REPLAYED if letter.settled_as == "replayed" else Refusal.DISCARDED
    return Verdict(id, why, letter.run, letter.generation, letter.settled_by)


def _signed(verdict: Verdict, by: str, standing: Mapping[str, Pointer]) -> Verdict:
    if verdict.refused is not None:
        return verdict
    return replace(verdict, settled_by=by, pointer=standing.get(verdict.run or ""))


async def _settle(connection: Connection, verdicts: Sequence[Verdict], by: str, settled_as: str) -> None:
    ids = [verdict.letter for verdict in verdicts]
    details = [orjson.dumps({"run": it.run, "generation": it.generation}).decode() for it in verdicts]
    audits = [audit_id() for _ in verdicts]
    await connection.execute(sql("letters_settle"), ids, by, settled_as, audits, details)


def _filter(chosen: Filter) -> tuple[Any, ...]:
    what = (chosen.route, chosen.kind, chosen.agent, chosen.run)
    return (*what, chosen.older_than_s, chosen.younger_than_s, chosen.state, chosen.until, _ids(chosen))


def _ids(chosen: Filter) -> list[str] | None:
    return None if chosen.ids is None else list(chosen.ids)


def _letter(row: Any) -> Letter:
    return Letter(run=row["run_id"], **{name: row[name] for name in SAME_NAMES})
