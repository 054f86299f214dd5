"""A whole service for benches: `cuelight up` as a stranger would start it, with the fake model as its endpoint."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
    data_dir: Path
    environment: Mapping[str, str]
    """With the model's address, for more processes of the same service."""


@contextmanager
def stack(
    *, fake: bool = True, lines: Sequence[Mapping[str, Any]] = ({},), settings: Mapping[str, str] | None = None
) -> Iterator[Stack]:
    """The service on a fresh data directory; it is gone afterwards. `lines` of the model's script get the answer."""
    with tempfile.TemporaryDirectory(prefix="cuelight-bench-") as home:
        Path(home).chmod(0o755)
        document = Path(home) / "lamp.md"
        document.write_text(DOCUMENT)
        if not fake:
            with _up(Path(home), document, dict(settings or {})) as found:
                yield found
            return
        with as_process(Script.of([{"answer": ANSWER, **line} for line in lines])) as model:
            endpoint = {"CUELIGHT_MODEL_BASE_URL": model.base_url, "CUELIGHT_MODELS": "fake", **(settings or {})}
            with _up(Path(home), document, endpoint) as found:
                yield found


@contextmanager
def _up(home: Path, document: Path, more: dict[str, str]) -> Iterator[Stack]:
    options = ["--data-dir", str(home / "data"), "--port", "0", "--documents", str(document)]
    began = time.perf_counter()
    log = (home / "log").open("w")
    environment = {**os.environ, "CUELIGHT_LOG_LEVEL": "warning", **more}
    process = subprocess.Popen(
        [sys.executable, "-m", "cli.main", "up", *options],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    )
    try:
        line = process.stdout.readline() if process.stdout else ""
        if not line.startswith("ready: "):
            raise SystemExit(f"the service did not start: {(home / 'log').read_text()[-2000:]}")
        url, took = line.removeprefix("ready: ").strip(), time.perf_counter() - began
        yield Stack(url, took, home / "data", environment)
    finally:
        process.terminate()
        process.wait()
        log.close()


@contextmanager
def another_worker(stack: Stack) -> Iterator[None]:
    """One more worker of the same service, once it can work."""
    process = start_worker(stack)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def start_worker(stack: Stack) -> subprocess.Popen[bytes]:
    """A worker's process, once it can work."""
    command = [sys.executable, "-m", "cli.main", "worker", "--data-dir", str(stack.data_dir)]
    process = subprocess.Popen(command, env=stack.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    if process.stdout is None or not process.stdout.readline().startswith(b"ready: "):
        raise SystemExit("a worker did not start")
    return process
