"""Assertions about a story that read well and fail well: each says what happened instead."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from agent.events import AnswerAccepted, AnswerDrafted, Citation, DraftRejected, Event, RunFailed
from agent.testing.chain import Story
from agent.testing.rerun import Rerun

MOST = 300
"""Characters of a text that a message quotes."""


def assert_answered(
    story: Story,
    contains: str | Sequence[str] = (),
    citing: str | Sequence[str] = (),
    *,
    matches: str = "",
    no_answer: bool = False,
) -> AnswerAccepted:
    """The run ended in an answer that holds all of `contains` and cites all of `citing`; the answer.

    Something in it `matches` this regular expression, if there is one. A citation is named by its document's title,
    source or id, or by words of its quote. `no_answer`: the answer says that the documents hold none.
    """
    __tracebackhide__ = True
    ending = story.ending
    if not isinstance(ending, AnswerAccepted):
        _fail("there is no answer", story)
    if ending.no_answer is not no_answer:
        _fail("the documents hold no answer, it says" if ending.no_answer else "it is an answer", story)
    for words in _each(contains):
        if words not in ending.text:
            _fail(f"the answer does not hold {words!r}", story)
    if not re.search(matches, ending.text):
        _fail(f"nothing in the answer matches {matches!r}", story)
    for name in _each(citing):
        if not any(_cites(citation, name) for citation in ending.citations):
            _fail(f"the answer does not cite {name!r}", story)
    return ending


def assert_repaired(story: Story, because: str | None = None, times: int | None = None) -> AnswerAccepted:
    """A draft was rejected, by the check `because` if one is named, and the run was answered all the same; the answer.

    `times` is how many repairs the answer took.
    """
    __tracebackhide__ = True
    rejected = [event for event in story.events if isinstance(event, DraftRejected)]
    if not rejected:
        _fail("no draft was rejected", story)
    checks = {problem.check for event in rejected for problem in event.problems}
    if because is not None and because not in checks:
        _fail(f"no draft was rejected by {because!r}, but by {', '.join(sorted(checks))}", story)
    answer = assert_answered(story)
    if times is not None and answer.repairs != times:
        _fail(f"the answer took {answer.repairs} repairs, not {times}", story)
    return answer


def assert_failed(story: Story, code: str | None = None) -> RunFailed:
    """The run failed, with this code if one is given; the failure."""
    __tracebackhide__ = True
    ending = story.ending
    if not isinstance(ending, RunFailed):
        _fail("the run did not fail", story)
    if code is not None and ending.code != code:
        _fail(f"the run failed with {ending.code!r}, not {code!r}", story)
    return ending


def assert_never_shown(story: Story, *texts: str) -> None:
    """A model wrote each of these texts, and nothing that a client or a reader of the feed gets to see holds one.

    A text that no model wrote fails the test: it would show nothing.
    """
    __tracebackhide__ = True
    written = "\n".join(_drafted(event) for event in story.events)
    seen = seen_of(story)
    for text in texts:
        if text not in written:
            _fail(f"no model wrote {text!r}, so that nobody saw it proves nothing", story)
        if text in seen:
            _fail(f"{text!r} was shown", story)


def told(story: Story) -> str:
    """A story in a few lines, for messages of tests; of one that was run again, where each answer came from."""
    asked = ["what was asked:", *(f"  {it}" for it in story.served)] if isinstance(story, Rerun) else []
    return "\n".join(["what happened:", *(f"  {_line(event)}" for event in story.events), *asked])


def seen_of(story: Story) -> str:
    """All that a client or a reader of the feed gets to see of it."""
    return "\n".join([shown_of(story.ending), *(value for event in story.events for value in event.public().values())])


def _fail(what: str, story: Story) -> NoReturn:
    __tracebackhide__ = True
    raise AssertionError(f"{what}\n{told(story)}")


def _each(wanted: str | Sequence[str]) -> Sequence[str]:
    return (wanted,) if isinstance(wanted, str) else wanted


def _cites(citation: Citation, name: str) -> bool:
    return (
        name in (citation.title, citation.source, citation.document_id, citation.passage_id) or name in citation.quote
    )


def _drafted(event: Event) -> str:
    return event.model_dump_json() + event.draft if isinstance(event, AnswerDrafted) else ""


def shown_of(ending: Event) -> str:
    """All that a client may be told of the ending."""
    return "\n".join([ending.model_dump_json(), *texts_of(ending.model_dump(mode="json"))])


def texts_of(value: Any) -> Iterator[str]:
    """Every text in a JSON value as it is read: in JSON its quotes and the ends of its lines are written otherwise."""
    match value:
        case str():
            yield value
        case dict():
            yield from (text for inner in value.values() for text in texts_of(inner))
        case list():
            yield from (text for inner in value for text in texts_of(inner))


def _line(event: Event) -> str:
    match event:
        case AnswerDrafted():
            said = f"{event.draft}"
        case DraftRejected():
            said = "; ".join(f"{it.check}: {it.message}" for it in event.problems)
        case AnswerAccepted():
            said = event.text
        case RunFailed():
            said = f"{event.code}: {event.message}"
        case _:
            said = ", ".join(f"{name} {value}" for name, value in event.public().items())
    return f"{event.type}: {said[:MOST]}{'…' if len(said) > MOST else ''}"
