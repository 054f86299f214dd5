"""Seconds from `cuelight up` to its ready line, on a fresh data directory, and until the first answer is there.

python -m bench.startup [TIMES]
"""

from __future__ import annotations

import statistics
import sys
import time

import httpx

from bench.stack import stack


def _once() -> tuple[float, float]:
    with stack(fake=False) as running:
        began = time.perf_counter()
        reply = httpx.post(f"{running.url}/v1/responses", json={"input": "When was the cue light built?"}, timeout=60)
        reply.raise_for_status()
        return running.started_s, time.perf_counter() - began


if __name__ == "__main__":
    found = [_once() for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 5)]
    print(f"until ready: median {statistics.median(ready for ready, _ in found):.2f} s of {len(found)} starts")
    print(f"the first answer after that: median {statistics.median(first for _, first in found):.2f} s")
