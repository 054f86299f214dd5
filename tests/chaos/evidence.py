"""What the auditor judges by: what clients saw, what the tables say, what the model logged, what was done."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.notebook import read

Row = dict[str, Any]
SUBJECTS = (
    *("asks", "replies", "faults", "feed", "sizes", "doctor", "span", "order", "model", "caught_up"),
    *("runs", "events", "work", "attempts", "calls", "letters", "deaths", "troubles", "replays"),
)
ENDED = frozenset({"completed", "failed", "incomplete", "cancelled"})
"""What a Response object says of a run that is over."""
ENDINGS = frozenset({"answer.accepted", "run.failed", "run.cancelled"})


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken promise: which invariant, and how one would see it."""

    invariant: str
    what: str
    run: str = ""


@dataclass
class Evidence:
    """Rows by subject, as the machine wrote them. Nothing of the service is imported to read them."""

    asks: list[Row] = field(default_factory=list)
    replies: list[Row] = field(default_factory=list)
    faults: list[Row] = field(default_factory=list)
    feed: list[Row] = field(default_factory=list)
    sizes: list[Row] = field(default_factory=list)
    doctor: list[Row] = field(default_factory=list)
    span: list[Row] = field(default_factory=list)
    order: list[Row] = field(default_factory=list)
    model: list[Row] = field(default_factory=list)
    caught_up: list[Row] = field(default_factory=list)
    runs: list[Row] = field(default_factory=list)
    events: list[Row] = field(default_factory=list)
    work: list[Row] = field(default_factory=list)
    attempts: list[Row] = field(default_factory=list)
    calls: list[Row] = field(default_factory=list)
    letters: list[Row] = field(default_factory=list)
    deaths: list[Row] = field(default_factory=list)
    troubles: list[Row] = field(default_factory=list)
    replays: list[Row] = field(default_factory=list)
    slack: float = 1.0
    """How many times as long everything may take."""

    @classmethod
    def load(cls, home: Path) -> Evidence:
        found: dict[str, Any] = {subject: list(read(home, subject)) for subject in SUBJECTS}
        return cls(**found)

    @property
    def can(self) -> set[str]:
        return set(self.order[0]["can"]) if self.order else set()

    def by_run(self, rows: Iterable[Row]) -> dict[str, list[Row]]:
        found: dict[str, list[Row]] = defaultdict(list)
        for row in rows:
            found[row["run"]].append(row)
        return found

    def responses(self) -> Iterator[tuple[Row, Row]]:
        """Every whole Response object that a client saw, with the reply that it came in."""
        for reply in self.replies:
            if reply["whole"] and reply["status"] is not None and 200 <= reply["status"] < 300:
                with suppress(ValueError):
                    body = json.loads(reply["body"])
                    if isinstance(body, dict) and body.get("object") == "response":
                        yield reply, body

    def overlap_s(self, began: float, ended: float, *strikes: str) -> float:
        """For how many seconds of a time something of these kinds was being struck; overlaps count twice."""
        struck = ((max(began, it["began"]), min(ended, it["ended"])) for it in self.faults if it["strikes"] in strikes)
        return float(sum(max(0.0, until - since) for since, until in struck))

    def struck(self, began: float, ended: float, *kinds: str) -> bool:
        """Whether a fault of one of these kinds was under way at any moment of a time."""
        return any(f["kind"] in kinds and f["began"] <= ended and f["ended"] >= began for f in self.faults)


def event_id(row: Row) -> str:
    return f"{row['run']}/{row['generation']}/{row['seq']}"


def text_of(response: Row) -> str:
    """All text that a Response object carries in its output."""
    return json.dumps(response.get("output"), ensure_ascii=False)
