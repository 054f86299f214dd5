"""I14: what is stored of a run is enough to run it again, and it goes as it went."""

from __future__ import annotations

from collections.abc import Iterator

from tests.chaos.evidence import Evidence, Finding


def i14_runs_replay_as_recorded(evidence: Evidence) -> Iterator[Finding]:
    """Every run that was replayed came to the same events, byte for byte, and to the same ending."""
    for row in evidence.replays:
        if not row["same"]:
            yield Finding("I14", f"a {row['status']} run did not replay as recorded: {row['why']}", row["run"])
