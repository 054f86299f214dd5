"""Checks of who may come in."""

from __future__ import annotations

from collections.abc import Iterable

from agent.doctor.facts import Facts
from agent.doctor.finding import Finding, lasted, warning
from agent.wording import counted


def unlocked(facts: Facts) -> Iterable[Finding]:
    """A door of the operator's own may stand in front, but nobody here can see it."""
    if facts.open_network and facts.ledger is not None and not facts.ledger.locked:
        said = "CUELIGHT_ALLOW_OPEN_NETWORK is set and there are no API keys: whoever reaches the API may use it"
        yield warning("unlocked", "", said, "make a key with `cuelight keys create`, and unset the variable")


def webhooks(facts: Facts) -> Iterable[Finding]:
    """Endpoints that nothing reaches: somebody waits for events that do not come."""
    for it in facts.ledger.webhooks if facts.ledger else ():
        left = f"; {counted(it.waiting, 'delivery', 'deliveries')} waiting"
        advice = f"read `cuelight webhooks deliveries {it.id}`; when it is mended, `cuelight webhooks retry {it.id}`"
        if it.disabled:
            said = f"the endpoint {it.id} of project {it.project} said that it is gone, and is told nothing{left}"
            yield warning("webhook-gone", it.id, said, f"{advice}, or delete it")
        elif it.failing_s is not None:
            said = f"the endpoint {it.id} of project {it.project} has failed for {lasted(it.failing_s)}{left}"
            yield warning("webhook-failing", it.id, said, advice)
