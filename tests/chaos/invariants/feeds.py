"""I8: the feed is the ledger's events: none invented, none missing that Redis did not lose, and all by the cursor."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from tests.chaos.evidence import Evidence, Finding, event_id

BEFORE_S = 12.0
"""What the reader had not yet read when Redis lost it: as far back as a reader, or a copied file, can lag."""
AFTER_S = 6.0


def i8_feed_is_the_ledger(evidence: Evidence) -> Iterator[Finding]:
    """What a reader of the feed saw, and what it finds when it catches up as the documentation says."""
    events = {event_id(event): event for event in evidence.events}
    read = {entry["fields"].get("id", "") for entry in evidence.feed}
    for name in read - events.keys():
        yield Finding("I8", f"the feed told {name!r}, which the ledger does not have", name.partition("/")[0])
    losses = [(f["began"] - BEFORE_S, f["ended"] + AFTER_S) for f in evidence.faults if f["loses"]]
    for name in events.keys() - read:
        at = events[name]["at"]
        if not any(began <= at <= ended for began, ended in losses):
            yield Finding("I8", f"the feed never told {name}", events[name]["run"])
    for name in events.keys() - {row["id"] for row in evidence.caught_up}:
        yield Finding("I8", f"whoever catches up never sees {name}", events[name]["run"])
    yield from _in_order(evidence)


def _in_order(evidence: Evidence) -> Iterator[Finding]:
    seen: dict[str, set[tuple[int, int]]] = defaultdict(set)
    newest: dict[str, tuple[int, int]] = {}
    for entry in evidence.feed:
        fields = entry["fields"]
        if not {"run", "generation", "seq"} <= fields.keys():
            continue
        run, place = fields["run"], (int(fields["generation"]), int(fields["seq"]))
        if place not in seen[run] and place < newest.get(run, (0, 0)):
            yield Finding("I8", f"the feed told {place} after {newest[run]} for the first time", run)
        seen[run].add(place)
        newest[run] = max(place, newest.get(run, (0, 0)))
