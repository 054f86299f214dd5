"""Every key that this service has in Redis. The braces keep what belongs together on one slot of a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import quote

from agent.pacing import Target
from agent.ports import Pointer


@dataclass(frozen=True, slots=True)
class Keys:
    """Key names below one prefix, so that several services can share a server."""

    prefix: str

    def work(self, route: str) -> str:
        """The work stream of a route; its one consumer group has the route's name."""
        return f"{self.prefix}:work:{{{route}}}"

    def group(self, route: str) -> str:
        return route

    def queued(self, route: str) -> str:
        """The hash that counts the entries of each project that wait in a route's stream; on the stream's slot."""
        return f"{self.prefix}:queued:{{{route}}}"

    def lease(self, pointer: Pointer) -> str:
        """Who works on this attempt at this event; on the slot of its work stream."""
        return f"{self.prefix}:lease:{{{pointer.route}}}:{pointer.key}/{pointer.attempt}"

    def waiters(self, run: str) -> str:
        """The set of API instances that wait for a run."""
        return f"{self.prefix}:waiters:{{{run}}}"

    def reply(self, instance: str) -> str:
        """The stream on which an API instance is told which runs ended."""
        return f"{self.prefix}:reply:{{{instance}}}"

    def counts(self, project: str, key: str | None) -> str:
        """The hash that counts what a project, or one of its keys, has used lately; all of a project on one slot."""
        return f"{self.prefix}:limits:{{{project}}}:counts:{key or ''}"

    def running(self, project: str, key: str | None) -> str:
        """The set of runs that are under way for a project, or for one of its keys."""
        return f"{self.prefix}:limits:{{{project}}}:running:{key or ''}"

    def pace(self, target: Target, agent: str = "") -> str:
        """The hash of a model: its hold, what its breaker counts, what was used lately; or that for one agent only."""
        return f"{self.prefix}:pace:{{{_tag(target)}}}:{f'agent:{quote(agent)}' if agent else 'all'}"

    def under_way(self, target: Target) -> str:
        """The calls of a model that are under way; on the slot of its hash."""
        return f"{self.prefix}:pace:{{{_tag(target)}}}:calls"

    @property
    def holds(self) -> str:
        """The channel on which holds of models are told."""
        return f"{self.prefix}:holds"

    def note(self, place: str) -> str:
        """A text that all workers share."""
        return f"{self.prefix}:note:{sha256(place.encode()).hexdigest()[:32]}"

    @property
    def feed(self) -> str:
        """The public feed of events: see `docs/feed.md`."""
        return f"{self.prefix}:events"

    @property
    def epoch(self) -> str:
        """The hash that tells whether this Redis is the one that the ledger knows."""
        return f"{self.prefix}:epoch"


def _tag(target: Target) -> str:
    """Names of models may hold anything, braces too."""
    return f"{quote(target.endpoint, safe='')}/{quote(target.model, safe='')}"
