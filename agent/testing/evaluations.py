"""Evaluations in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import count

from agent.evaluation import Evaluation, Plan, Standing, Wanted
from agent.testing.bills import spent_usd
from agent.testing.memory import MemoryLedger


@dataclass
class _Kept:
    evaluation: Evaluation
    lines: dict[int, Wanted]
    opened: set[int] = field(default_factory=set)

    def runs(self) -> Sequence[str]:
        return [self.lines[number].run for number in sorted(self.opened)]


class MemoryEvaluations:
    """See `agent.evaluation.Evaluations`: the twin, beside a `MemoryLedger`."""

    def __init__(self, ledger: MemoryLedger) -> None:
        self._ledger = ledger
        self._kept: dict[str, _Kept] = {}
        self._numbers = count(1)

    async def begin(self, wish: str, plan: Plan, lines: Sequence[Wanted], /) -> tuple[Evaluation, bool]:
        if (found := await self.find(wish)) is not None:
            return found, False
        new = Evaluation(f"eval_{next(self._numbers)}", wish, plan, len(lines), self._ledger.clock.now())
        self._kept[new.id] = _Kept(new, {line.number: line for line in lines})
        return new, True

    async def find(self, wish: str, /) -> Evaluation | None:
        await self._ledger.ping()
        found = [it.evaluation for it in self._kept.values() if it.evaluation.wish == wish]
        return next((it for it in reversed(found) if it.told_at is None), None)

    async def evaluation(self, id: str, /) -> Evaluation | None:
        await self._ledger.ping()
        kept = self._kept.get(id)
        return None if kept is None else kept.evaluation

    async def standing(self, id: str, /) -> Standing:
        await self._ledger.ping()
        kept = self._kept.get(id)
        if kept is None:
            return Standing({}, 0, 0)
        counts = Counter(self._ledger.runs[run].status for run in kept.runs())
        ended = {str(status): number for status, number in counts.items() if status != "in_progress"}
        return Standing(ended, counts["in_progress"], len(kept.lines))

    async def waiting(self, id: str, most: int, /) -> Sequence[Wanted]:
        await self._ledger.ping()
        kept = self._kept.get(id)
        rest = [] if kept is None else [line for number, line in kept.lines.items() if number not in kept.opened]
        return sorted(rest, key=lambda line: line.number)[:most]

    async def opened(self, id: str, numbers: Sequence[int], /) -> None:
        await self._ledger.ping()
        self._kept[id].opened.update(numbers)

    async def runs(self, id: str, /) -> Sequence[str]:
        await self._ledger.ping()
        return self._kept[id].runs() if id in self._kept else []

    async def limit(self, id: str, most_usd: Decimal | None, /) -> None:
        await self._ledger.ping()
        if (kept := self._kept.get(id)) is not None:
            kept.evaluation = replace(kept.evaluation, most_usd=most_usd)

    async def spent(self, id: str, /) -> Decimal:
        runs = set(await self.runs(id))
        return spent_usd(call for call in self._ledger.calls.values() if call.key.run in runs)

    async def told(self, id: str, /) -> None:
        await self._ledger.ping()
        if (kept := self._kept.get(id)) is not None and kept.evaluation.told_at is None:
            kept.evaluation = replace(kept.evaluation, told_at=self._ledger.clock.now())
