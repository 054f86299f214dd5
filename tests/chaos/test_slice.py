"""A short run of the fault machine, as `make chaos` would make a long one: real processes, real faults, the auditor."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engines import temporary_directory

SEED = 20
FAULTS = ("kill_worker", "kill_api", "kill_postgres", "freeze_worker", "flushall", "garbage")
MINUTES = 0.6
RATE = 3


@pytest.mark.timeout(420)
def test_a_short_run_of_the_fault_machine_breaks_no_invariant() -> None:
    with temporary_directory() as out:
        done = chaos(out)
        assert done.returncode == 0, done.stdout[-6_000:] + done.stderr[-3_000:]
        report = json.loads((out / "report.json").read_text())
    assert report["violations"] == {}
    assert set(report["faults"]) == set(FAULTS)
    assert report["lost"] == report["doubled"] == report["calls"]["repaid_unexplained"] == 0
    assert report["endings"]["completed"] > 0


def chaos(out: Path) -> subprocess.CompletedProcess[str]:
    """Untimed: on a busy machine everything takes longer, and that is nobody's fault."""
    words = ["--seed", str(SEED), "--minutes", str(MINUTES), "--rate", str(RATE), "--faults", ",".join(FAULTS)]
    command = [sys.executable, "-m", "tests.chaos", *words, "--quiet-seconds", "90", "--untimed", "--out", str(out)]
    return subprocess.run(
        command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=400, check=False
    )
