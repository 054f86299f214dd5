"""How much of a route's stream one project may fill: the rest of its work waits in the ledger, where all have turns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from agent.ports import Pointer

WAITED_FOR = 25
"""So many times more entries may wait if somebody waits for them: they only queue behind one another, not in a turn."""


class Queue(NamedTuple):
    """Work that waits in one line: of one project at one route, what was opened in the background apart."""

    project: str
    route: str
    bulk: bool = False


@dataclass(frozen=True, slots=True)
class Share:
    """The most entries of one project that wait to be read in the stream of one route.

    Whoever comes next in another project waits for no more than these, however much the first one has asked for.
    """

    bulk: int

    def most(self, pointer: Pointer) -> int:
        """How many entries of its project may wait before this one."""
        return self.bulk if pointer.bulk else WAITED_FOR * self.bulk


UNSHARED = Share(1_000_000_000)
"""No limit."""
