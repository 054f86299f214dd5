"""A whole service for benches: `cuelight up` as a stranger would start it, with the fake model as its endpoint."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from agent.testing.fake_model import Script, as_process

DOCUMENT = "# The lamp\n\nThe cue light was built in 1880 and turns green when the actor may enter the stage.\n"
ANSWER = {
    "answer": "It was built in 1880.",
    "citations": [{"passage_id": "p1", "quote": "The cue light was built in 1880"}],
    "no_answer": False,
}


@dataclass(frozen=True)
class Stack:
    url: str
    started_s: float
    """From the command to its ready line."""


@contextmanager
def stack(*, fake: bool = True) -> Iterator[Stack]:
    """The service on a fresh data directory; it is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="cuelight-bench-") as home:
        Path(home).chmod(0o755)
        document = Path(home) / "lamp.md"
        document.write_text(DOCUMENT)
        if not fake:
            with _up(Path(home), document, {}) as found:
                yield found
            return
        with as_process(Script.of([{"answer": ANSWER}])) as model:
            endpoint = {"CUELIGHT_MODEL_BASE_URL": model.base_url, "CUELIGHT_MODELS": "fake"}
            with _up(Path(home), document, endpoint) as found:
                yield found


@contextmanager
def _up(home: Path, document: Path, more: dict[str, str]) -> Iterator[Stack]:
    options = ["--data-dir", str(home / "data"), "--port", "0", "--documents", str(document)]
    began = time.perf_counter()
    log = (home / "log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "cli.main", "up", *options],
        env={**os.environ, "CUELIGHT_LOG_LEVEL": "warning", **more},
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    )
    try:
        line = process.stdout.readline() if process.stdout else ""
        if not line.startswith("ready: "):
            raise SystemExit(f"the service did not start: {(home / 'log').read_text()[-2000:]}")
        yield Stack(line.removeprefix("ready: ").strip(), time.perf_counter() - began)
    finally:
        process.terminate()
        process.wait()
        log.close()
