"""Has the tools called that a model asked for, all calls of a reply at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

from agent.asking import gathered
from agent.effects import Ask, CallTool
from agent.events import AnswerDrafted, CalledTool, Event, ToolsAnswered, ToolsRequested
from agent.items import CALLABLE, Message
from agent.prompting import shown_again
from agent.run import Run

NOT_MADE = "This call was not made. Make it again, if it is still wanted, now that the other results are there."


@dataclass(frozen=True, slots=True)
class CallTools:
    """The results in the order of the calls. One that is on record is not made again."""

    async def __call__(self, event: ToolsRequested, run: Run, ask: Ask, /) -> Sequence[Event]:
        calls = [
            CallTool(tool=call.name, arguments=call.arguments, key=key_of(run, event.round, place))
            for place, call in enumerate(event.calls)
        ]
        brought = await gathered(ask, calls)
        results = (
            CalledTool(call_id=call.call_id, name=call.name, text=result.text, failed=result.failed)
            for call, result in zip(event.calls, brought, strict=True)
        )
        return [ToolsAnswered(results=tuple(results), round=event.round)]


def key_of(run: Run, round: int, place: int) -> str:
    """The idempotency key of a call: every worker that comes to this call finds the same one."""
    return f"tool_{sha256(f'{run.id}/{round}/{place}'.encode()).hexdigest()[:40]}"


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
