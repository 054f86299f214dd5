"""Has the tools called that a model asked for, all calls of a reply at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from agent.asking import gathered
from agent.effects import Ask, CallTool, ToolResult
from agent.events import (
    AnswerDrafted,
    ApprovalDecided,
    ApprovalRequested,
    CalledTool,
    Event,
    ToolsAnswered,
    ToolsRequested,
)
from agent.items import CALLABLE, FunctionCall, Message
from agent.prompting import shown_again
from agent.run import Run
from agent.tools import Toolbox

NOT_MADE = "This call was not made. Make it again, if it is still wanted, now that the other results are there."


@dataclass(frozen=True, slots=True)
class CallTools:
    """The results in the order of the calls. One that is on record is not made again.

    None of a reply's calls is made while some of them wait for an approval.
    """

    tools: Toolbox = field(default_factory=Toolbox)

    async def __call__(self, event: ToolsRequested | ApprovalDecided, run: Run, ask: Ask, /) -> Sequence[Event]:
        if isinstance(event, ApprovalDecided):
            return await self._called(run.last(ToolsRequested), event, run, ask)
        waiting = tuple(call for call in event.calls if self.tools.named(call.name).needs_approval(call.arguments))
        if not waiting:
            return await self._called(event, None, run, ask)
        wait_s = min(self.tools.named(call.name).approval_s for call in waiting)
        return [ApprovalRequested(calls=waiting, round=event.round, wait_s=wait_s)]

    async def _called(
        self, asked: ToolsRequested, decided: ApprovalDecided | None, run: Run, ask: Ask
    ) -> Sequence[Event]:
        denied = decided.denied if decided else ()
        calls = {
            call.call_id: CallTool(tool=call.name, arguments=call.arguments, key=key_of(run, asked.round, place, call))
            for place, call in enumerate(asked.calls)
            if call.call_id not in denied
        }
        brought = dict(zip(calls, await gathered(ask, [*calls.values()]), strict=True))
        refused = ToolResult(text=_refusal(decided), failed=True)
        results = ((call, brought.get(call.call_id, refused)) for call in asked.calls)
        told = (CalledTool(call_id=it.call_id, name=it.name, text=got.text, failed=got.failed) for it, got in results)
        return [ToolsAnswered(results=tuple(told), round=asked.round)]


def _refusal(decided: ApprovalDecided | None) -> str:
    reason = f": {decided.reason}" if decided and decided.reason else ""
    return f"This call was not made, because it was not approved{reason}. Do not make it again."


def key_of(run: Run, round: int, place: int, call: FunctionCall) -> str:
    """The idempotency key of a call: every worker that comes to this call finds the same one, and no other call has it.

    After a backup was restored, a model may ask for something else in the same place.
    """
    said = f"{run.id}/{round}/{place}/{call.name}/{call.arguments}".encode("utf-8", "replace")
    return f"tool_{sha256(said).hexdigest()[:40]}"


def called(run: Run) -> Iterator[Message]:
    """What was called in this run so far and what it brought, as items of its conversation."""
    draft: AnswerDrafted | None = None
    for event in run.events:
        if isinstance(event, AnswerDrafted):
            draft = event
        if isinstance(event, ToolsAnswered) and draft is not None:
            calls = tuple(shown_again(call) for call in draft.calls if CALLABLE.fullmatch(call.name))
            yield Message(role="assistant", content=draft.draft, tool_calls=calls)
            brought = {result.call_id: result.text for result in event.results}
            for call in calls:
                text = brought.get(call.call_id, NOT_MADE)
                yield Message(role="tool", content=text, tool_call_id=call.call_id)
