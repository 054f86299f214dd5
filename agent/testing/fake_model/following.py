"""A trace while it is followed: each line is served as often as it says, and what fits no line is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from agent.testing.fake_model.call import Call, prompt_name
from agent.testing.fake_model.script import Line
from agent.testing.fake_model.trace import ProcessFault, Trace, TraceLine

MOST_KEPT = 1_000
"""So many calls off the trace are kept, and the others are counted."""


class Stagehand(Protocol):
    """Does to processes and engines what a trace says. Both are waited for, at the call that the fault is for."""

    async def before(self, fault: ProcessFault, call: Call, /) -> None:
        """The answer is about to be sent."""

    async def after(self, fault: ProcessFault, call: Call, /) -> None:
        """The answer is out."""


@dataclass(frozen=True, slots=True)
class OffTrace:
    """A call that no line was for: what was asked, and the line that comes nearest, with what is different there."""

    asked: Mapping[str, Any]
    nearest: int | None
    because: str

    def plain(self) -> dict[str, Any]:
        return {"asked": dict(self.asked), "nearest": self.nearest, "because": self.because, "told": str(self)}

    def __str__(self) -> str:
        told = ", ".join(f"{name} {value}" for name, value in self.asked.items() if value is not None)
        near = "the trace has no line" if self.nearest is None else f"the nearest is line {self.nearest}"
        return f"no line of the trace is for this call: {told}; {near}{': ' * bool(self.because)}{self.because}"


@dataclass(slots=True)
class Following:
    """How far a trace has been followed. Raises nothing: what goes wrong is told by `report`."""

    trace: Trace
    served: dict[int, int] = field(init=False)
    done: set[int] = field(init=False, default_factory=set)
    """The faults of processes that have begun."""
    off: list[OffTrace] = field(init=False, default_factory=list)
    off_count: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.served = dict.fromkeys((number for number, _ in self.trace.lines), 0)

    def take(self, call: Call) -> tuple[int, Line] | None:
        """The first line for this call that is not used up, and its number; None if there is none."""
        for number, line in self.trace.lines:
            if self.served[number] < line.times and line.matches(call):
                self.served[number] += 1
                return number, line
        return None

    def missed(self, call: Call) -> OffTrace:
        """Keep a call that nothing was for."""
        nearest = min(self.trace.lines, key=lambda it: _distance(it[1], call), default=None)
        because = "" if nearest is None else "; ".join(nearest[1].differs(call)) or "it was served already"
        found = OffTrace(_asked(call), nearest and nearest[0], because)
        self.off_count += 1
        if len(self.off) < MOST_KEPT:
            self.off.append(found)
        return found

    def fault_at(self, call: Call) -> ProcessFault | None:
        """The first fault of a process that this call brings about, once."""
        for number, fault in self.trace.faults:
            if number not in self.done and fault.when.is_now(call):
                self.done.add(number)
                return fault
        return None

    def report(self) -> dict[str, Any]:
        """What was served, what was asked off the trace, and which lines were left, as JSON."""
        left = [number for number, line in self.trace.lines if self.served[number] < line.times]
        return {
            "served": {str(number): count for number, count in self.served.items()},
            "off_trace": [it.plain() for it in self.off],
            "off_trace_count": self.off_count,
            "unserved": sorted([*left, *(number for number, _ in self.trace.faults if number not in self.done)]),
        }


def _distance(line: TraceLine, call: Call) -> tuple[bool, int, int]:
    """Another prompt is farther than whatever else differs."""
    name = prompt_name(line.prompt) or prompt_name(call.prompt)
    apart = abs((line.attempt or call.attempt) - call.attempt)
    return name != prompt_name(call.prompt), len(line.differs(call)), apart


def _asked(call: Call) -> dict[str, Any]:
    return {
        "prompt": call.prompt,
        "attempt": call.attempt,
        "model": call.model,
        "run": call.run,
        "request": call.request,
    }
