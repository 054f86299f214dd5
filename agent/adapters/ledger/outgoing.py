"""What is to be sent to endpoints, in PostgreSQL: taken under a lease, and put on record."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from agent.adapters.ledger.connect import Pool, transaction
from agent.adapters.ledger.errors import reached
from agent.adapters.ledger.queries import sql
from agent.webhooks import DeliveryState, Parcel, Receipt


class PostgresOutgoing:
    """See `agent.webhooks.Outgoing`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def claim(self, lease_s: float, most: int, each: int, without: Sequence[str], /) -> Sequence[Parcel]:
        token = os.urandom(8).hex()
        with reached():
            async with transaction(self._pool) as connection:
                rows = await connection.fetch(sql("outgoing_claim"), lease_s, most, each, list(without), token)
        return [_parcel(row, token) for row in rows]

    async def record(self, parcel: Parcel, receipt: Receipt, delay_s: float, /) -> DeliveryState | None:
        told = (receipt.status, receipt.duration_ms, receipt.error, receipt.arrived, receipt.gone, delay_s)
        with reached():
            async with transaction(self._pool) as connection:
                state: DeliveryState | None = await connection.fetchval(
                    sql("outgoing_record"), parcel.webhook, parcel.event, parcel.number, parcel.token, *told
                )
        return state


def _parcel(row: Any, token: str) -> Parcel:
    return Parcel(
        webhook=row["webhook_id"],
        event=row["event_id"],
        run=row["run_id"],
        type=row["type"],
        happened_at=row["happened_at"],
        url=row["url"],
        secrets=(row["secret"], *row["earlier"]),
        number=row["attempts"],
        tries=row["tries"],
        token=token,
        failing=row["failing"],
    )
