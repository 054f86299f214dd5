"""Opening attempts: one statement for the deliveries of one moment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from agent.adapters.ledger.lane import Lane
from agent.adapters.ledger.queries import sql
from agent.adapters.ledger.rows import columns, envelope
from agent.ports import Begun, Delivery

Opened = tuple[str, Delivery]
"""A claim token and the delivery it is for."""


class Beginner:
    """Opens a batch of attempts. What it writes is lost by nothing but a crash of the database server itself."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane

    async def __call__(self, batch: Sequence[Opened]) -> Sequence[Begun | None]:
        async with self._lane.connection() as connection:
            found = await connection.fetch(sql("begin"), *columns([_row(*opened) for opened in batch], 7))
        begun = {row["token"]: row for row in found}
        return [_begun(token, delivery, begun.get(token)) for token, delivery in batch]


def _row(token: str, delivery: Delivery) -> tuple[Any, ...]:
    pointer = delivery.pointer
    return (*pointer.key, pointer.attempt, token, delivery.worker, delivery.entry)


def _begun(token: str, delivery: Delivery, row: Any) -> Begun | None:
    if row is None:
        return None
    pointer = delivery.pointer
    return Begun(
        delivery=delivery,
        token=token,
        deliveries=row["deliveries"],
        number=row["begins"],
        agent=row["agent"],
        agent_version=row["agent_version"],
        prompts=orjson.loads(row["prompts"]),
        request=row["request"],
        deadline=row["deadline"],
        remaining_s=row["remaining_s"],
        spent_usd=row["spent_usd"],
        trace=row["trace"],
        spent_tokens=row["spent_tokens"],
        unknown_calls=row["unknown_calls"],
        model_calls=row["model_calls"],
        failures=row["failures"],
        events=[envelope(pointer.run, pointer.generation, event) for event in row["events"] or ()],
        answers={(answer[0], answer[1]): answer[2] for answer in row["answers"] or ()},
    )
