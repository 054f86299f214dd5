"""Whose fault an ending was, in one table: ours to mend, the world's, or nobody's. What a test of a case asserts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import zip_longest
from typing import Any

from agent.cases.case import Asked, Attempt, Case
from agent.effects import BROKEN, CallTool, ToolResult


class Kind(StrEnum):
    """What a test of a case asserts."""

    MENDABLE = "mendable"
    """The desired outcome: it fails until our code, prompt, check, schema or limit is mended."""
    WORLD = "the world's fault"
    """The contract: a typed failure, calls within the budget, nothing shown that was not checked."""
    WELL = "ended well"
    """The behaviour, as it is."""
    EXPECTED = "not what was expected"
    """What an operator says should have come."""


@dataclass(frozen=True, slots=True)
class Cause:
    """What a run ended in and why, in a sentence that holds no word of a model or a document.

    `code` is that of a failed run. `tools` have failed by their own code, and are to be called again. With `outside`
    nothing that a step meets can bring it again; with `deadly` it took the process along.
    """

    kind: Kind
    why: str
    code: str = ""
    tools: tuple[str, ...] = ()
    outside: bool = False
    deadly: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    kind: Kind
    why: str
    outside: bool = False
    deadly: bool = False


def _ours(why: str, **more: bool) -> Row:
    return Row(Kind.MENDABLE, why, **more)


def _theirs(why: str, **more: bool) -> Row:
    return Row(Kind.WORLD, why, **more)


# fmt: off
CODES: Mapping[str, Row] = {
    "no_valid_answer":             _ours("no draft passed the checks"),
    "refused":                     _ours("the model declined; another prompt or a fallback model may not"),
    "budget":                      _ours("the run used up what its agent may spend on one answer"),
    "context_length_exceeded":     _ours("what the model was asked with is longer than it can take"),
    "rejected":                    _ours("the endpoint refused the request as we made it"),
    "bug":                         _ours("a step or a check raised an error that nobody raised on purpose"),
    "too_slow":                    _ours("the checks took too long"),
    "deliveries":                  _ours("the work stopped its workers again and again", deadly=True),
    "unroutable":                  _ours("the flow has no place for what a step wanted"),
    "undecodable":                 _ours("the run's record cannot be read by this code"),
    "rate_limited":                _theirs("the model's endpoint was rate limited and stayed so"),
    "quota":                       _theirs("the quota at the model's endpoint was used up"),
    "transport":                   _theirs("the model's endpoint could not be reached"),
    "server":                      _theirs("the model's endpoint kept failing"),
    "malformed":                   _theirs("the model's endpoint kept sending replies that cannot be read"),
    "empty":                       _theirs("the model's endpoint kept sending empty replies"),
    "unauthorized":                _theirs("the model's endpoint refused the key"),
    "held":                        _theirs("the model was on hold"),
    "invalid_conversation":        _theirs("the client sent a call or a result without its counterpart"),
    "previous_response_not_found": _theirs("the client went on from a response that was deleted"),
    "conversation_too_long":       _theirs("the client's conversation was longer than this service takes"),
    "ledger":                      _theirs("the ledger was away", outside=True),
    "streams":                     _theirs("the streams were away", outside=True),
    "unstorable":                  _theirs("the ledger did not take the run's record", outside=True),
    "unfamiliar":                  _theirs("no worker had the release that the run was begun with", outside=True),
}
# fmt: on
"""By the code of a failed run. Any other code was raised by an agent's own code, which can be mended."""

LATE = "deadline_exceeded"
TAKEN_UP_S = 2.0
"""Work that was put off is found by a sweep: until so long after its time, nobody was missing."""
ENGINES = frozenset({"ledger", "streams", "unfamiliar", "gone"})
"""Classes of failed attempts that no step met."""


def cause_of(case: Case, expect: str | None = None) -> Cause:
    """What a test of this case asserts, and why; `expect` is what an operator says should have come."""
    tools = tuple(dict.fromkeys(_broken_tools(case)))
    found = _cause(case, tools)
    if expect is None:
        return found
    why = f"{found.why}; something else should have come"
    return Cause(Kind.EXPECTED, why, found.code, tools, deadly=found.deadly)


def _cause(case: Case, tools: tuple[str, ...]) -> Cause:
    ending = case.ending
    if ending.type == "run.cancelled":
        return Cause(Kind.WELL, "somebody cancelled it", outside=True)
    if ending.type != "run.failed":
        if tools:
            return Cause(Kind.MENDABLE, f"it was answered, but the code of {_and(tools)} failed", tools=tools)
        cut = ", and the answer was cut at its limit of tokens" if _data(ending.data).get("incomplete") else ""
        return Cause(Kind.WELL, f"it was answered{cut}")
    code = str(_data(ending.data).get("code", ""))
    row = _late(case) if code == LATE else CODES.get(code, _ours("a step or a tool of the agent gave up"))
    why = f"{row.why}: {_and(checks)}" if code == "no_valid_answer" and (checks := _failing(case)) else row.why
    told = f", and the code of {_and(tools)} failed" if tools else ""
    return Cause(row.kind, why + told, code, tools, row.outside, row.deadly)


def _late(case: Case) -> Row:
    """Whose fault it is that the time was over: whoever had the largest part of it."""
    spent = spent_s(case)
    most = max(spent, key=lambda it: spent[it])
    total = f"of {sum(spent.values()):.1f} s"
    if most == "waiting":
        return _theirs(f"nobody was at work on it for {spent[most]:.1f} s {total}", outside=True)
    if most == "world":
        return _theirs(f"it waited {spent[most]:.1f} s {total} for a model or a search that gave no answer")
    return _ours(f"{spent[most]:.1f} s {total} went into calls that were answered, tools and our own code")


def spent_s(case: Case) -> Mapping[str, float]:
    """Where a run's time went, in seconds: `ours` (calls that were answered, tools, steps and checks), `world` (calls
    without an answer, and waits after them), `waiting` (nobody was at it).
    """
    ours = world = 0.0
    for attempt, following in zip_longest(case.attempts, case.attempts[1:]):
        unanswered = sum(_took_s(it, case) for it in attempt.asked if it.answer is None and it.type != CallTool.type)
        took = _between(attempt.began_at, attempt.ended_at or _ended(case))
        ours, world = ours + max(0.0, took - unanswered), world + unanswered
        if attempt.delay_s and attempt.error_kind not in ENGINES:
            put_off = _put_off_s(attempt, following)
            if _is_world(attempt):
                world += put_off
            else:
                ours += put_off
    total = _between(case.run.began_at, _ended(case))
    return {"ours": ours, "world": world, "waiting": max(0.0, total - ours - world)}


def _put_off_s(attempt: Attempt, following: Attempt | None) -> float:
    """How long work was put off: for its delay, and until somebody took it up, if that was soon."""
    delay_s = attempt.delay_s or 0.0
    if following is None or attempt.ended_at is None:
        return delay_s
    waited_s = _between(attempt.ended_at, following.began_at)
    return waited_s if delay_s < waited_s < delay_s + TAKEN_UP_S else delay_s


def _is_world(attempt: Attempt) -> bool:
    row = CODES.get(attempt.error_kind or "")
    return bool(attempt.refused) or (row is not None and row.kind is Kind.WORLD)


def _took_s(asked: Asked, case: Case) -> float:
    if asked.duration_ms is not None:
        return asked.duration_ms / 1000
    return _between(asked.asked_at, asked.ended_at or _ended(case)) if asked.asked_at else 0.0


def _ended(case: Case) -> datetime:
    return case.run.ended_at or case.ending.at


def _between(start: datetime, end: datetime) -> float:
    return max(timedelta(0), end - start).total_seconds()


def _broken_tools(case: Case) -> Iterator[str]:
    """Tools whose own code failed, as the model was told or as the run was ended by it."""
    for asked in case.asked():
        if asked.type == CallTool.type and isinstance(asked.effect, dict) and _is_broken(asked, case):
            yield str(asked.effect.get("tool"))


def _is_broken(asked: Asked, case: Case) -> bool:
    if asked.answer is None:
        return case.ending.type == "run.failed"
    return isinstance(asked.answer, dict) and ToolResult.model_validate(asked.answer).text in BROKEN


def _failing(case: Case) -> tuple[str, ...]:
    """The checks that the last draft did not pass."""
    rejected = case.happened("draft.rejected")
    problems = _data(rejected[-1].data).get("problems", ()) if rejected else ()
    return tuple(dict.fromkeys(str(it.get("check")) for it in problems if isinstance(it, dict)))


def _data(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _and(names: tuple[str, ...]) -> str:
    return ", ".join(names)
