"""Checks of the models: whether the workers call them at all."""

from __future__ import annotations

from collections.abc import Iterable

from agent.doctor.facts import Facts
from agent.doctor.finding import Finding, lasted, warning
from agent.pacing import Hold

ADVICE = {
    "quota": "raise the quota at its endpoint, then `cuelight models resume {model}`, and replay its dead letters",
    "rate_limited": "the endpoint said how long to wait; ask it for a higher limit, or name a second model",
    "invalid": "see `cuelight show RUN` of its runs for what the checks find; mend the prompt, or change the model",
}
USUAL = "look at the endpoint itself; one call at a time finds out when it is well again"


def held(facts: Facts) -> Iterable[Finding]:
    """A model that is on hold for long, or again and again; a pause of seconds mends itself."""
    for hold in facts.streams.holds if facts.streams else ():
        if not _lasts(facts, hold):
            continue
        of = f" for agent {hold.agent}" if hold.agent else ""
        again = f", {hold.opened} times in a row" if hold.opened > 1 else ""
        said = f"{hold.target.model} at {hold.target.endpoint} is not called{of} ({hold.kind}{again}); {_left(hold)}"
        advice = ADVICE.get(hold.kind, USUAL).format(model=hold.target.model)
        yield warning("model-held", "/".join(filter(None, (hold.target.model, hold.agent))), said, advice)


def _lasts(facts: Facts, hold: Hold) -> bool:
    if hold.left_s <= 0:
        return False
    often = hold.opened >= facts.limits.openings
    return often or hold.kind in ("quota", "invalid") or hold.left_s > facts.limits.hold_s


def _left(hold: Hold) -> str:
    return "one call is finding out whether that is over" if hold.probing else f"{lasted(hold.left_s)} to go"
