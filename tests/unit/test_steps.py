"""Each step decides from the run and from what it is told, and from nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any

import orjson
import pytest
from pydantic import BaseModel

from agent.agents import documents
from agent.checks import CitedAnswer
from agent.checks.draft import Check, Draft
from agent.checks.output import Output, output_schema
from agent.effects import CallModel, Found, ModelAnswer, Search
from agent.errors import Overloaded, Permanent, Transient, Unfamiliar
from agent.events import (
    AnswerAccepted,
    AnswerDrafted,
    DraftRejected,
    Event,
    ModelsPassedOver,
    Passage,
    PassagesFound,
    Problem,
    RequestReceived,
    RunFailed,
    Searched,
    Usage,
)
from agent.filters import Combine, Compare
from agent.prompting import SHIPPED, Fence, Prompt, PromptBook, opening
from agent.request import FileSearch, Message, Request
from agent.run import Run
from agent.steps import Drafting, Generate, Repair, Retrieval, Retrieve, Validate
from agent.testing import Script

BOOK = PromptBook.load(SHIPPED)
ANSWER = BOOK.current("answer")
DRAFTING = Drafting("answer", BOOK, ("large", "small"), max_output_tokens=1_000, output_schema='{"type":"object"}')
TOWER = Passage(
    id="psg_1", label="p1", document_id="doc_1", title="Tower", source="tower.md", text="The tower is 330 metres high."
)
RECEIVED = RequestReceived(agent="documents")
FOUND = PassagesFound(query="How high?", collection="default", index_version=7, passages=(TOWER,))
ALONE = replace(DRAFTING, models=("large",))
SECRET = "xyzzy"


def run_of(*events: Event, question: str = "How high is the tower?", **fields: Any) -> Run:
    request = Request.model_validate({"messages": [Message(role="user", content=question)], **fields})
    return Run(
        id="resp_1",
        project="default",
        agent="documents",
        request=request,
        deadline=datetime(2027, 1, 1, tzinfo=UTC),
        prompts={"answer": ANSWER.version},
        events=events,
    )


def says(text: str = "Hi.", model: str = "large", **fields: Any) -> ModelAnswer:
    return ModelAnswer.model_validate({"text": text, "model": model, "endpoint": "e", **fields})


def draft_of(text: str, **fields: Any) -> AnswerDrafted:
    return AnswerDrafted.model_validate(
        {"draft": text, "model": "large", "endpoint": "e", "prompt": ANSWER.id, **fields}
    )


def cited(answer: str, *quotes: str, no_answer: bool = False) -> str:
    citations = [{"passage_id": "p1", "quote": quote} for quote in quotes]
    return orjson.dumps({"answer": answer, "citations": citations, "no_answer": no_answer}).decode()


def rejected(*messages: str, repairs: int = 0, check: str = "quotes_are_found") -> DraftRejected:
    return DraftRejected(problems=tuple(Problem(check=check, message=m) for m in messages), repairs=repairs)


def call(asked: object) -> CallModel:
    assert isinstance(asked, CallModel)
    return asked


# Retrieve


async def test_retrieval_searches_the_agents_collection_for_the_question() -> None:
    ask = Script({Search: [Found(passages=(), index_version=3)]})
    events = await Retrieve(Retrieval("laws", 4))(RECEIVED, run_of(RECEIVED), ask)
    assert ask.asked == [Search(collection="laws", query="How high is the tower?", limit=4)]
    assert events == [PassagesFound(query="How high is the tower?", collection="laws", index_version=3, passages=())]


async def test_passages_are_labelled_in_the_order_they_were_found() -> None:
    unlabelled = tuple(TOWER.model_copy(update={"id": f"psg_{n}", "label": ""}) for n in range(3))
    ask = Script({Search: [Found(passages=unlabelled, index_version=1)]})
    (event,) = await Retrieve(Retrieval("default", 3))(RECEIVED, run_of(RECEIVED), ask)
    assert isinstance(event, PassagesFound)
    assert [(it.label, it.id) for it in event.passages] == [("p1", "psg_0"), ("p2", "psg_1"), ("p3", "psg_2")]


def placed(id: str, score: float, document: str = "doc_1") -> Passage:
    return TOWER.model_copy(update={"id": id, "label": "", "score": score, "document_id": document})


async def test_a_request_narrows_the_search_and_cannot_widen_it() -> None:
    handbook = Retrieval("laws", 4, where={"audience": "public"}, neighbours=1, choosable=("manuals",))
    year = Compare(type="gte", key="year", value=2024)
    wanted = FileSearch(collections=("manuals",), where=year, limit=9)
    ask = Script({Search: [Found(passages=(), index_version=3)]})
    await Retrieve(handbook)(RECEIVED, run_of(RECEIVED, file_search=wanted), ask)
    public = Compare(type="eq", key="audience", value="public")
    both = Combine(type="and", filters=(public, year))
    query = "How high is the tower?"
    assert ask.asked == [Search(collection="manuals", query=query, limit=9, where=both, neighbours=1)]


async def test_of_several_collections_the_best_passages_are_taken_each_with_its_neighbours() -> None:
    first = (placed("a1", 0.0), placed("a2", 5.0), placed("a9", 2.0, "doc_2"))
    second = (placed("b1", 4.0, "doc_3"), placed("b2", 0.0, "doc_3"), placed("b3", 3.0, "doc_4"))
    founds = [Found(passages=first, index_version=3), Found(passages=second, index_version=8)]
    wanted = FileSearch(collections=("laws", "manuals"))
    ask = Script({Search: founds})
    (event,) = await Retrieve(Retrieval(limit=3, neighbours=1))(RECEIVED, run_of(RECEIVED, file_search=wanted), ask)
    assert isinstance(event, PassagesFound)
    assert [(it.label, it.id) for it in event.passages] == [
        ("p1", "a1"), ("p2", "a2"), ("p3", "b1"), ("p4", "b2"), ("p5", "b3")
    ]  # fmt: skip
    assert (event.collection, event.index_version) == ("laws", 3)
    assert event.more == (Searched(collection="manuals", index_version=8),)
    assert event.public()["collection"] == "laws,manuals"


async def test_passages_of_one_document_are_taken_by_their_own_score_where_none_has_neighbours() -> None:
    founds = [
        Found(passages=(placed("a1", 5.0), placed("a2", 1.0)), index_version=3),
        Found(passages=(placed("b1", 4.0, "doc_3"),), index_version=8),
    ]
    wanted = FileSearch(collections=("laws", "manuals"), limit=2)
    (event,) = await Retrieve(Retrieval())(RECEIVED, run_of(RECEIVED, file_search=wanted), Script({Search: founds}))
    assert isinstance(event, PassagesFound)
    assert [it.id for it in event.passages] == ["a1", "b1"]


# Generate


async def test_a_draft_keeps_what_the_model_said_and_what_it_cost() -> None:
    usage = Usage(input_tokens=10, output_tokens=2)
    answer = says('{"not": json', usage=usage, cost_usd=Decimal("0.1"), finish_reason="length", offline=True)
    (event,) = await Generate(DRAFTING)(FOUND, run_of(RECEIVED, FOUND), Script({CallModel: [answer]}))
    assert event == AnswerDrafted(
        draft='{"not": json',
        finish_reason="length",
        model="large",
        endpoint="e",
        offline=True,
        prompt=ANSWER.id,
        usage=usage,
        cost_usd=Decimal("0.1"),
    )


async def test_the_model_is_asked_with_the_passages_and_the_output_schema() -> None:
    ask = Script({CallModel: [says()]})
    await Generate(DRAFTING)(FOUND, run_of(RECEIVED, FOUND), ask)
    asked = call(ask.asked[0])
    assert asked.prompt == ANSWER.id
    assert asked.output_schema == '{"type":"object"}'
    assert asked.passages == (TOWER,)
    assert TOWER.text in asked.messages[-1].content
    assert [message.role for message in asked.messages] == ["system", "user"]


async def test_the_same_run_asks_the_same_question_and_another_run_has_another_fence() -> None:
    ask = Script({CallModel: lambda _: says()})
    run = run_of(RECEIVED, FOUND)
    for each in (run, run, replace(run, id="resp_2")):
        await Generate(DRAFTING)(FOUND, each, ask)
    one, again, other = [effect.hash() for effect in ask.asked]
    assert one == again != other


@pytest.mark.parametrize(("wanted", "given"), [(None, 1_000), (50, 50), (5_000, 1_000)])
async def test_a_request_may_ask_for_fewer_tokens_but_not_for_more(wanted: int | None, given: int) -> None:
    ask = Script({CallModel: [says()]})
    await Generate(DRAFTING)(FOUND, run_of(RECEIVED, FOUND, max_output_tokens=wanted), ask)
    assert call(ask.asked[0]).max_output_tokens == given


@pytest.mark.parametrize(("wanted", "given"), [(None, 0.3), (0.0, 0.0), (1.5, 1.5)])
async def test_the_requests_temperature_wins_over_the_prompts(wanted: float | None, given: float) -> None:
    header = ANSWER.sources["prompt.yaml"] + "\nparams: {temperature: 0.3}\n"
    warm = type(ANSWER).from_sources({**ANSWER.sources, "prompt.yaml": header})
    book = PromptBook()
    book.add(warm)
    ask = Script({CallModel: [says()]})
    run = replace(run_of(RECEIVED, FOUND, temperature=wanted), prompts={"answer": warm.version})
    await Generate(replace(DRAFTING, book=book))(FOUND, run, ask)
    assert call(ask.asked[0]).temperature == given


@pytest.mark.parametrize("error", [Transient("down"), Permanent("no"), Overloaded("busy", retry_after_s=3)])
async def test_when_a_model_fails_the_next_one_of_the_chain_is_asked(error: Exception) -> None:
    ask = Script({CallModel: [error, says("Hello.", model="small")]})
    (event,) = await Generate(DRAFTING)(FOUND, run_of(RECEIVED, FOUND), ask)
    assert [call(effect).model for effect in ask.asked] == ["large", "small"]
    assert isinstance(event, AnswerDrafted)
    assert (event.draft, event.model) == ("Hello.", "small")


async def test_a_request_with_a_chain_of_its_own_is_answered_by_that_one_alone() -> None:
    ask = Script({CallModel: [Permanent("no"), says("Hello.", model="tiny")]})
    await Generate(DRAFTING)(FOUND, run_of(RECEIVED, FOUND, models=("own", "tiny")), ask)
    assert [call(effect).model for effect in ask.asked] == ["own", "tiny"]


@pytest.mark.parametrize(
    ("errors", "raised"),
    [
        ([Overloaded("first", retry_after_s=3), Permanent("second")], "first"),
        ([Permanent("first"), Transient("second")], "second"),
        ([Permanent("first"), Permanent("second")], "second"),
        ([Transient("first"), Transient("second")], "second"),
    ],
)
async def test_when_all_models_fail_the_error_that_a_retry_can_help_is_raised(
    errors: list[Exception], raised: str
) -> None:
    with pytest.raises((Transient, Permanent), match=raised):
        await Generate(DRAFTING)(FOUND, run_of(RECEIVED, FOUND), Script({CallModel: errors}))


async def test_a_bug_is_not_taken_for_a_failing_model() -> None:
    ask = Script({CallModel: [ZeroDivisionError("bug"), says()]})
    with pytest.raises(ZeroDivisionError):
        await Generate(DRAFTING)(FOUND, run_of(RECEIVED, FOUND), ask)


@pytest.mark.parametrize("prompts", [{}, {"answer": "0.0.1+00000000"}])
async def test_a_run_whose_prompt_is_not_here_waits_for_a_release_that_has_it(prompts: dict[str, str]) -> None:
    run = replace(run_of(RECEIVED, FOUND), prompts=prompts)
    with pytest.raises(Unfamiliar):
        await Generate(DRAFTING)(FOUND, run, Script())


# Validate


def mentions_no_secret(draft: Draft) -> Iterable[str]:
    if SECRET in draft.answer:
        yield f"The answer mentions {SECRET}."


def never_satisfied(draft: Draft) -> Iterable[str]:
    return [f"{n}: " + "x" * 1_000 for n in range(20)]


def broken(draft: Draft) -> Iterable[str]:
    raise ZeroDivisionError("a bug in a check")


async def judged(
    drafted: AnswerDrafted, *checks: Check, output: Output | None = None, events: Sequence[Event] = (FOUND,)
) -> Event:
    validate = Validate(checks, output, "Not in the documents.")
    *_, event = await validate(drafted, run_of(RECEIVED, *events, drafted), Script())
    return event


async def test_plain_text_that_passes_is_the_answer() -> None:
    event = await judged(draft_of("Hello.", repairs=1, offline=True), mentions_no_secret)
    assert event == AnswerAccepted(
        text="Hello.", checks=("mentions_no_secret",), model="large", offline=True, repairs=1
    )


async def test_a_problem_is_reported_under_the_name_of_its_check() -> None:
    event = await judged(draft_of(f"It is {SECRET}.", repairs=1), mentions_no_secret)
    assert event == rejected(f"The answer mentions {SECRET}.", repairs=1, check="mentions_no_secret")


async def test_a_check_with_settings_keeps_its_name() -> None:
    def at_most(draft: Draft, *, words: int) -> Iterable[str]:
        return [] if len(draft.answer.split()) <= words else ["Too long."]

    event = await judged(draft_of("one two three"), partial(at_most, words=2))
    assert event == rejected("Too long.", check="at_most")


async def test_no_more_than_eight_problems_of_300_characters_are_kept() -> None:
    event = await judged(draft_of("Hello."), never_satisfied)
    assert isinstance(event, DraftRejected)
    assert [len(problem.message) for problem in event.problems] == [300] * 8


async def test_a_check_that_breaks_is_a_bug_and_not_a_problem() -> None:
    with pytest.raises(ZeroDivisionError):
        await judged(draft_of("Hello."), broken)


async def test_plain_text_that_was_cut_off_is_an_incomplete_answer_if_it_passes() -> None:
    event = await judged(draft_of("Once upon a", finish_reason="length"))
    assert isinstance(event, AnswerAccepted)
    assert (event.text, event.incomplete, event.status) == ("Once upon a", "max_output_tokens", "incomplete")
    assert isinstance(await judged(draft_of(SECRET, finish_reason="length"), mentions_no_secret), DraftRejected)


@pytest.mark.parametrize("reason", ["refusal", "content_filter"])
@pytest.mark.parametrize("output", [None, CitedAnswer])
async def test_a_refusal_ends_the_run_without_a_word_of_it(reason: str, output: type[BaseModel] | None) -> None:
    event = await judged(draft_of(f"I cannot: {SECRET}", finish_reason=reason, repairs=1), output=output)
    assert isinstance(event, RunFailed)
    assert (event.code, event.repairs) == ("refused", 1)
    assert SECRET not in event.model_dump_json()


async def test_a_cited_answer_is_accepted_with_quotes_cut_from_the_passage() -> None:
    draft = draft_of(cited("The tower is 330 metres high.", "the tower is 330 METRES high"))
    event = await judged(draft, *documents.checks, output=CitedAnswer)
    assert isinstance(event, AnswerAccepted), event
    (citation,) = event.citations
    assert event.text == "The tower is 330 metres high."
    assert (citation.passage_id, citation.document_id) == ("psg_1", "doc_1")
    assert citation.quote in TOWER.text
    assert "quotes_are_found" in event.checks


@pytest.mark.parametrize(
    ("raw", "check"),
    [
        ("The tower is high.", "output_is_valid"),
        (cited("The tower is 330 metres high.", "the tower is 999 metres high"), "quotes_are_found"),
        (cited("The tower is 330 metres high."), "citations_are_given"),
    ],
)
async def test_a_cited_answer_that_does_not_hold_is_rejected(raw: str, check: str) -> None:
    event = await judged(draft_of(raw), *documents.checks, output=CitedAnswer)
    assert isinstance(event, DraftRejected)
    assert check in {problem.check for problem in event.problems}


async def test_a_cited_answer_that_was_cut_off_is_rejected_and_never_completed() -> None:
    raw = cited("The tower is 330 metres high.", "the tower is 330 metres high")
    event = await judged(draft_of(raw[:-2], finish_reason="length"), *documents.checks, output=CitedAnswer)
    assert isinstance(event, DraftRejected)
    assert [problem.check for problem in event.problems] == ["output_is_valid"]


async def test_without_an_answer_the_client_reads_the_agents_words_and_not_the_models() -> None:
    event = await judged(draft_of(cited("", no_answer=True)), *documents.checks, output=CitedAnswer)
    assert isinstance(event, AnswerAccepted), event
    assert (event.text, event.citations, event.no_answer) == ("Not in the documents.", (), True)


async def test_an_output_of_the_agents_own_is_returned_as_json() -> None:
    class Verdict(BaseModel):
        fair: bool

    event = await judged(draft_of('{"fair": true}'), output=Verdict, events=())
    assert isinstance(event, AnswerAccepted)
    assert event.text == '{"fair":true}'
    assert isinstance(await judged(draft_of('{"fair": "perhaps"}'), output=Verdict, events=()), DraftRejected)


SIZES = {
    "type": "object",
    "properties": {"sizes": {"type": "array", "items": {"$ref": "#/$defs/size"}, "maxItems": 2, "uniqueItems": True}},
    "required": ["sizes"],
    "$defs": {"size": {"type": "integer", "multipleOf": 5}},
}


async def test_a_reply_is_held_against_all_of_an_agents_json_schema_and_returned_as_it_was_written() -> None:
    seen: list[Any] = []

    def sees(draft: Draft) -> Iterable[str]:
        seen.append(draft.value)
        return ()

    event = await judged(draft_of('```json\n{"sizes": [5, 10.0]}\n```'), sees, output=SIZES, events=())
    assert isinstance(event, AnswerAccepted)
    assert (event.text, seen) == ('{"sizes": [5, 10.0]}', [{"sizes": [5, 10.0]}])
    event = await judged(draft_of('{"sizes": [5, 5, 7]}'), sees, output=SIZES, events=())
    assert isinstance(event, DraftRejected)
    assert {problem.check for problem in event.problems} == {"output_is_valid"}
    told = [problem.message.partition(":")[0] for problem in event.problems]
    assert sorted(told) == ["/sizes", "/sizes", "/sizes/2"]
    assert len(seen) == 1, "checks are asked about what has the right form only"


async def test_json_of_a_schema_that_was_cut_off_is_asked_for_again_in_shorter_words() -> None:
    event = await judged(draft_of('{"sizes": [5, 1', finish_reason="length"), output=SIZES, events=())
    assert isinstance(event, DraftRejected)
    assert [problem.message for problem in event.problems] == ["the answer was cut off at the token limit; be shorter"]


async def test_a_prompt_may_say_the_schema_which_keeps_its_authors_order() -> None:
    header = BOOK.current("answer").sources["prompt.yaml"] + "    schema: {}\n"
    prompt = Prompt.from_sources({**BOOK.current("answer").sources, "prompt.yaml": header, "system.j2": "{{ schema }}"})
    schema = output_schema({"type": "object", "properties": {"why": {}, "how": {}}})
    assert schema == '{"type":"object","properties":{"why":{},"how":{}}}'
    request = run_of(RECEIVED).request
    assert opening(prompt, request, (), Fence.of("x"), schema=schema)[0].content == schema


# Repair


async def first_messages() -> tuple[Message, ...]:
    ask = Script({CallModel: [says()]})
    await Generate(DRAFTING)(FOUND, run_of(RECEIVED, FOUND), ask)
    return call(ask.asked[0]).messages


async def test_a_repair_asks_again_with_the_same_beginning_the_draft_and_its_problems() -> None:
    event = rejected("Quote 1 is not in p1.")
    run = run_of(RECEIVED, FOUND, draft_of("my draft"), event)
    ask = Script({CallModel: [says("better")]})
    (after,) = await Repair(DRAFTING, repairs=2)(event, run, ask)
    messages = call(ask.asked[0]).messages
    first = await first_messages()
    assert messages[: len(first)] == first
    assert [message.role for message in messages[len(first) :]] == ["assistant", "user"]
    assert messages[-2].content == "my draft"
    assert "- Quote 1 is not in p1." in messages[-1].content
    assert after == draft_of("better", repairs=1)


async def test_a_second_repair_shows_the_newest_draft_only() -> None:
    event = rejected("Second problem.", repairs=1)
    run = run_of(RECEIVED, FOUND, draft_of("one"), rejected("First problem."), draft_of("two", repairs=1), event)
    ask = Script({CallModel: [says("three")]})
    (after,) = await Repair(DRAFTING, repairs=2)(event, run, ask)
    told = call(ask.asked[0]).messages
    assert len(told) == 4
    assert told[-2].content == "two"
    assert "First problem." not in told[-1].content
    assert after == draft_of("three", repairs=2)


async def test_after_the_last_repair_the_run_fails_and_no_model_is_asked() -> None:
    event = rejected(f"The quote {SECRET!r} is not in p1.", "Another.", repairs=2)
    run = run_of(RECEIVED, FOUND, draft_of(SECRET, repairs=2), event)
    (after,) = await Repair(ALONE, repairs=2)(event, run, Script())
    assert after == RunFailed(
        code="no_valid_answer",
        message="The answer did not pass its checks after 2 repairs: quotes_are_found.",
        repairs=2,
    )


async def test_a_repair_that_changed_nothing_is_not_paid_for_again() -> None:
    before, event = rejected("A.", "B."), rejected("B.", "A.", repairs=1)
    run = run_of(RECEIVED, FOUND, draft_of("one"), before, draft_of("two", repairs=1), event)
    (after,) = await Repair(ALONE, repairs=5)(event, run, Script())
    assert isinstance(after, RunFailed)
    assert "after 1 repair: quotes_are_found." in after.message


async def test_an_agent_may_allow_no_repair_at_all() -> None:
    event = rejected("A.")
    (after,) = await Repair(DRAFTING, repairs=0)(event, run_of(RECEIVED, FOUND, draft_of("one"), event), Script())
    assert isinstance(after, RunFailed)


async def test_a_repair_goes_down_the_chain_of_models_too() -> None:
    event = rejected("A.")
    ask = Script({CallModel: [Transient("down"), says("better", model="small")]})
    (after,) = await Repair(DRAFTING, repairs=2)(event, run_of(RECEIVED, FOUND, draft_of("one"), event), ask)
    assert isinstance(after, AnswerDrafted)
    assert after.model == "small"


# Repair: down the chain, and with more passages


def passage(number: int) -> Passage:
    told = f"Storey {number} has a lamp."
    return TOWER.model_copy(update={"id": f"psg_{number}", "label": "", "text": told})


async def test_when_the_repairs_of_a_model_are_used_up_the_next_one_begins_anew() -> None:
    event = rejected("Second.", repairs=1)
    run = run_of(RECEIVED, FOUND, draft_of("one"), rejected("First."), draft_of("two", repairs=1), event)
    ask = Script({CallModel: [says("three", model="small")]})
    passed, after = await Repair(DRAFTING, repairs=1)(event, run, ask)
    assert passed == ModelsPassedOver(models=("large",), repairs=1)
    assert after == draft_of("three", model="small", repairs=2)
    asked = call(ask.asked[0])
    assert asked.model == "small"
    assert asked.messages == await first_messages(), "no bad draft anchors it"


REFUSED = {"finish_reason": "refusal", "text": ""}
CUT = {"finish_reason": "length"}


@pytest.mark.parametrize(
    ("fallback", "first", "second", "asked", "drafted_is"),
    [
        ((), says(**REFUSED), says("two"), 1, ("", "refusal")),
        (("truncated",), says(**REFUSED), says("two"), 1, ("", "refusal")),
        (("refused",), says(**REFUSED), says("two"), 2, ("two", "stop")),
        (("refused",), says(text="", finish_reason="content_filter"), says("two"), 2, ("two", "stop")),
        (("truncated",), says("one", **CUT), says("two"), 2, ("two", "stop")),
        (("truncated",), says("one", **CUT), says("two", **CUT), 2, ("one", "length")),
        (("truncated",), says("one", **CUT), Transient("down"), 2, ("one", "length")),
    ],
)
async def test_an_answer_that_is_passed_on_is_taken_if_no_other_model_does_better(
    fallback: tuple[str, ...], first: ModelAnswer, second: Any, asked: int, drafted_is: tuple[str, str]
) -> None:
    ask = Script({CallModel: [first, second]})
    step = Generate(replace(DRAFTING, fallback=frozenset(fallback)))
    (drafted,) = await step(FOUND, run_of(RECEIVED, FOUND), ask)
    assert isinstance(drafted, AnswerDrafted)
    assert ((drafted.draft, drafted.finish_reason), len(ask.asked)) == (drafted_is, asked)


async def test_when_the_same_problems_come_back_the_next_model_is_asked_at_once() -> None:
    before, event = rejected("A.", "B."), rejected("B.", "A.", repairs=1)
    run = run_of(RECEIVED, FOUND, draft_of("one"), before, draft_of("two", repairs=1), event)
    ask = Script({CallModel: [says("three", model="small")]})
    passed, _ = await Repair(DRAFTING, repairs=5)(event, run, ask)
    assert passed == ModelsPassedOver(models=("large",), repairs=1)


def handed_on(*events: Event) -> Run:
    """A run that the large model had three tries at, and the small one this."""
    tries = [draft_of("one"), rejected("A."), draft_of("two", repairs=1), rejected("A.", repairs=1)]
    return run_of(RECEIVED, FOUND, *tries, ModelsPassedOver(models=("large",), repairs=1), *events)


async def test_the_next_model_has_as_many_repairs_as_the_first_whatever_its_problems_were() -> None:
    event = rejected("A.", repairs=2)
    ask = Script({CallModel: [says("four", model="small")]})
    (after,) = await Repair(DRAFTING, repairs=1)(
        event, handed_on(draft_of("three", model="small", repairs=2), event), ask
    )
    assert after == draft_of("four", model="small", repairs=3)
    asked = call(ask.asked[0])
    assert (asked.model, asked.messages[-2].content) == ("small", "three")


async def test_after_the_last_model_the_run_fails() -> None:
    event = rejected("C.", repairs=3)
    drafts = [draft_of("three", model="small", repairs=2), rejected("B.", repairs=2)]
    run = handed_on(*drafts, draft_of("four", model="small", repairs=3), event)
    (after,) = await Repair(DRAFTING, repairs=1)(event, run, Script())
    assert isinstance(after, RunFailed)
    assert (after.code, after.repairs) == ("no_valid_answer", 3)


async def test_a_model_that_takes_over_from_one_that_is_away_does_not_see_the_bad_draft() -> None:
    event = rejected("A.")
    ask = Script({CallModel: [Transient("down"), says("better", model="small")]})
    await Repair(DRAFTING, repairs=2)(event, run_of(RECEIVED, FOUND, draft_of("one"), event), ask)
    told = [call(asked).messages for asked in ask.asked]
    assert told[0][-2].content == "one"
    assert told[1] == await first_messages()


async def test_a_draft_goes_back_to_the_model_that_wrote_it_under_whichever_name() -> None:
    event = rejected("A.")
    run = run_of(RECEIVED, FOUND, draft_of("one", model="vendor/small-2026-10-01"), event)
    ask = Script({CallModel: [says("two", model="small")]})
    await Repair(DRAFTING, repairs=2)(event, run, ask)
    asked = call(ask.asked[0])
    assert (asked.model, asked.messages[-2].content) == ("small", "one")


async def test_a_draft_of_a_model_that_nobody_knows_goes_to_the_whole_chain() -> None:
    event = rejected("A.")
    ask = Script({CallModel: [Transient("down"), says("two", model="small")]})
    await Repair(DRAFTING, repairs=2)(event, run_of(RECEIVED, FOUND, draft_of("one", model="?"), event), ask)
    assert [call(asked).messages[-2].content for asked in ask.asked] == ["one", "one"]


WIDENING = Repair(
    DRAFTING, repairs=3, retrieve=Retrieve(Retrieval("default", 1)), grounding=frozenset({"quotes_are_found"})
)


async def test_a_problem_of_grounding_widens_the_search_and_old_passages_keep_their_names() -> None:
    event = rejected("Quote 1 is not in p1.")
    more = Found(passages=(passage(2), TOWER, passage(3)), index_version=8)
    ask = Script({Search: [more], CallModel: [says("better")]})
    found, after = await WIDENING(event, run_of(RECEIVED, FOUND, draft_of("one"), event), ask)
    assert ask.asked[0] == Search(collection="default", query="How high is the tower?", limit=2)
    assert isinstance(found, PassagesFound)
    assert [(it.id, it.label) for it in found.passages] == [("psg_1", "p1"), ("psg_2", "p2")]
    assert found.index_version == 8
    assert isinstance(after, AnswerDrafted)
    told, first = call(ask.asked[1]).messages, await first_messages()
    assert told[0] == first[0]
    shown = first[1].content.partition("<<<question")[0].strip()
    assert told[1].content.startswith(shown), "what was shown stays where it was"
    assert passage(2).text in told[1].content


async def test_a_search_is_widened_again_up_to_a_bound() -> None:
    event = rejected("Quote 1 is not in p1.", repairs=1)
    run = run_of(RECEIVED, FOUND, draft_of("one"), rejected("?"), FOUND, draft_of("two", repairs=1), event)
    ask = Script({Search: [Found(passages=(passage(9),), index_version=8)], CallModel: [says()]})
    await WIDENING(event, run, ask)
    assert ask.asked[0] == Search(collection="default", query="How high is the tower?", limit=4)
    wide = replace(WIDENING, retrieve=Retrieve(Retrieval("default", 24)))
    bounded = Script({CallModel: [says()]})
    assert len(await wide(event, run, bounded)) == 1


async def test_a_search_that_brings_nothing_new_changes_nothing() -> None:
    event = rejected("Quote 1 is not in p1.")
    ask = Script({Search: [Found(passages=(TOWER,), index_version=8)], CallModel: [says("better")]})
    assert await WIDENING(event, run_of(RECEIVED, FOUND, draft_of("one"), event), ask) == [
        draft_of("better", repairs=1)
    ]


async def test_a_problem_of_form_searches_for_nothing() -> None:
    event = rejected("not one JSON object", check="output_is_valid")
    ask = Script({CallModel: [says("better")]})
    assert len(await WIDENING(event, run_of(RECEIVED, FOUND, draft_of("one"), event), ask)) == 1


async def test_passages_that_are_too_much_for_the_model_are_left_out_again() -> None:
    event = rejected("Quote 1 is not in p1.")
    too_long = [Permanent("too long", kind="context_length_exceeded")] * 2
    more = Found(passages=(passage(2),), index_version=8)
    ask = Script({Search: [more], CallModel: [*too_long, says("better")]})
    after = await WIDENING(event, run_of(RECEIVED, FOUND, draft_of("one"), event), ask)
    assert after == [draft_of("better", repairs=1)]
    assert passage(2).text not in call(ask.asked[-1]).messages[1].content


def test_the_shipped_agent_widens_its_search_for_problems_of_grounding_only() -> None:
    repair = next(
        route.step for route in documents.bind(BOOK, ("large",)).router.routes.values() if route.name == "repair"
    )
    assert isinstance(repair, Repair)
    assert repair.grounding >= {"quotes_are_found", "claims_are_cited", "passages_exist"}
    assert repair.grounding.isdisjoint({"answers_something", "citations_are_given"})
