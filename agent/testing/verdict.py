"""A verdict over a whole request: what its client was told, what the ledger holds, what the model was asked.

It is a function of evidence alone, so it can be given over a run of any service, at any time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from agent.cases import Asked, Case
from agent.cases.case import closed
from agent.checks.judging import name_of
from agent.definition import Agent
from agent.effects import CallModel
from agent.events import ENDINGS, AnswerAccepted, AnswerDrafted, VerdictGiven
from agent.outcome import RATE_LIMITED
from agent.testing.asserting import texts_of

TOLD_STATUSES = {"completed": ("completed", "incomplete"), "failed": ("failed",), "cancelled": ("cancelled",)}
"""How the API tells the status of a run that ended."""
LEAST_CHARS = 12
"""Of a text that a model wrote: a shorter one is anywhere by chance."""

ADAPTED = 400
"""A question is put in another form at once where a field of it is refused: that is one call on record."""

Entry = Mapping[str, Any]
"""A call as the fake model logged it: see `GET /log`."""


@dataclass(frozen=True, slots=True)
class Told:
    """A reply about the run that a client was sent: its status, its whole body, and when it was there."""

    status: int
    body: str
    at: datetime

    @property
    def response(self) -> Mapping[str, Any]:
        """The response object in it; empty where it is none."""
        try:
            value = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return {}
        return value if isinstance(value, dict) and value.get("object") == "response" else {}

    @property
    def ended(self) -> bool:
        return self.response.get("status") in {it for told in TOLD_STATUSES.values() for it in told}


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything about one request to `agent`. `log` is the model's whole log: others obey the same Retry-After.

    `followed` is what the fake model says of the trace, where it followed one.
    """

    told: Sequence[Told]
    case: Case
    log: Sequence[Entry]
    agent: Agent
    followed: Mapping[str, Any] | None = None
    under_way_s: float = 0.25
    """A call that comes so soon after a Retry-After was under way already."""
    grace_s: float = 0.25
    """What it may take to end a run whose time is over, and to tell so."""

    @property
    def calls(self) -> Sequence[Entry]:
        """Those of this run."""
        return [entry for entry in self.log if entry["run"] == self.case.run.id]

    @property
    def asked(self) -> Sequence[Asked]:
        """The calls of models that were made, by the record."""
        return [it for it in (*self.case.earlier, *self.case.asked()) if it.type == CallModel.type and it.made]


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was broken, and what shows it."""

    name: str
    evidence: str

    def __str__(self) -> str:
        return f"{self.name}: {self.evidence}"


def verdict(evidence: Evidence) -> list[Violation]:
    """Every promise that was broken; nothing if all were kept. `PROMISES` names them."""
    return [Violation(name, found) for name, look in PROMISES.items() for found in look(evidence)]


def _one_answer(it: Evidence) -> Iterator[str]:
    """The run has one ending, which is its last event, and every reply tells that one."""
    kinds = {kind.type for kind in ENDINGS}
    endings = [event.seq for event in it.case.events if event.type in kinds]
    if len(endings) != 1 or endings[0] != it.case.events[-1].seq:
        yield f"the run has {len(endings)} endings, at {endings}, and {len(it.case.events)} events"
    told = [reply for reply in it.told if reply.ended]
    if not told:
        yield f"no client was told an ending: {[(reply.status, reply.body[:80]) for reply in it.told]}"
    for reply in told:
        said, wanted = reply.response["status"], TOLD_STATUSES[it.case.run.status]
        if reply.response["id"] == it.case.run.id and said not in wanted:
            yield f"a client was told that it {said}, and the ledger says {it.case.run.status}"
    if len(found := {_output(reply) for reply in told}) > 1:
        yield f"clients were told {len(found)} different answers: {sorted(found)}"


def _nothing_unvalidated(it: Evidence) -> Iterator[str]:
    """What was shown is what was accepted; every check passed it; nothing else that a model wrote is anywhere."""
    answer = _accepted(it.case)
    if answer is not None:
        yield from _unjudged(it, answer)
    for reply in it.told:
        shown = _output(reply)
        if shown != (answer.text if answer else ""):
            yield f"{shown[:80]!r} was shown, and accepted was {(answer.text if answer else '')[:80]!r}"
    bodies = "\n".join(reply.body for reply in it.told)
    for text in _never_accepted(it, answer):
        if text in bodies or orjson.dumps(text).decode()[1:-1] in bodies:
            yield f"{text[:80]!r} was shown, which a model wrote and nobody accepted"


def _unjudged(it: Evidence, answer: AnswerAccepted) -> Iterator[str]:
    """Every check of the agent passed the newest draft, and no other verdict was against it."""
    drafted = max((event.seq for event in it.case.happened(AnswerDrafted.type)), default=0)
    given = [
        VerdictGiven.model_validate_json(it.text) for it in it.case.happened(VerdictGiven.type) if it.seq > drafted
    ]
    for refused in (verdict for verdict in given if not verdict.passed):
        yield f"the check {refused.check} refused the draft that was shown"
    silent = set(map(name_of, it.agent.checks)) - {verdict.check for verdict in given}
    if silent and answer.text:
        yield f"the draft that was shown was not judged by {', '.join(sorted(silent))}"


def _never_accepted(it: Evidence, answer: AnswerAccepted | None) -> Iterator[str]:
    """Texts that models wrote and that stand neither in the answer nor in what the client said itself."""
    allowed = closed(it.case.request) + (answer.model_dump_json() + answer.text if answer else "")
    for call in it.calls:
        for text in _texts(call["answer"] or ""):
            if len(text) >= LEAST_CHARS and text not in allowed:
                yield text


def _texts(said: str) -> Iterator[str]:
    """The strings in what a model wrote: of its JSON, if it is some."""
    try:
        value = orjson.loads(said)
    except orjson.JSONDecodeError:
        value = said
    yield from texts_of(value)


def _within_budget(it: Evidence) -> Iterator[str]:
    """Calls, tokens, money, repairs and failures are no more than the agent's budget."""
    budget, cost = it.agent.budget, it.case.cost
    counted = [asked for asked in it.asked if asked.fault is None or asked.fault.kind != RATE_LIMITED]
    if budget.calls is not None and len(counted) > budget.calls:
        yield f"{len(counted)} calls of models, and the budget has {budget.calls}"
    tokens = cost.usage.input_tokens + cost.usage.output_tokens
    if budget.tokens is not None and tokens > budget.tokens:
        yield f"{tokens} tokens, and the budget has {budget.tokens}"
    usd = sum(((asked.worst_case_usd if asked.cost_usd is None else asked.cost_usd) or 0) for asked in it.asked)
    if budget.usd is not None and usd > budget.usd:
        yield f"{usd} USD, and the budget has {budget.usd}"
    failed = sum(attempt.outcome == "postpone" for attempt in it.case.attempts)
    if failed > budget.failures:
        yield f"{failed} failed attempts, and the budget has {budget.failures}"
    drafts = Counter(_model_of(event.data) for event in it.case.happened(AnswerDrafted.type))
    for model, count in drafts.items():
        if count > budget.repairs + 1 + _tool_rounds(it.case):
            yield f"{model} wrote {count} drafts, and the budget has {budget.repairs} repairs"


def _retry_after_obeyed(it: Evidence) -> Iterator[str]:
    """No worker asks a model while the time that it named lasts: not for this run, nor for another because of it."""
    for refusal in it.log:
        wait_s, since = refusal["retry_after_s"], refusal["ended_at"]
        if wait_s is None or since is None:
            continue
        for call in it.log:
            early = since + it.under_way_s < call["at"] < since + wait_s
            mine = it.case.run.id in (call["run"], refusal["run"])
            if early and mine and _model_of(call["body"]) == _model_of(refusal["body"]):
                after = f"{call['at'] - since:.3f} s after call {refusal['n']} was told to wait {wait_s:g} s"
                yield f"call {call['n']} (run {call['run']}) came {after}"


def _nothing_paid_twice(it: Evidence) -> Iterator[str]:
    """The model was asked a question again only where it is on record why, and every call is on record."""
    seen = Counter(call["request"] for call in it.calls if call["request"] and call["status"] != ADAPTED)
    lost = {id(asked) for attempt in it.case.attempts if attempt.settled is False for asked in attempt.asked}
    for request, count in seen.items():
        rows = [asked for asked in it.asked if asked.hash == request]
        answered = [asked for asked in rows if asked.status == "answered"]
        fenced = sum(id(asked) in lost for asked in answered)
        meant = len({asked.occurrence for asked in answered})
        reasons = {
            "meant": meant,
            "failed": sum(asked.status == "failed" for asked in rows),
            "unknown": sum(asked.status in ("unknown", "asked") for asked in rows),
            "overtaken": fenced if len(answered) > meant else 0,
        }
        if count > sum(reasons.values()):
            told = ", ".join(f"{number} {name}" for name, number in reasons.items() if number) or "nothing"
            yield f"request {request[:12]} was asked {count} times; on record: {told}"


def _in_time(it: Evidence) -> Iterator[str]:
    """The run ended by its deadline, and its client was told by then."""
    run = it.case.run
    ended = run.ended_at
    if ended is None or (ended - run.deadline).total_seconds() > it.grace_s:
        yield f"the run had until {run.deadline.isoformat()}, and ended {ended and ended.isoformat()}"
    first = min((reply.at for reply in it.told if reply.ended), default=None)
    if first is not None and (first - run.deadline).total_seconds() > it.grace_s:
        yield f"the run had until {run.deadline.isoformat()}, and its client was told at {first.isoformat()}"


def _on_the_trace(it: Evidence) -> Iterator[str]:
    """Every call was on the trace."""
    followed = it.followed or {}
    yield from (str(off["told"]) for off in followed.get("off_trace", ()))
    if (more := followed.get("off_trace_count", 0) - len(followed.get("off_trace", ()))) > 0:
        yield f"{more} more calls were off the trace"


def _trace_used_up(it: Evidence) -> Iterator[str]:
    """No line of the trace was left."""
    if left := (it.followed or {}).get("unserved"):
        yield f"these lines of the trace came to nothing: {', '.join(map(str, left))}"


PROMISES = {
    "one_answer": _one_answer,
    "nothing_unvalidated": _nothing_unvalidated,
    "within_budget": _within_budget,
    "retry_after_obeyed": _retry_after_obeyed,
    "nothing_paid_twice": _nothing_paid_twice,
    "in_time": _in_time,
    "on_the_trace": _on_the_trace,
    "trace_used_up": _trace_used_up,
}
"""What is looked at, by the names that violations have."""


def _accepted(case: Case) -> AnswerAccepted | None:
    ending = case.ending
    return AnswerAccepted.model_validate_json(ending.text) if ending.type == AnswerAccepted.type else None


def _output(reply: Told) -> str:
    """All text of a reply's output."""
    items: Iterable[Any] = reply.response.get("output") or ()
    parts = [part for item in items if item.get("type") == "message" for part in item.get("content", ())]
    return "".join(str(part.get("text", "")) for part in parts)


def _model_of(value: Any) -> str:
    return str(value.get("model", "")) if isinstance(value, dict) else ""


def _tool_rounds(case: Case) -> int:
    return len(case.happened("tools.requested"))
