"""`python -m tests.chaos --seed 1 --minutes 20 --rate 30`: make a run, judge it, report. Exit code 1 on a violation."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import signal
import sys
import tempfile
from collections.abc import Coroutine, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import uvloop

from tests.chaos import machine, report
from tests.chaos.evidence import Evidence
from tests.chaos.faults import TABLE
from tests.chaos.invariants import audit
from tests.disks import Disk, NoMount, disk_in_file, mount_for_ourselves

DISK_BYTES = 8 << 30
"""More than the ledger of a long run takes; the file below is as large as what was written."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--rate", type=float, default=30.0, help="requests a second")
    parser.add_argument("--faults", default="", help=f"comma-separated, of: {', '.join(TABLE)}; all by default")
    parser.add_argument("--quiet-seconds", type=float, default=90.0, help="at most, until every run has ended")
    parser.add_argument("--out", type=Path, default=Path("chaos-report"), help="what was seen, and the report")
    parser.add_argument("--audit-only", action="store_true", help="judge again what stands in --out")
    parser.add_argument("--untimed", action="store_true", help="a slow machine: times are told and not judged")
    return parser.parse_args()


def main() -> int:
    given = arguments()
    if not given.audit_only:
        kinds = [name for name in given.faults.split(",") if name]
        if unknown := set(kinds) - set(TABLE):
            sys.exit(f"there is no fault {sorted(unknown)[0]!r}; there are {', '.join(TABLE)}")
        shutil.rmtree(given.out, ignore_errors=True)
        order = machine.Order(given.seed, given.minutes * 60, given.rate, kinds, given.quiet_seconds)
        _make(order, given.out)
    evidence = Evidence.load(given.out)
    findings = audit(evidence, timed=not given.untimed)
    told = report.figures(evidence, findings)
    report.write(given.out, told, findings)
    sys.stdout.write(report.page(told, findings))
    return 1 if findings or told["troubles"] else 0


def _make(order: machine.Order, out: Path) -> None:
    home = Path(tempfile.mkdtemp(prefix="cuelight-chaos-"))
    home.chmod(0o755)  # PostgreSQL may run as another user
    try:
        with _disk(order, home) as disk:
            try:
                uvloop.run(_until_told(machine.run(order, home, out, disk)))
            finally:
                _keep_logs(home, out / "logs")
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def _disk(order: machine.Order, home: Path) -> Iterator[Disk | None]:
    """A disk for the ledger alone, if it is to be filled and this machine lets us mount one."""
    path = home / "ledger"
    path.mkdir()
    with ExitStack() as stack:
        found = None
        if not order.faults or any(TABLE[name].needs == "disk" for name in order.faults):
            with suppress(NoMount):
                mount_for_ourselves()
                found = stack.enter_context(disk_in_file(path, home / "ledger.img", DISK_BYTES))
        yield found


def _keep_logs(home: Path, logs: Path) -> None:
    logs.mkdir(parents=True, exist_ok=True)
    for log in (*home.glob("*.log"), *home.glob("ledger/*.log")):
        shutil.copy(log, logs)


async def _until_told(run: Coroutine[None, None, None]) -> None:
    """A SIGTERM ends the run as Ctrl-C does: everything is taken down first."""
    task = asyncio.ensure_future(run)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    await task


if __name__ == "__main__":
    sys.exit(main())
