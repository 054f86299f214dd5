"""Checks of runs, their work and their events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from agent.doctor.facts import Facts
from agent.doctor.finding import Finding, fault, lasted, warning
from agent.pauses import of_route
from agent.wording import counted

KEEP = "keep `cuelight show RUN --json` for a bug report"
MOST_SHOWN = 20
RELAY = "is a worker or `cuelight relay` running, and does its log say `sweep_failed`?"


def orphans(facts: Facts) -> Iterable[Finding]:
    """Open run <=> one work row."""
    if facts.ledger and (found := facts.ledger.orphans).count:
        said = f"{counted(found.count, 'open run')} without a work row: nothing will take it up"
        advice = f'{KEEP}; then give it a row as docs/operations.md says under "An open run without a work row"'
        yield fault("orphaned-run", "", said, advice, found.examples)


def strays(facts: Facts) -> Iterable[Finding]:
    if facts.ledger and (found := facts.ledger.strays).count:
        said = f"{counted(found.count, 'work row')} without an open run of the same generation"
        yield fault("stray-work", "", said, f"{KEEP}; then delete its row from the table `work`", found.examples)


def misplaced(facts: Facts) -> Iterable[Finding]:
    if facts.ledger and (found := facts.ledger.misplaced).count:
        said = f"{counted(found.count, 'work row')} at an event that is not there"
        advice = f"{KEEP}; the run fails at its deadline; if the database was restored, restore it whole"
        yield fault("misplaced-work", "", said, advice, found.examples)


def overdue(facts: Facts) -> Iterable[Finding]:
    if facts.ledger and (found := facts.ledger.overdue).count:
        said = (
            f"{counted(found.count, 'run')} past the deadline for up to {lasted(found.oldest_s)}, and nobody ended it"
        )
        yield fault("overdue-run", "", said, RELAY, found.examples)


def unpublished(facts: Facts) -> Iterable[Finding]:
    for route, found in sorted((facts.ledger.unpublished if facts.ledger else {}).items()):
        said = f"{counted(found.count, 'run')} due at {route} for up to {lasted(found.oldest_s)}, and in no stream"
        yield fault("unpublished-work", route, said, f"{RELAY} Is Redis there?", found.examples)


def stalled(facts: Facts) -> Iterable[Finding]:
    for route, found in sorted((facts.ledger.stalled if facts.ledger else {}).items()):
        said = f"{counted(found.count, 'run')} at {route} waiting for up to {lasted(found.oldest_s)}; nobody takes any"
        advice = f"start a worker for {route}; if one runs, read its log, and `cuelight streams` for who holds what"
        yield fault("stalled-route", route, said, advice, found.examples)


def behind(facts: Facts) -> Iterable[Finding]:
    """Work is taken, but later than it comes. Where none is taken at all, `stalled` says so."""
    limits, ledger = facts.limits, facts.ledger
    for route, oldest_s in sorted((ledger.waits if ledger else {}).items()):
        if oldest_s < min(limits.slow_s, limits.backlog_s) or of_route(route) in facts.paused:
            continue
        if ledger and route not in ledger.stalled:
            refused = oldest_s >= limits.backlog_s
            then = "new requests are refused" if refused else f"new requests are refused from {limits.backlog_s:g} s on"
            said = f"the oldest work at {route} has waited {lasted(oldest_s)} for a worker; {then}"
            advice = f"start more workers for {route}; if they wait for a slow model, raise CUELIGHT_SLOTS"
            judge = fault if refused else warning
            yield judge("backlog", route, said, advice)


def lost(facts: Facts) -> Iterable[Finding]:
    if facts.streams and (found := facts.streams.lost).count:
        said = f"{counted(found.count, 'run')} stuck: the entry is not in its stream, and nobody works on it"
        advice = f"the relay publishes such work again within seconds: {RELAY}"
        yield fault("stuck-work", "", said, advice, found.examples)


def double_owned(facts: Facts) -> Iterable[Finding]:
    """A finding for each event: on a busy system there may be another one at each look, none of which lasts."""
    owners = facts.streams.owners if facts.streams else {}
    for event in sorted(owners)[:MOST_SHOWN]:
        said = f"{event} is held by several workers at once: {', '.join(owners[event])}"
        advice = "only one of them can settle it; if it lasts, restart the worker that has been silent the longest"
        yield warning("double-owned", event, said, advice)


def handed_out(facts: Facts) -> Iterable[Finding]:
    found = facts.ledger.handed if facts.ledger else ()
    for route in sorted({it.route for it in found}):
        here = [it for it in found if it.route == route]
        most = max(it.deliveries for it in here)
        said = (
            f"{counted(len(here), 'run')} at {route} handed out up to {most} times; "
            f"at {facts.limits.max_deliveries} it is buried"
        )
        advice = "it may be killing its workers: look at `cuelight show RUN` and at how the workers died (memory?)"
        yield warning("handed-out-often", route, said, advice, _some([it.run for it in here]))


def gaps(facts: Facts) -> Iterable[Finding]:
    if facts.ledger and (found := facts.ledger.gaps).count:
        said = f"{counted(found.count, 'run')} whose events are not numbered from 1 without a gap"
        yield fault(
            "event-gap", "", said, f"events were deleted by hand or lost: restore a backup; {KEEP}", found.examples
        )


def endless(facts: Facts) -> Iterable[Finding]:
    if facts.ledger and (found := facts.ledger.endless).count:
        said = f"{counted(found.count, 'ended run')} whose ending is missing or is not the last event"
        yield fault(
            "ending-missing", "", said, f"the ledger was changed by hand: restore a backup; {KEEP}", found.examples
        )


def pauses(facts: Facts) -> Iterable[Finding]:
    """An operator knows, and the next one on duty may not."""
    for pause in facts.ledger.pauses if facts.ledger else ():
        why = f": {pause.reason}" if pause.reason else ""
        waiting = facts.ledger.backlog if facts.ledger else {}
        count = sum(it.due for route, it in waiting.items() if of_route(route) == pause.scope)
        wait = f"; {counted(count, 'run')} waiting" if count else ""
        said = f"{pause.scope} is paused by {pause.by} since {pause.at:%Y-%m-%d %H:%M:%S}{why}{wait}"
        yield warning("paused", pause.scope, said, f"`cuelight resume {pause.scope}` when the reason is gone")


def letters(facts: Facts) -> Iterable[Finding]:
    kinds: dict[str, list[tuple[int, float, str]]] = {}
    for it in facts.ledger.letters if facts.ledger else ():
        kinds.setdefault(it.kind, []).append((it.count, it.oldest_s, it.route))
    for kind, rows in sorted(kinds.items()):
        count, oldest_s = sum(row[0] for row in rows), max(row[1] for row in rows)
        where = ", ".join(sorted({row[2] for row in rows}))
        said = f"{counted(count, 'open dead letter')} of kind {kind} at {where}, the oldest for {lasted(oldest_s)}"
        advice = f"`cuelight dead list --kind {kind}`; mend the cause, then `cuelight dead replay` or `discard`"
        yield warning("dead-letters", kind, said, advice)


def feed(facts: Facts) -> Iterable[Finding]:
    if facts.ledger and (found := facts.ledger.feed_behind).count:
        said = f"the feed is {counted(found.count, 'event')} and {lasted(found.oldest_s)} behind the ledger"
        advice = f"{RELAY} A transaction that stays open in PostgreSQL holds it up too: see pg_stat_activity"
        yield warning("feed-behind", "", said, advice)


def _some(values: Sequence[str], most: int = 5) -> tuple[str, ...]:
    return tuple(values[:most])
