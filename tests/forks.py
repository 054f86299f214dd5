"""Real processes that cost no start: they are forked from one that has imported everything.

The imports take longer than everything else that a short command or a worker of a test does.
"""

from __future__ import annotations

from multiprocessing import get_context

PROCESSES = get_context("forkserver")
# One such server for the whole test process, so whoever forks from it names its module here.
PROCESSES.set_forkserver_preload(["tests.crash.crashing_worker", "tests.warm", "tests.e2e.typed"])
