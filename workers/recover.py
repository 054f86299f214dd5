"""Recovery from a Redis that lost something: noticed within a sweep, mended from the ledger within a lease."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from agent.epoch import Change, Epochs, Look
from agent.errors import Transient
from agent.ports import Pointer, Sweeps, Transport
from agent.telemetry import metrics

log = structlog.get_logger(__name__)

SAME_LOOK = 0.8
"""The share of a sweep within which another relay's look will do."""


class Recovery:
    """Looks whether Redis is still the one that the ledger knows. Any number of relays may do so: one of them looks."""

    def __init__(
        self,
        epochs: Epochs,
        sweeps: Sweeps,
        streams: Transport,
        *,
        routes: Sequence[str],
        every_s: float,
        lease_s: float,
    ) -> None:
        self._epochs = epochs
        self._sweeps = sweeps
        self._streams = streams
        self._routes = routes
        self._every_s = every_s
        self._lease_s = lease_s

    async def sweep(self) -> None:
        """Look, and do the audit that is due. Raises `Transient`: the next sweep goes on from there."""
        look = await self._epochs.look(self._streams.meet, self._every_s * SAME_LOOK, self._lease_s)
        if look is not None and look.change is not Change.NONE:
            _tell(look)
            if look.change.begins_epoch:
                await self._begin_anew()
        await self.audit_if_due()

    async def missing(self, published: Sequence[tuple[Pointer, str]]) -> Sequence[bool]:
        """As the streams' own, but nothing counts as missing while living workers may have yet to renew their leases.

        A Redis that has just forgotten everything, which nobody noticed so far, looks as if nobody worked on anything.
        """
        found = await self._streams.missing(published)
        return found if await self._epochs.believes(self._streams.meet) else [False] * len(found)

    async def _missing_in_audit(self, published: Sequence[tuple[Pointer, str]]) -> Sequence[bool]:
        """Raises `Transient` if Redis has lost something once more: then there will be another audit."""
        found = await self._streams.missing(published)
        if not await self._epochs.believes(self._streams.meet, auditing=True):
            raise Transient("the streams were lost again during the audit", kind="streams")
        return found

    async def _begin_anew(self) -> None:
        """Make the groups, tell Redis its new epoch, and publish at once what nobody can be working on.

        What was handed out has to wait for the audit: live workers make their lost leases anew within a lease.
        """
        for route in self._routes:
            await self._streams.reader(route).join()
        await self._epochs.look(self._streams.meet, 0.0, self._lease_s)
        lost = await self._sweeps.audit(self._streams.missing, untouched=True)
        await self._publish()
        log.warning("redis_epoch_begun", published=lost)

    async def audit_if_due(self) -> None:
        """Look for all open work, if a lease has passed since something was lost. Raises `Transient`."""
        token = await self._epochs.claim_audit()
        if token is None:
            return
        lost = await self._sweeps.audit(self._missing_in_audit)
        await self._publish()
        await self._epochs.audited(token)
        log.warning("open_work_audited", lost=lost)

    async def _publish(self) -> None:
        """Not what is fresh: its own worker is about to, and two entries of one work get into each other's way."""
        while count := (await self._sweeps.publish_due(self._streams.publish_all, self._every_s)).published:
            metrics.PUBLISHED_AGAIN.inc(count)


def _tell(look: Look) -> None:
    metrics.REDIS_LOSSES.labels(look.change.value).inc()
    seen, known = look.seen, look.known
    level = log.info if look.change in (Change.FIRST, Change.ARRIVED) else log.warning
    level(
        f"redis_{look.change.value}",
        losses=look.losses,
        epoch=known.epoch,
        mark=known.mark,
        redis_epoch=seen.epoch,
        redis_mark=seen.mark,
        server_changed=seen.server != known.server,
    )
