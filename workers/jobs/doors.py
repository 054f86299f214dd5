"""What jobs work on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from agent.evaluation import Evaluations
from agent.jobs import Jobs
from agent.letters import Letters
from agent.pauses import Pauses
from agent.ports import Ledger, Transport
from agent.retention import Keep, Retention


@dataclass(frozen=True, slots=True)
class Doors:
    """The doors of a jobs process. `sleep` is how its waits pass, so that a test can hold them."""

    jobs: Jobs
    letters: Letters
    streams: Transport
    retention: Retention
    keep: Keep
    ledger: Ledger
    evaluations: Evaluations
    pauses: Pauses
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
