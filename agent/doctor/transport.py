"""Checks of what the ledger knows of Redis: whether both agree, and whether somebody compares them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from agent import epoch
from agent.doctor.facts import Facts
from agent.doctor.finding import Finding, fault, lasted, warning
from agent.epoch import Change, Seen
from agent.wording import counted

AHEAD = 100
"""A mark that is ahead by less may have grown since the ledger was asked; it grows about twice a second."""
ESTRANGED = {
    Change.WIPED: "Redis has lost everything, or is another one than the ledger knows",
    Change.REWOUND: "Redis is older than the ledger knows it: it lost what came after",
    Change.RESTORED: "Redis is newer than the ledger: a backup was restored, or another service has the same prefix",
}


def unwatched(facts: Facts) -> Iterable[Finding]:
    """No relay has compared the two for long. A ledger that none has ever seen is no fault before there is work."""
    bond = facts.ledger.bond if facts.ledger else None
    if bond is None or facts.ledger is None or bond.looked_s < facts.limits.unmoved_s:
        return
    if facts.ledger.backlog or bond.known.epoch:
        said = f"no relay has looked for {lasted(bond.looked_s)}: what Redis loses goes unnoticed, and due work waits"
        advice = "start `cuelight relay`, or a worker that relays; if one runs, look for `sweep_failed` in its log"
        judge = fault if facts.ledger.backlog else warning
        yield judge("no-relay", "", said, advice)


def estranged(facts: Facts) -> Iterable[Finding]:
    """The two do not agree, and no relay has mended it."""
    bond = facts.ledger.bond if facts.ledger else None
    seen = facts.streams.seen if facts.streams else None
    if bond is None or seen is None:
        return
    change = epoch.judge(bond.known, _no_newer(seen, bond.known.mark))
    if bond.known.epoch and change in ESTRANGED:
        advice = "a relay mends this within seconds; if CUELIGHT_REDIS_URL names the right server, see that one runs"
        yield fault("redis-epoch", "", ESTRANGED[change], advice)


def _no_newer(seen: Seen, mark: int) -> Seen:
    return replace(seen, mark=min(seen.mark, mark)) if seen.mark < mark + AHEAD else seen


def unaudited(facts: Facts) -> Iterable[Finding]:
    """After a loss all open work is to be looked for once a lease has passed, and nobody does."""
    due_s = facts.ledger.bond.audit_due_s if facts.ledger and facts.ledger.bond else None
    if due_s is not None and due_s > facts.limits.unmoved_s:
        said = f"Redis lost something, and open work should have been looked for {lasted(due_s)} ago"
        advice = "start `cuelight relay`, or a worker that relays; if one runs, look for `sweep_failed` in its log"
        yield fault("redis-audit", "", said, advice)


def losses(facts: Facts) -> Iterable[Finding]:
    bond = facts.ledger.bond if facts.ledger else None
    if bond is not None and bond.lost_s is not None and bond.lost_s < facts.limits.recent_s:
        said = f"Redis lost what it held {lasted(bond.lost_s)} ago, and {counted(bond.losses, 'time')} in all"
        advice = (
            "no run is lost by it; see docs/operations.md for why, and the log for `redis_wiped` and `redis_rewound`"
        )
        yield warning("redis-lost", "", said, advice)
