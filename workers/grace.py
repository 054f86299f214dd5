"""A time in which nobody is taken for dead: after an outage of the transport all are silent, the living too."""

from __future__ import annotations

import time
from collections.abc import Callable


class Grace:
    """Lasts for one lease from its last beginning: by then every living worker has renewed what it holds."""

    def __init__(self, lease_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._lease_s = lease_s
        self._clock = clock
        self._until = 0.0

    def begin(self) -> None:
        """The transport was away, or forgot what it knew."""
        self._until = self._clock() + self._lease_s

    def lasts(self) -> bool:
        return self._clock() < self._until
