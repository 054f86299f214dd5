"""Assertions about a case that was run again: what should come of it now, and what came of it then."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from itertools import pairwise
from typing import Any, NoReturn

import orjson

from agent.cases import Case
from agent.cases.comparing import lines_of
from agent.effects import BROKEN, CallModel
from agent.events import AnswerAccepted, AnswerDrafted, DraftRejected, RunCancelled, RunFailed, ToolsAnswered
from agent.outcome import RATE_LIMITED
from agent.testing.asserting import seen_of, shown_of, texts_of, told
from agent.testing.chain import Story
from agent.testing.rerun import Rerun, Served

LEAST_CHARS = 12
"""Shorter texts of a draft may well stand somewhere by chance."""


def assert_mended(now: Rerun) -> AnswerAccepted:
    """The run that failed then comes to an answer that passed its checks; the answer.

    Else the message says whether it fails as it did then, why, and where each answer came from.
    """
    __tracebackhide__ = True
    if isinstance(now.ending, AnswerAccepted):
        return now.ending
    raise AssertionError(f"{_how_it_fails(now)}\n{told(now)}")


def assert_tools_worked(now: Story, *names: str) -> None:
    """Each of these tools was called, and its code did not fail."""
    __tracebackhide__ = True
    results = [it for event in now.events if isinstance(event, ToolsAnswered) for it in event.results]
    for name in names:
        mine = [it for it in results if it.name == name]
        if not mine:
            _fail(f"the tool {name!r} brought no result", now)
        for it in mine:
            if it.failed and it.text in BROKEN:
                _fail(f"the tool {name!r} fails as it did then: {it.text}", now)


def assert_as_then(now: Rerun, *parts: str) -> None:
    """These parts are what they were: of `answer`, `citations`, `verdicts` and `calls` (of models); all by default."""
    __tracebackhide__ = True
    for part in parts or PARTS:
        was, came = PARTS[part](now)
        if was != came:
            _fail(f"{part}: it is not as it was\nthen:\n{_shown(was)}\nnow:\n{_shown(came)}", now)


def assert_cancelled(now: Story) -> RunCancelled:
    """Somebody cancelled the run, and it ended so; the ending."""
    __tracebackhide__ = True
    if not isinstance(now.ending, RunCancelled):
        _fail("the run was not cancelled", now)
    return now.ending


def assert_within_budget(now: Rerun) -> None:
    """No more models were called than the agent's budget allows. A call that came too early is none of the run's.

    Where the budget names no number of calls, each draft may cost one call of each model, and so may each failure.
    """
    __tracebackhide__ = True
    budget, chain = now.agent.agent.budget, len(now.agent.models)
    most = budget.calls or chain * (1 + budget.repairs + budget.tool_rounds + budget.failures)
    made = [it for it in _calls(now) if it.fault is None or it.fault.kind != RATE_LIMITED]
    if len(made) > most:
        _fail(f"models were called {len(made)} times, and the budget allows {most}", now)


def assert_waited_as_told(now: Rerun) -> None:
    """Whoever named a time to wait was not asked the same again before it was over."""
    __tracebackhide__ = True
    asked: dict[str, list[Served]] = {}
    for it in now.served:
        asked.setdefault(it.effect.hash(), []).append(it)
    for same in asked.values():
        for first, second in pairwise(same):
            wait_s = first.fault.wait_s if first.fault else None
            if wait_s is not None and second.at - first.at < timedelta(seconds=wait_s):
                waited_s = (second.at - first.at).total_seconds()
                _fail(f"it was asked to wait {wait_s:g} s, and came again after {waited_s:g} s: {first}", now)


def assert_nothing_unchecked(now: Story) -> None:
    """Nothing that a client or a reader of the feed gets to see holds words of a draft which is not the answer."""
    __tracebackhide__ = True
    seen, checked = seen_of(now), shown_of(now.ending) if isinstance(now.ending, AnswerAccepted) else ""
    for event in now.events:
        if isinstance(event, AnswerDrafted):
            for words in _words(event.draft):
                if words in seen and words not in checked:
                    _fail(f"{words!r} was shown and is no part of a checked answer", now)


def _calls(now: Rerun) -> list[Served]:
    """Calls of models that were made."""
    return [
        it
        for it in now.served
        if isinstance(it.effect, CallModel) and not (it.fault is not None and it.fault.error == "Held")
    ]


def _words(draft: str) -> Iterator[str]:
    """Texts of a draft: all of it, and where it is JSON, each text in it."""
    yield from (it for it in (draft.strip(),) if len(it) >= LEAST_CHARS)
    try:
        value = orjson.loads(draft)
    except orjson.JSONDecodeError:
        return
    yield from (text for text in texts_of(value) if len(text) >= LEAST_CHARS)


def _how_it_fails(now: Rerun) -> str:
    """As it did then, or otherwise."""
    is_now = _failed_now(now)
    if _code(now.then.ending.data) == _code(now.ending.model_dump()):
        return f"it fails as it did then: {is_now}"
    return f"it failed then: {_failed_then(now.then)}\nit fails otherwise now: {is_now}"


def _failed_then(case: Case) -> str:
    data = case.ending.data if isinstance(case.ending.data, dict) else {}
    return f"{data.get('code', case.ending.type)}: {data.get('message', '')}"


def _failed_now(now: Rerun) -> str:
    """The ending, and what led to it: problems of the last draft, or the error of the last attempt."""
    ending = now.ending
    said = f"{ending.code}: {ending.message}" if isinstance(ending, RunFailed) else ending.type
    rejected = [it for it in now.events if isinstance(it, DraftRejected)]
    why = [f"  {it.check}: {it.message}" for it in rejected[-1].problems] if rejected else []
    return "\n".join([said, *why, *(f"  {it}" for it in now.errors[-1:])])


def _code(data: Any) -> Any:
    return data.get("code") if isinstance(data, dict) else None


def _answer(of: Case | Rerun) -> Any:
    data = _ending(of)
    return {name: data.get(name) for name in ("text", "no_answer", "incomplete") if data.get(name)}


def _citations(of: Case | Rerun) -> Any:
    told = ("quote", "title", "source", "answer_start", "answer_end")
    return [{name: it.get(name) for name in told} for it in _ending(of).get("citations", ())]


def _verdicts(of: Case | Rerun) -> Any:
    if isinstance(of, Case):
        given = [it.data for it in of.happened("verdict.given")]
    else:
        given = [event.model_dump(mode="json") for event in of.events if event.type == "verdict.given"]
    return [{name: it.get(name) for name in ("check", "passed", "repairs")} for it in given if isinstance(it, dict)]


def _ending(of: Case | Rerun) -> Mapping[str, Any]:
    data = of.ending.data if isinstance(of, Case) else of.ending.model_dump(mode="json")
    return data if isinstance(data, dict) else {}


PARTS: Mapping[str, Callable[[Rerun], tuple[Any, Any]]] = {
    "answer": lambda now: (_answer(now.then), _answer(now)),
    "citations": lambda now: (_citations(now.then), _citations(now)),
    "verdicts": lambda now: (_verdicts(now.then), _verdicts(now)),
    "calls": lambda now: ({"calls": now.calls_then}, {"calls": len(_calls(now))}),
}
"""What can be held to how it was: each as it was then, and as it is now."""


def _shown(value: Any) -> str:
    return "\n".join(f"  {line}" for line in lines_of(value))


def _fail(what: str, now: Story) -> NoReturn:
    __tracebackhide__ = True
    raise AssertionError(f"{what}\n{told(now)}")
