"""Endpoints of projects in PostgreSQL, as operators handle them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agent.adapters.ledger.connect import Pool, transaction
from agent.adapters.ledger.errors import reached
from agent.adapters.ledger.queries import sql
from agent.adapters.ledger.rows import audit_id
from agent.envelope import scrub
from agent.webhooks import AttemptLook, DeliveryLook, Endpoint, NewEndpoint


class PostgresWebhooks:
    """See `agent.webhooks.Webhooks`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def create(self, new: NewEndpoint, by: str, /) -> bool:
        values = (new.id, scrub(new.project), new.url, new.secret, new.events, scrub(by), audit_id())
        return bool(await self._fetch("webhooks_create", *values))

    async def endpoints(self, project: str | None = None, /) -> Sequence[Endpoint]:
        wanted = None if project is None else scrub(project)
        return [_endpoint(row) for row in await self._fetch("webhooks_list", wanted, None)]

    async def endpoint(self, id: str, /) -> Endpoint | None:
        found = await self._fetch("webhooks_list", None, scrub(id))
        return _endpoint(found[0]) if found else None

    async def rotate(self, id: str, secret: str, grace_s: float, by: str, /) -> Endpoint | None:
        with reached():
            async with transaction(self._pool) as connection:
                if await connection.fetchrow(sql("webhooks_lock"), scrub(id)) is None:
                    return None
                await connection.execute(sql("webhooks_retire"), id, grace_s)
                await connection.execute(sql("webhooks_rotate"), id, secret, scrub(by), audit_id())
        return await self.endpoint(id)

    async def delete(self, id: str, by: str, /) -> bool:
        return bool(await self._fetch("webhooks_delete", scrub(id), scrub(by), audit_id()))

    async def deliveries(self, id: str, most: int, /) -> Sequence[DeliveryLook]:
        return [DeliveryLook(**row) for row in await self._fetch("webhooks_deliveries", scrub(id), most)]

    async def attempts(self, id: str, event: str, /) -> Sequence[AttemptLook]:
        return [AttemptLook(**row) for row in await self._fetch("webhooks_attempts", scrub(id), scrub(event))]

    async def again(self, id: str, event: str | None, by: str, /) -> Sequence[str]:
        wanted = None if event is None else scrub(event)
        rows = await self._fetch("webhooks_again", scrub(id), wanted, scrub(by), audit_id())
        return sorted(row["event_id"] for row in rows)

    async def _fetch(self, name: str, *values: Any) -> list[Any]:
        with reached():
            found: list[Any] = await self._pool.fetch(sql(name), *values)
        return found


def _endpoint(row: Any) -> Endpoint:
    events = None if row["events"] is None else tuple(row["events"])
    return Endpoint(**{**row, "events": events})
