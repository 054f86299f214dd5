"""I5: the same question of a run is paid for once, or it stands on record why not."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from tests.chaos.evidence import Evidence, Finding, Row

MOST_CALLS = 40
"""Of one run: three drafts, each with at most ten attempts, and hand-overs; a run-away is far beyond it."""
FORGOTTEN_S = 1.5
"""What is written without waiting for the disk may be lost if PostgreSQL is killed within so long."""
FORGETS = ("kill_postgres", "ledger_full")
"""A full disk kills it too, if its log needs another file."""


@dataclass(frozen=True, slots=True)
class Bill:
    """What one question of one run came to: calls that the model saw, and what the ledger says about them."""

    run: str
    seen: list[Row]
    failed: int
    unknown: int
    fenced: int
    """Answers of attempts that were not the first to finish: their bill is kept."""
    forgotten: int
    """Calls whose intent the ledger may have lost with a killed PostgreSQL."""

    @property
    def paid(self) -> list[Row]:
        return [call for call in self.seen if call["billed"]]

    @property
    def repaid(self) -> int:
        """Calls that were paid for after another one had been."""
        return max(0, len(self.paid) - 1)

    @property
    def unexplained(self) -> int:
        """Calls too many, of which nothing on record says why."""
        return max(0, len(self.seen) - 1 - self.failed - self.unknown - self.fenced - self.forgotten)


def bills(evidence: Evidence) -> Iterator[Bill]:
    """One for every question that a run asked. A run asks its questions one after another, so they pair by order."""
    rows = evidence.by_run(evidence.calls)
    lost = {row["token"] for row in evidence.attempts if row["settled"] is False}
    for run, seen in evidence.by_run(call for call in evidence.model if call["run"]).items():
        questions: dict[str, list[Row]] = defaultdict(list)
        for call in sorted(seen, key=lambda call: float(call["began"])):
            questions[call["question"]].append(call)
        records: dict[tuple[int, int, str], list[Row]] = defaultdict(list)
        for row in sorted(rows.get(run, []), key=lambda row: (row["generation"], row["seq"])):
            records[row["generation"], row["seq"], row["hash"]].append(row)
        listed = list(records.values())
        for place, calls in enumerate(questions.values()):
            yield _bill(evidence, run, calls, listed[place] if place < len(listed) else [], lost)


def _bill(evidence: Evidence, run: str, seen: list[Row], rows: list[Row], lost: set[str]) -> Bill:
    states = Counter(row["status"] for row in rows)
    answered = [row for row in rows if row["status"] == "answered"]
    fenced = min(sum(row["token"] in lost for row in answered), max(0, len(answered) - 1))
    missing = max(0, len(seen) - len(rows))
    near = sum(evidence.struck(it["began"] - FORGOTTEN_S, it["began"] + FORGOTTEN_S, *FORGETS) for it in seen)
    return Bill(run, seen, states["failed"], states["unknown"] + states["asked"], fenced, min(missing, near))


def i5_paid_once(evidence: Evidence) -> Iterator[Finding]:
    """Calls are bounded, a repeated one has a reason on record, and every call that was made is on record."""
    total: Counter[str] = Counter()
    for bill in bills(evidence):
        total[bill.run] += len(bill.seen)
        if bill.unexplained:
            told = f"{len(bill.seen)} calls: {bill.failed} failed, {bill.unknown} unknown, {bill.fenced} fenced"
            yield Finding("I5", f"asked the same {bill.unexplained} times too often ({told})", bill.run)
    for run, count in total.items():
        if count > MOST_CALLS:
            yield Finding("I5", f"made {count} calls", run)
    yield from _on_record(evidence, total)


def _on_record(evidence: Evidence, seen: Counter[str]) -> Iterator[Finding]:
    recorded = Counter(row["run"] for row in evidence.calls)
    calls = evidence.by_run(call for call in evidence.model if call["run"])
    for run, count in seen.items():
        missing = count - recorded[run]
        if missing <= 0:
            continue
        near = sum(evidence.struck(it["began"] - FORGOTTEN_S, it["began"] + FORGOTTEN_S, *FORGETS) for it in calls[run])
        if missing > near:
            yield Finding("I5", f"the model was called {count} times, and {recorded[run]} are on record", run)
