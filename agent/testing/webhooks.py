"""Endpoints and deliveries of the in-memory ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count

from agent.testing.memory import MemoryLedger
from agent.testing.rows import AuditRow
from agent.webhooks import (
    GIVE_UP_AFTER,
    AttemptLook,
    DeliveryLook,
    DeliveryState,
    Endpoint,
    NewEndpoint,
    Parcel,
    Receipt,
    event_id,
)


@dataclass(slots=True)
class _Endpoint:
    new: NewEndpoint
    created_at: datetime
    secrets: list[tuple[str, datetime | None]]
    """The newest first, with the moment at which each ends."""
    disabled_at: datetime | None = None
    failing_since: datetime | None = None


@dataclass(slots=True)
class _Delivery:
    run: str
    type: str
    happened_at: datetime
    due_at: datetime
    give_up_at: datetime
    state: DeliveryState = "waiting"
    tries: int = 0
    token: str = ""
    attempts: list[AttemptLook] = field(default_factory=list)


class MemoryWebhooks:
    """See `agent.webhooks.Webhooks` and `Outgoing`: the twin of both. It hears of a `MemoryLedger`'s endings."""

    def __init__(self, ledger: MemoryLedger) -> None:
        self._ledger = ledger
        self._known: dict[str, _Endpoint] = {}
        self._told: dict[tuple[str, str], _Delivery] = {}
        self._tokens = count(1)
        ledger.on_end.append(self._tell)

    async def create(self, new: NewEndpoint, by: str, /) -> bool:
        await self._ledger.ping()
        if new.id in self._known or new.project not in self._ledger.projects:
            return False
        self._known[new.id] = _Endpoint(new, self._now, [(new.secret, None)])
        self._note(by, "create_webhook", new.id)
        return True

    async def endpoints(self, project: str | None = None, /) -> Sequence[Endpoint]:
        await self._ledger.ping()
        return [self._look(it) for it in self._known.values() if project in (None, it.new.project)]

    async def endpoint(self, id: str, /) -> Endpoint | None:
        await self._ledger.ping()
        return self._look(self._known[id]) if id in self._known else None

    async def rotate(self, id: str, secret: str, grace_s: float, by: str, /) -> Endpoint | None:
        await self._ledger.ping()
        if (known := self._known.get(id)) is None:
            return None
        last = self._now + timedelta(seconds=grace_s)
        earlier = [(it, last if ends is None else min(ends, last)) for it, ends in known.secrets]
        known.secrets = [(secret, None), *earlier]
        self._note(by, "rotate_webhook", id)
        return self._look(known)

    async def delete(self, id: str, by: str, /) -> bool:
        await self._ledger.ping()
        if self._known.pop(id, None) is None:
            return False
        self._told = {key: it for key, it in self._told.items() if key[0] != id}
        self._note(by, "delete_webhook", id)
        return True

    async def deliveries(self, id: str, most: int, /) -> Sequence[DeliveryLook]:
        await self._ledger.ping()
        mine = [_look(event, it) for (webhook, event), it in self._told.items() if webhook == id]
        return sorted(mine, key=lambda it: (it.happened_at, it.event), reverse=True)[:most]

    async def attempts(self, id: str, event: str, /) -> Sequence[AttemptLook]:
        await self._ledger.ping()
        found = self._told.get((id, event))
        return list(found.attempts) if found else []

    async def again(self, id: str, event: str | None, by: str, /) -> Sequence[str]:
        await self._ledger.ping()
        if (known := self._known.get(id)) is None:
            return []
        known.disabled_at = None
        self._note(by, "retry_webhook", id)
        mine = {key[1]: it for key, it in self._told.items() if key[0] == id}
        meant = [it for it in mine if (mine[it].state != "delivered" if event is None else it == event)]
        for it in meant:
            row = mine[it]
            row.state, row.tries, row.token = "waiting", 0, ""
            row.due_at, row.give_up_at = self._now, self._now + GIVE_UP_AFTER
        return sorted(meant)

    async def claim(self, lease_s: float, most: int, each: int, without: Sequence[str], /) -> Sequence[Parcel]:
        await self._ledger.ping()
        token = f"token-{next(self._tokens)}"
        taken = [it for id in self._known if id not in without for it in self._due(id, each)]
        taken.sort(key=lambda key: self._told[key].due_at)
        return [self._take(*key, token, lease_s) for key in taken[:most]]

    async def record(self, parcel: Parcel, receipt: Receipt, delay_s: float, /) -> DeliveryState | None:
        await self._ledger.ping()
        row = self._told.get((parcel.webhook, parcel.event))
        if row is None:
            return None
        told = {"ended_at": self._now, "status": receipt.status, "duration_ms": receipt.duration_ms}
        at = parcel.number - 1
        row.attempts[at] = replace(row.attempts[at], error=receipt.error, **told)  # type: ignore[arg-type]
        self._judge(self._known[parcel.webhook], receipt)
        if row.state != "waiting" or not (receipt.arrived or row.token == parcel.token):
            return None
        row.token, row.due_at = "", self._now + timedelta(seconds=delay_s)
        row.state = "delivered" if receipt.arrived else "failed" if row.due_at >= row.give_up_at else "waiting"
        return row.state

    @property
    def _now(self) -> datetime:
        return self._ledger.clock.now()

    def _tell(self, run: str) -> None:
        """What the ledger calls in the write that ends a run."""
        row = self._ledger.runs[run]
        type, event = f"response.{row.status}", event_id(run, row.generation)
        for id, it in self._known.items():
            wanted = it.new.events is None or type in it.new.events
            here = it.new.project == row.new.project and it.disabled_at is None and wanted
            if here and row.new.store and not row.deleted:
                due = _Delivery(run, type, self._now, self._now, self._now + GIVE_UP_AFTER)
                self._told.setdefault((id, event), due)

    def _due(self, id: str, each: int) -> list[tuple[str, str]]:
        known = self._known[id]
        mine = [key for key, it in self._told.items() if key[0] == id and it.state == "waiting"]
        due = sorted((key for key in mine if self._told[key].due_at <= self._now), key=lambda it: self._told[it].due_at)
        return [] if known.disabled_at else due[: 1 if known.failing_since else each]

    def _take(self, id: str, event: str, token: str, lease_s: float) -> Parcel:
        known, row = self._known[id], self._told[id, event]
        row.tries, row.token, row.due_at = row.tries + 1, token, self._now + timedelta(seconds=lease_s)
        row.attempts.append(AttemptLook(len(row.attempts) + 1, self._now))
        good = tuple(it for it, ends in known.secrets if ends is None or ends > self._now)
        place = (id, event, row.run, row.type, row.happened_at, known.new.url, good)
        return Parcel(*place, len(row.attempts), row.tries, token, known.failing_since is not None)

    def _judge(self, known: _Endpoint, receipt: Receipt) -> None:
        known.failing_since = None if receipt.arrived else known.failing_since or self._now
        known.disabled_at = known.disabled_at or (self._now if receipt.gone else None)

    def _look(self, it: _Endpoint) -> Endpoint:
        mine = [row.state for (id, _), row in self._told.items() if id == it.new.id]
        good = [ends for _, ends in it.secrets if ends is not None and ends > self._now]
        return Endpoint(
            *(it.new.id, it.new.project, it.new.url, it.new.events, it.created_at, it.disabled_at, it.failing_since),
            rotating_until=max(good, default=None),
            waiting=mine.count("waiting"),
            failed=mine.count("failed"),
        )

    def _note(self, by: str, action: str, subject: str) -> None:
        self._ledger.audit.append(AuditRow(by, action, subject))


def _look(event: str, it: _Delivery) -> DeliveryLook:
    last = it.attempts[-1] if it.attempts else None
    return DeliveryLook(
        *(event, it.run, it.type, it.state, it.happened_at, len(it.attempts)),
        status=last.status if last else None,
        error=last.error if last else "",
        due_at=it.due_at if it.state == "waiting" else None,
    )
