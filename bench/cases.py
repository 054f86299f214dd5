"""How long a case takes: read, replayed as recorded, and compared. No engine, no network. Import time stands apart.

python -m bench.cases [FILE]
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from statistics import median, quantiles

BEGAN = time.perf_counter()

from agent.cases import read  # noqa: E402  # the import is a part of what is measured
from agent.testing.replaying import replay  # noqa: E402

IMPORTED_S = time.perf_counter() - BEGAN
TIMES = 50


def main() -> None:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "tests" / "data" / "case_1.json"
    took_ms = [_once(path) for _ in range(TIMES)]
    told = f"p50 {median(took_ms):.1f} ms, p99 {quantiles(took_ms, n=100)[98]:.1f} ms, first {took_ms[0]:.1f} ms"
    print(f"{path.name}, {path.stat().st_size:,} bytes: {told}; import {IMPORTED_S * 1000:.0f} ms")


def _once(path: Path) -> float:
    began = time.perf_counter()
    done = asyncio.run(replay(read(path)))
    if done.missing is not None:
        raise SystemExit(f"{path} did not replay: {done.missing}")
    return (time.perf_counter() - began) * 1000


if __name__ == "__main__":
    main()
