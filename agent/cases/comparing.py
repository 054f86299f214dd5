"""Two accounts of one run, side by side: what differs first, and what each came to, part by part."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher, unified_diff
from itertools import zip_longest
from typing import Any

from agent.cases.case import Asked, Attempt, Case, Happened, Json
from agent.effects import CallModel

SAME_S = 1e-6
"""Delays that differ by less are the same: they go through floating point and back."""
MOST_COMPARED = 20_000
"""Characters of a question that are looked at to find the one that is most like it."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs first, and how it reads on either side, line by line; nothing where one side has no such thing."""

    what: str
    then: Sequence[str]
    now: Sequence[str]


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a run on both sides."""

    name: str
    then: Sequence[str]
    now: Sequence[str]

    @property
    def same(self) -> bool:
        return list(self.then) == list(self.now)


def first_difference(then: Case, now: Case) -> Difference | None:
    """Where the second leaves the first: events byte for byte, then attempts, then cost. None if it never does."""
    return first_event(then, now) or _attempts(then, now) or _costs(then, now)


def first_event(then: Case, now: Case) -> Difference | None:
    """The first event that is another one, byte for byte. None if all are the same."""
    for before, after in zip_longest(then.events, now.events):
        if before is None or after is None or _event(before) != _event(after):
            return Difference(_named(before, after), _told(before), _told(after))
    return None


def sections(then: Case, now: Case) -> Sequence[Section]:
    """Prompts, passages, drafts, verdicts, cost and ending of both."""
    return [Section(name, list(tell(then)), list(tell(now))) for name, tell in PARTS.items()]


def lines_of(value: Any, path: str = "") -> Iterator[str]:
    """JSON as lines for people: a path and its value, texts with their own lines."""
    match value:
        case dict():
            for name, inner in value.items():
                yield from lines_of(inner, f"{path}.{name}" if path else name)
        case list():
            for place, inner in enumerate(value):
                yield from lines_of(inner, f"{path}[{place}]")
        case str() if "\n" in value:
            yield f"{path}:"
            yield from (f"  {line}" for line in value.splitlines())
        case _:
            yield f"{path}: {value}"


def nearest(wanted: Json, among: Sequence[Asked]) -> Asked | None:
    """The recorded question that is most like the one that was asked; None if none is of its type."""
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    found = [it for it in among if it.type == kind]
    text = "\n".join(lines_of(wanted))[:MOST_COMPARED]

    def likeness(it: Asked) -> float:
        return SequenceMatcher(None, text, "\n".join(lines_of(it.effect))[:MOST_COMPARED], autojunk=True).quick_ratio()

    return max(found, key=likeness, default=None)


def unlike(recorded: Json, asked: Json) -> list[str]:
    """A recorded question and another one as a unified diff."""
    sides = (list(lines_of(recorded)), list(lines_of(asked)))
    return [line.rstrip("\n") for line in unified_diff(*sides, "recorded", "asked now", lineterm="", n=2)]


def _event(it: Happened) -> tuple[str, int, str]:
    return it.type, it.version, it.text


def _named(before: Happened | None, after: Happened | None) -> str:
    some = before or after
    assert some is not None  # noqa: S101  # one of the two is there
    if before and after and before.type != after.type:
        return f"event {some.seq}: {before.type} then, {after.type} now"
    where = "" if before and after else (" then, and none now" if before else " now, and none then")
    return f"event {some.seq}: {some.type}{where}"


def _told(it: Happened | None) -> list[str]:
    return [] if it is None else [f"{it.type} {it.version}", *lines_of(it.data)]


def _attempts(then: Case, now: Case) -> Difference | None:
    pairs = zip_longest((it for it in then.attempts if it.counts), (it for it in now.attempts if it.counts))
    for before, after in pairs:
        if before is None or after is None or not _alike(before, after):
            some = before or after
            return Difference(f"an attempt at {some.route}, event {some.seq}", _attempt(before), _attempt(after))
    return None


def _alike(one: Attempt, other: Attempt) -> bool:
    if (one.seq, one.attempt, one.outcome, one.error_kind) != (
        other.seq,
        other.attempt,
        other.outcome,
        other.error_kind,
    ):
        return False
    known = one.begins is not None and one.delay_s is not None and other.delay_s is not None
    return not known or abs((one.delay_s or 0.0) - (other.delay_s or 0.0)) < SAME_S


def _attempt(it: Attempt | None) -> list[str]:
    if it is None:
        return []
    told = it.model_dump(include={"seq", "attempt", "outcome", "error_kind", "error", "delay_s"})
    return list(lines_of(told))


def _costs(then: Case, now: Case) -> Difference | None:
    return None if then.cost == now.cost else Difference("cost", list(_cost(then)), list(_cost(now)))


def _prompts(case: Case) -> Iterator[str]:
    """Those of earlier generations too, as far as what was said to them was used again."""
    for asked in (*(it for it in case.earlier if it.answer is not None), *case.asked()):
        effect = asked.effect
        if asked.type == CallModel.type and isinstance(effect, dict):
            yield f"{effect['model']} with {effect['prompt']}"
            for message in effect["messages"]:
                yield f"  {message['role']}:"
                yield from (f"    {line}" for line in str(message["content"]).splitlines())


def _passages(case: Case) -> Iterator[str]:
    for event in case.happened("passages.found"):
        for passage in event.data.get("passages", ()) if isinstance(event.data, dict) else ():
            yield f"{passage.get('label')} {passage.get('title')} ({passage.get('source')})"
            yield from (f"  {line}" for line in str(passage.get("text", "")).splitlines())


def _drafts(case: Case) -> Iterator[str]:
    for event in case.happened("answer.drafted"):
        if isinstance(event.data, dict):
            yield f"{event.data.get('model')}, {event.data.get('repairs')} repairs"
            yield from (f"  {line}" for line in str(event.data.get("draft", "")).splitlines())


def _verdicts(case: Case) -> Iterator[str]:
    for event in case.happened("verdict.given"):
        if isinstance(event.data, dict):
            yield f"{'passed' if event.data.get('passed') else 'FAILED'} {event.data.get('check')}"
            yield from (f"  {problem}" for problem in event.data.get("problems", ()))


def _cost(case: Case) -> Iterator[str]:
    cost = case.cost
    usd = "unknown" if cost.cost_usd is None else f"{cost.cost_usd:f} USD"
    yield f"{cost.calls} {'call' if cost.calls == 1 else 'calls'}, {usd}"
    yield f"{cost.usage.input_tokens} input and {cost.usage.output_tokens} output tokens"


def _ending(case: Case) -> Iterator[str]:
    yield from _told(case.ending)


PARTS: dict[str, Callable[[Case], Iterator[str]]] = {
    "prompts": _prompts,
    "passages": _passages,
    "draft": _drafts,
    "verdicts": _verdicts,
    "cost": _cost,
    "ending": _ending,
}
