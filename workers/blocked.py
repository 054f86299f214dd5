"""The end of a worker whose interpreter is held by one call for good, which nothing inside of it can end."""

from __future__ import annotations

import asyncio
import faulthandler
from collections.abc import Awaitable

BLOCKED_S = 60.0
"""Others wait for the lease of a worker that is alive. Nothing that ships holds the loop for a second."""


async def unblocked(work: Awaitable[None], most_s: float = BLOCKED_S) -> None:
    """Wait for `work`; if the loop does not turn for `most_s` seconds, say where on stderr and end the process.

    What it held goes to other workers and counts as a delivery, so the run that did it ends after a few of them. The
    clock that counts is stopped while the machine sleeps, and by a thread of C, which needs no interpreter.
    """
    faulthandler.dump_traceback_later(most_s, exit=True)
    turning = asyncio.create_task(_turn(most_s))
    try:
        await work
    finally:
        turning.cancel()
        faulthandler.cancel_dump_traceback_later()


async def _turn(most_s: float) -> None:
    while True:
        await asyncio.sleep(most_s / 30)
        faulthandler.dump_traceback_later(most_s, exit=True)
