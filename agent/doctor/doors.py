"""Checks of who may come in."""

from __future__ import annotations

from collections.abc import Iterable

from agent.doctor.facts import Facts
from agent.doctor.finding import Finding, warning


def unlocked(facts: Facts) -> Iterable[Finding]:
    """A door of the operator's own may stand in front, but nobody here can see it."""
    if facts.open_network and facts.ledger is not None and not facts.ledger.locked:
        said = "CUELIGHT_ALLOW_OPEN_NETWORK is set and there are no API keys: whoever reaches the API may use it"
        yield warning("unlocked", "", said, "make a key with `cuelight keys create`, and unset the variable")
