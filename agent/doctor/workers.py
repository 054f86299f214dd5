"""Checks of who is there: the streams' readers, the processes, and jobs."""

from __future__ import annotations

from collections.abc import Iterable

from agent.doctor.facts import Facts, Instance
from agent.doctor.finding import Finding, fault, lasted, warning
from agent.inspection import Backlog, ConsumerLook, RouteLook
from agent.pauses import of_route
from agent.wording import counted


def unread(facts: Facts) -> Iterable[Finding]:
    """A route of the agents that no live worker reads; nobody reads a paused one."""
    looks = {look.route: look for look in (facts.streams.routes if facts.streams else ())}
    for route in facts.routes if facts.streams else ():
        look = looks.get(route, RouteLook(route))
        if of_route(route) in facts.paused or any(_alive(facts, it) for it in look.consumers):
            continue
        backlog = (facts.ledger.backlog if facts.ledger else {}).get(route, Backlog(route))
        waiting = max(look.lag + look.pending, backlog.due)
        advice = f"start `cuelight worker`, or one with `--routes {route}`"
        if waiting:
            yield fault(
                "no-reader", route, f"{counted(waiting, 'run')} at {route}, and no live worker reads it", advice
            )
        else:
            yield warning("no-reader", route, f"no live worker reads {route}", advice)


def deserted(facts: Facts) -> Iterable[Finding]:
    """Entries in a stream of a route that no agent has."""
    if facts.agents_error:
        yield fault("agents", "", f"the configured agents cannot be loaded: {facts.agents_error}", "see CUELIGHT_AGENT")
        return
    for look in facts.streams.routes if facts.streams else ():
        if look.route not in facts.routes and look.length:
            said = f"{counted(look.length, 'entry', 'entries')} at {look.route}, a route that no configured agent has"
            advice = (
                f"configure the agent again, or look with `cuelight streams peek {look.route}` and delete the stream"
            )
            yield warning("deserted-route", look.route, said, advice)


def dead_readers(facts: Facts) -> Iterable[Finding]:
    """Work that is pending under a worker that is gone, and that nobody takes over."""
    for look in facts.streams.routes if facts.streams else ():
        gone = [it for it in look.consumers if it.pending and not _alive(facts, it)]
        if gone and of_route(look.route) not in facts.paused:
            count = sum(it.pending for it in gone)
            said = f"{counted(count, 'entry', 'entries')} at {look.route} held by workers that are gone"
            advice = (
                f"live workers take it over within {facts.limits.lease_s:g} s; if none lives, start one; "
                "if one does, look for `transport_away` in its log"
            )
            yield fault("dead-reader", look.route, said, advice, tuple(it.name for it in gone[:5]))
        idle = [it for it in look.consumers if not it.pending and not _alive(facts, it)]
        if len(idle) >= facts.limits.names:
            said = f"{len(idle)} names of workers that are gone stand in the group of {look.route}"
            yield warning(
                "stale-names", look.route, said, "an hour after they went the next worker that starts takes them out"
            )


def _alive(facts: Facts, consumer: ConsumerLook) -> bool:
    seen = consumer.seen_s is not None and consumer.seen_s < facts.limits.gone_s
    return seen or consumer.idle_s < facts.limits.quiet_s


def instances(facts: Facts) -> Iterable[Finding]:
    """A process that went without a word, and no other of its kind has been started since."""
    known = facts.ledger.instances if facts.ledger else ()
    for it in known:
        if facts.limits.gone_s <= it.seen_s < facts.limits.recent_s and not _replaced(it, known):
            said = f"the {it.kind} {it.id} has not been seen for {lasted(it.seen_s)}, and none was started since"
            yield warning("instance-gone", it.id, said, "if it was not meant to go, start it again; its log says why")


def _replaced(gone: Instance, known: Iterable[Instance]) -> bool:
    return any(it.kind == gone.kind and it.started_s < gone.seen_s for it in known)


def jobs(facts: Facts) -> Iterable[Finding]:
    for it in facts.ledger.jobs if facts.ledger else ():
        if it.silent_s >= facts.limits.job_s:
            said = f"the {it.kind} job {it.id} is {it.state} and has not moved for {lasted(it.silent_s)}"
            yield warning("stuck-job", it.id, said, "is `cuelight jobs` running? It takes the job up where it stood")
