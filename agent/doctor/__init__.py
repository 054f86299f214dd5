"""The doctor: whether the promises hold right now, and what to do where they do not. Pure judgement over facts.

Each check is one small function in this package, from the facts to what it finds; `CHECKS` is all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from agent.doctor import doors, engines, models, transport, work, workers
from agent.doctor.facts import Facts
from agent.doctor.finding import Finding, Level

__all__ = ["CHECKS", "Facts", "Finding", "Level", "confirmed", "examine"]

Check = Callable[[Facts], Iterable[Finding]]

CHECKS: tuple[Check, ...] = (
    engines.away,
    engines.migrations,
    work.orphans,
    work.strays,
    work.misplaced,
    work.overdue,
    work.stalled,
    work.behind,
    work.unpublished,
    work.lost,
    work.gaps,
    work.endless,
    workers.unread,
    workers.dead_readers,
    workers.deserted,
    work.double_owned,
    work.handed_out,
    work.pauses,
    work.letters,
    work.feed,
    workers.instances,
    workers.jobs,
    transport.unwatched,
    transport.estranged,
    transport.unaudited,
    transport.losses,
    engines.redis_release,
    engines.redis_memory,
    engines.redis_files,
    engines.postgres,
    engines.clocks,
    engines.disk,
    models.held,
    doors.unlocked,
    doors.webhooks,
)


def examine(facts: Facts) -> Sequence[Finding]:
    """Everything that is not as it should be, faults first. Nothing on a healthy system."""
    found = [finding for check in CHECKS for finding in check(facts)]
    return sorted(found, key=lambda finding: finding.level is not Level.FAULT)


def confirmed(first: Sequence[Finding], second: Sequence[Finding]) -> Sequence[Finding]:
    """What two looks have in common, as the second saw it: on a busy system some things last for an instant only."""
    known = {(finding.check, finding.subject) for finding in first}
    return [finding for finding in second if (finding.check, finding.subject) in known]
