"""A case as a trace: what each model answered on that day is answered again, to as many processes as ask."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import orjson

from agent.cases import Asked, Case
from agent.cases.case import closed
from agent.effects import CallModel, ModelAnswer
from agent.faults import Fault
from agent.testing.fake_model.call import prompt_name
from agent.testing.fake_model.trace import Header, Trace, TraceLine

FAULTS: dict[str, dict[str, Any]] = {
    "transport": {"kind": "drop"},
    "server": {"kind": "server_error"},
    "rate_limited": {"kind": "rate_limited"},
    "quota": {"kind": "insufficient_quota"},
    "malformed": {"kind": "html"},
    "empty": {"kind": "empty_choices"},
    "unauthorized": {"kind": "unauthorized"},
    "context_length_exceeded": {"kind": "context_length"},
    "rejected": {"kind": "bad_request"},
}
"""What the wire brings where an error of this kind is on record; others are told as `rejected` is."""


def trace_of(case: Case) -> Trace:
    """The calls of models of a case, by prompt and attempt: another run has other hashes, since its fences differ.

    Of the request, the trace holds the question. A call whose outcome nobody knows is never answered. Raises
    `Misconfigured` if the trace would be too long.
    """
    note = case.note or f"{case.run.id}, which {case.run.status.replace('_', ' ')}"
    asks = ({"model": case.agent.name, "input": _question(case)},)
    trace = Trace.of(Header(note=note, asks=asks, ends=(case.end,)), _lines(case))
    return Trace.parse(trace.dumped())


def _lines(case: Case) -> Iterator[TraceLine]:
    seen: Counter[str | None] = Counter()
    for asked in (*case.earlier, *case.asked()):
        if asked.type != CallModel.type or not isinstance(asked.effect, dict) or not asked.made:
            continue
        name = prompt_name(str(asked.effect["prompt"]))
        seen[name] += 1
        which = {"prompt": name, "attempt": seen[name], "model": asked.effect["model"]}
        yield TraceLine.model_validate({**which, **_got(asked)})


def _got(asked: Asked) -> dict[str, Any]:
    if asked.answer is not None:
        return _answer(ModelAnswer.model_validate_json(closed(asked.answer)))
    return {"fault": {"kind": "hang"} if asked.fault is None else _fault(asked.fault)}


def _fault(fault: Fault) -> dict[str, Any]:
    told = FAULTS.get(fault.kind, FAULTS["rejected"])
    waits = fault.wait_s is not None and told["kind"] in ("rate_limited", "server_error")
    return {**told, "retry_after": fault.wait_s} if waits else told


def _answer(answer: ModelAnswer) -> dict[str, Any]:
    usage = {"input": answer.usage.input_tokens, "output": answer.usage.output_tokens}
    told: dict[str, Any] = {"usage": {**usage, "cached": answer.usage.cached_tokens}}
    if answer.finish_reason == "refusal":
        return {**told, "fault": {"kind": "refusal"}}
    if answer.calls:
        told["tool_calls"] = [
            {"id": it.call_id, "function": {"name": it.name, "arguments": it.arguments}} for it in answer.calls
        ]
    if answer.reasoning:
        told["reasoning"] = answer.reasoning
    return {**told, "answer": answer.text, "finish_reason": answer.finish_reason}


def _question(case: Case) -> str:
    request = orjson.loads(closed(case.request))
    said = [it.get("content", "") for it in request.get("messages", ()) if it.get("role") == "user"]
    return str(said[-1]) if said else ""
