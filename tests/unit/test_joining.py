"""An author's steps and routes join a flow that ships, each by one line in the agent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from agent import (
    Agent,
    AnswerAccepted,
    AnswerDrafted,
    Ask,
    Before,
    CallModel,
    Event,
    Found,
    ModelAnswer,
    Passage,
    PassagesFound,
    RequestReceived,
    Route,
    Run,
    RunFailed,
    Search,
    plain_routes,
)
from agent.agents import chat, documents
from agent.definition import BoundAgent
from agent.errors import Misconfigured
from agent.flow import draw, examine
from agent.prompting import SHIPPED, PromptBook
from agent.testing import Script
from agent.testing.rehearsal import MODELS, rehearse


class Triaged(Event):
    type = "question.triaged"
    kind: str


class Undeclared(Event):
    type = "nobody.knows"


def passage(n: int) -> Passage:
    text = f"Lamp {n} shines for {n} hours."
    return Passage(id=f"i{n}", label=f"p{n}", document_id="d", title="Lamps", source="s", text=text)


FOUND = Found(passages=(passage(1), passage(2)), index_version=1)


def quoting(n: int) -> ModelAnswer:
    said = f'{{"answer": "It shines.", "citations": [{{"passage_id": "p{n}", "quote": "Lamp {n} shines for"}}]'
    return ModelAnswer(text=f'{said}, "no_answer": false}}', model="m", endpoint="e")


def bound(agent: Agent) -> BoundAgent:
    return agent.bind(PromptBook.load(SHIPPED), MODELS)


async def last_first(event: PassagesFound, run: Run, ask: Ask, /) -> Sequence[Event]:
    return [event.model_copy(update={"passages": event.passages[::-1]})]


async def only_the_first(event: PassagesFound, run: Run, ask: Ask, /) -> Sequence[Event]:
    return [event.model_copy(update={"passages": event.passages[:1]})]


async def politely(event: AnswerDrafted, run: Run, ask: Ask, /) -> Sequence[Event]:
    return [event.model_copy(update={"draft": f"{event.draft} Thank you."})]


async def triage(event: RequestReceived, run: Run, ask: Ask, /) -> Sequence[Event]:
    if run.request.question == "Hello!":
        return [Triaged(kind="greeting"), AnswerAccepted(text="Hello.")]
    return [Triaged(kind="question")]


async def test_a_step_before_a_route_is_given_its_event_and_what_it_returns_is_what_the_route_goes_on_with() -> None:
    script = Script({Search: [FOUND], CallModel: [quoting(2)]})
    agent = replace(
        documents, steps=(Before("generate", "rank", last_first), Before("generate", "cut", only_the_first))
    )
    story = await rehearse(agent, script).ask("How long does it shine?")
    assert isinstance(story.ending, AnswerAccepted)
    assert [event.type for event in story.events][:7] == [
        "request.received",
        "passages.found",
        *("passages.found", "rank.passed"),
        *("passages.found", "cut.passed"),
        "answer.drafted",
    ]
    (asked,) = script.of(CallModel)
    assert isinstance(asked, CallModel)
    assert [it.label for it in asked.passages] == ["p2"]


async def test_a_step_before_validate_sees_every_draft_and_what_it_makes_of_them_is_what_is_judged() -> None:
    def thanks_once(draft: Any) -> list[str]:
        return [] if draft.answer == "Well. Thank you." else ["Be brief."]

    script = Script({CallModel: [says("Well, well."), says("Well.")]})
    agent = replace(chat, checks=(thanks_once,), steps=(Before("validate", "polish", politely),))
    story = await rehearse(agent, script).ask("Well?")
    assert isinstance(story.ending, AnswerAccepted)
    assert (story.ending.text, story.ending.repairs) == ("Well. Thank you.", 1)
    repair = script.of(CallModel)[-1]
    assert isinstance(repair, CallModel)
    assert repair.messages[-2].content == "Well, well. Thank you."


async def test_a_step_may_end_the_run_and_may_tell_facts_of_its_own() -> None:
    script = Script({CallModel: [says("Noon.")]})
    agent = replace(chat, steps=(Before("generate", "triage", triage, (Triaged, AnswerAccepted)),))
    assert examine(bound(agent)) == []
    chain = rehearse(agent, script)
    greeted = await chain.ask("Hello!")
    assert (greeted.ending, script.asked) == (AnswerAccepted(text="Hello."), [])
    asked = await chain.ask("When?")
    assert [event.type for event in asked.events][:3] == ["request.received", "question.triaged", "triage.passed"]
    assert isinstance(asked.ending, AnswerAccepted) and asked.ending.text == "Noon."


async def test_what_a_step_returns_must_be_declared_because_no_later_step_could_read_it() -> None:
    async def careless(event: RequestReceived, run: Run, ask: Ask, /) -> Sequence[Event]:
        return [Undeclared()]

    chain = rehearse(replace(chat, steps=(Before("generate", "care", careless),)), Script())
    story = await chain.ask("Well?")
    assert isinstance(story.ending, RunFailed) and story.ending.code == "unroutable"
    (letter,) = chain.ledger.dead_letters.values()
    assert "does not know 'nobody.knows': name it where it is produced" in letter.reason


async def test_a_route_takes_over_the_event_of_a_shipped_one_or_its_name_and_others_join() -> None:
    async def canned(event: Event, run: Run, ask: Ask, /) -> Sequence[Event]:
        passages = (passage(next(numbers)),)
        return [PassagesFound(query="?", collection="mine", index_version=0, passages=passages)]

    numbers = count(7)
    mine = Route("mine", RequestReceived, canned, (PassagesFound,))
    story = await rehearse(replace(documents, routes=(mine,)), Script({CallModel: [quoting(7)]})).ask("How long?")
    assert isinstance(story.ending, AnswerAccepted)
    assert [cited.passage_id for cited in story.ending.citations] == ["i7"]
    assert names(replace(documents, routes=(mine,))) == ["mine", "generate", "validate", "repair"]
    named = Route("generate", PassagesFound, canned, (AnswerAccepted,))
    assert names(replace(documents, routes=(named,))) == ["retrieve", "generate", "validate", "repair"]
    more = Route("more", Triaged, canned, (PassagesFound,))
    assert names(replace(documents, routes=(more,))) == ["retrieve", "generate", "validate", "repair", "more"]


def test_the_flow_with_a_step_can_be_looked_at() -> None:
    agent = bound(replace(chat, steps=(Before("generate", "triage", triage, (Triaged, AnswerAccepted)),)))
    assert draw(agent).splitlines()[1:3] == [
        "  request.received  ->  triage    ->  triage.passed | question.triaged | answer.accepted*",
        "  triage.passed     ->  generate  ->  answer.drafted | run.failed*",
    ]
    assert agent.first_route == "triage"
    assert (agent.models_at("generate"), agent.models_at("triage")) == (frozenset(MODELS), frozenset())


@pytest.mark.parametrize(
    "change",
    [
        lambda: replace(chat, steps=(Before("validate", "polish", politely),)),
        lambda: replace(chat, steps=(Before("validate", "polish", triage),)),
        lambda: replace(chat, steps=(Before("repair", "polish", politely),)),
        lambda: replace(chat, routes=(Route("validate", AnswerDrafted, politely, (AnswerAccepted,)),)),
    ],
)
def test_the_version_changes_with_steps_and_routes(change: Callable[[], Agent]) -> None:
    plain = replace(chat, steps=(Before("validate", "polish", last_first),))
    assert len({bound(change()).version, bound(chat).version, bound(plain).version}) == 3


@pytest.mark.parametrize(
    ("agent", "complaint"),
    [
        (
            replace(chat, steps=(Before("retrieve", "rank", last_first),)),
            "agent 'chat': step 'rank' is to stand before 'retrieve'; there is generate, validate, repair",
        ),
        (replace(chat, steps=(Before("validate", "repair", politely),)), "route 'repair' collides with 'repair'"),
        (
            replace(chat, routes=plain_routes, steps=(Before("rank", "polish", politely),)),
            "step 'polish' is to stand before 'rank'",
        ),
    ],
)
def test_a_step_that_has_no_place_is_refused(agent: Agent, complaint: str) -> None:
    with pytest.raises(Misconfigured, match=complaint):
        bound(agent)


def says(text: str) -> ModelAnswer:
    return ModelAnswer(text=text, model="m", endpoint="e")


def names(agent: Agent) -> list[str]:
    return [route.name for route in bound(agent).router.routes.values()]
