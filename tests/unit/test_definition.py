"""An agent is one object: what cannot work is refused in a sentence, and its flow can be looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from agent import Agent, Budget, Draft, Event, Retrieval, Route, Run, grounded_routes, plain_routes
from agent.agents import chat, documents
from agent.definition import BoundAgent, load
from agent.effects import Ask
from agent.errors import Misconfigured
from agent.events import AnswerAccepted, AnswerDrafted, Ending, RequestReceived
from agent.flow import draw, examine
from agent.prompting import SHIPPED, Prompt, PromptBook
from agent.steps import Parts

MODELS = ("large",)


class Counted(Event):
    type = "words.counted"
    words: int


class Summed(Event):
    type = "words.summed"


class Signed(Ending):
    type = "words.signed"


class Impostor(Event):
    type = "request.received"


async def idle(event: Event, run: Run, ask: Ask, /) -> Sequence[Event]:
    return []


def book() -> PromptBook:
    return PromptBook.load(SHIPPED)


def bound(agent: Agent) -> BoundAgent:
    return agent.bind(book(), MODELS)


def flow(*routes: Route[Any]) -> BoundAgent:
    return bound(replace(chat, routes=lambda parts: list(routes)))


def is_polite(draft: Draft) -> Iterable[str]:
    return ()


# What ships


@pytest.mark.parametrize("agent", [documents, chat])
def test_the_shipped_agents_have_nothing_wrong_with_them(agent: Agent) -> None:
    assert examine(bound(agent)) == []


def test_the_flow_of_the_documents_agent_can_be_looked_at() -> None:
    agent = bound(documents)
    assert draw(agent).splitlines() == [
        agent.id,
        "  request.received  ->  retrieve  ->  passages.found | run.failed*",
        "  passages.found    ->  generate  ->  answer.drafted | run.failed*",
        "  answer.drafted    ->  validate  ->  answer.accepted* | draft.rejected | run.failed*",
        "  draft.rejected    ->  repair    ->  answer.drafted | run.failed*",
    ]


def test_without_retrieval_a_run_begins_with_the_model() -> None:
    assert bound(chat).first_route == "generate"
    assert bound(documents).first_route == "retrieve"


# Binding


def test_a_bound_agent_names_the_prompt_versions_that_runs_start_with() -> None:
    assert bound(documents).prompts == {"answer": book().current("answer").version}


def test_an_agents_own_models_come_before_those_of_the_settings() -> None:
    assert bound(chat).models == ("large",)
    assert bound(replace(chat, models=("mine", "other"))).models == ("mine", "other")


def test_the_catalogue_holds_the_events_of_the_routes_and_the_agents_own_facts() -> None:
    def routes(parts: Parts) -> list[Route[Any]]:
        return [*plain_routes(parts), Route("sum", Summed, idle, (AnswerAccepted,))]

    catalogue = bound(replace(chat, routes=routes, events=(Counted,))).catalogue
    assert catalogue["words.counted"] is Counted
    assert catalogue["words.summed"] is Summed
    assert catalogue["answer.accepted"] is AnswerAccepted


@pytest.mark.parametrize(
    "change",
    [
        lambda: replace(documents, checks=(*documents.checks, is_polite)),
        lambda: replace(documents, budget=Budget(repairs=1)),
        lambda: replace(documents, budget=Budget(usd=Decimal(1))),
        lambda: replace(documents, retrieval=Retrieval(limit=3)),
        lambda: replace(documents, models=("other",)),
        lambda: replace(documents, prompt="chat"),
        lambda: replace(documents, output=None),
        lambda: replace(documents, output={"type": "object"}),
        lambda: replace(documents, no_answer_text="No."),
        lambda: replace(documents, fallback=("refused",)),
        lambda: replace(documents, routes=lambda parts: grounded_routes(parts)[:-1]),
    ],
)
def test_the_version_changes_with_whatever_changes_the_answers(change: Callable[[], Agent]) -> None:
    before, after = bound(documents).version, bound(change()).version
    assert before.startswith("1.0.0+")
    assert before != after
    assert before == bound(documents).version


def test_what_was_added_to_retrieval_changes_the_version_where_it_changes_answers() -> None:
    plain = replace(documents, retrieval=Retrieval())
    assert bound(replace(plain, retrieval=Retrieval(choosable="any"))).version == bound(plain).version
    for retrieval in (Retrieval(where={"lang": "de"}), Retrieval(neighbours=1)):
        assert bound(replace(plain, retrieval=retrieval)).version != bound(plain).version


@pytest.mark.parametrize(
    "fields",
    [{"limit": 0}, {"limit": 51}, {"neighbours": -1}, {"neighbours": 6}, {"where": {"a b": 1}}, {"choosable": "laws"}],
)
def test_a_retrieval_that_can_find_nothing_is_a_mistake(fields: Any) -> None:
    with pytest.raises(Misconfigured):
        Retrieval(**fields)


def test_a_retrieval_allows_its_own_collection_and_those_it_names() -> None:
    plain, some, every = Retrieval("laws"), Retrieval("laws", choosable=("manuals",)), Retrieval(choosable="any")
    assert [it.may_search("laws") for it in (plain, some, every)] == [True, True, True]
    assert [it.may_search("manuals") for it in (plain, some, every)] == [False, True, True]
    assert [it.may_search("payroll") for it in (plain, some, every)] == [False, False, True]


def test_the_version_changes_with_the_prompt(tmp_path: Path) -> None:
    edited = dict(book().current("chat").sources) | {"system.j2": "Rhyme."}
    (tmp_path / "chat").mkdir()
    for name, text in edited.items():
        (tmp_path / "chat" / name).write_text(text)
    after = chat.bind(PromptBook.load(SHIPPED, tmp_path), MODELS)
    assert after.prompts == {"chat": Prompt.from_sources(edited).version}
    assert after.version != bound(chat).version


async def asks_around(draft: Draft) -> list[str]:
    return []


@pytest.mark.parametrize(
    ("agent", "complaint"),
    [
        (lambda: replace(chat, name="my agent"), "cannot be called 'my agent'"),
        (lambda: replace(chat, name=""), "cannot be called ''"),
        (lambda: replace(chat, name="chat\n"), "cannot be called"),
        (lambda: replace(chat, version="one"), "has version 'one'"),
        (lambda: replace(chat, budget=Budget(repairs=-1, deadline_s=0)), "look at repairs, deadline_s"),
        (lambda: replace(chat, output="CitedAnswer"), "must be a pydantic model"),  # type: ignore[arg-type]
        (
            lambda: replace(chat, output={"type": "objekt"}),
            "'chat': its output is no JSON Schema that can be used: /type",
        ),
        (lambda: replace(chat, output={"enum": {1, 2}}), "its output is no JSON: "),
        (lambda: replace(chat, checks=(3,)), "'chat': its check 3 must be a plain function"),  # type: ignore[arg-type]
        (lambda: replace(chat, checks=(asks_around,)), "its check asks_around must be a plain function"),  # type: ignore[arg-type]
        (lambda: replace(chat, fallback=("slow",)), "'slow' cannot be passed on"),  # type: ignore[arg-type]
    ],
)
def test_an_agent_that_cannot_be_is_refused_when_it_is_made(agent: Callable[[], Agent], complaint: str) -> None:
    with pytest.raises(Misconfigured, match=complaint):
        agent()


@pytest.mark.parametrize(
    ("agent", "complaint"),
    [
        (replace(chat, prompt="sing"), "no prompt 'sing'"),
        (replace(chat, routes=lambda parts: [*plain_routes(parts)] * 2), "'chat': route 'generate' collides"),
        (replace(chat, routes=lambda parts: plain_routes(parts)[1:]), "no route takes 'request.received'"),
        (replace(chat, events=(Impostor,)), "two events are called 'request.received'"),
    ],
)
def test_an_agent_that_cannot_run_is_refused_when_it_is_bound(agent: Agent, complaint: str) -> None:
    with pytest.raises(Misconfigured, match=complaint):
        bound(agent)


def test_an_agent_without_any_model_is_refused() -> None:
    with pytest.raises(Misconfigured, match="CUELIGHT_MODELS"):
        chat.bind(book(), ())


# Examining


def test_a_route_that_nothing_leads_to_is_found() -> None:
    problems = examine(
        flow(Route("begin", RequestReceived, idle, (AnswerAccepted,)), Route("lost", Summed, idle, (AnswerAccepted,)))
    )
    assert problems == ["route 'lost' is never reached: nothing before it produces 'words.summed'"]


def test_two_routes_that_only_lead_to_each_other_are_not_reached() -> None:
    problems = examine(
        flow(
            Route("begin", RequestReceived, idle, (AnswerAccepted,)),
            Route("one", Summed, idle, (AnswerDrafted,)),
            Route("two", AnswerDrafted, idle, (Summed,)),
        )
    )
    assert [problem.split(":")[0] for problem in problems] == [
        "route 'one' is never reached",
        "route 'two' is never reached",
    ]


def test_an_event_that_nobody_takes_is_found_unless_it_is_declared_a_fact() -> None:
    routes = (Route("begin", RequestReceived, idle, (Counted, AnswerAccepted)),)
    assert examine(flow(*routes)) == [
        "route 'begin' produces 'words.counted', which no route takes and which ends nothing"
    ]
    assert examine(bound(replace(chat, routes=lambda parts: list(routes), events=(Counted,)))) == []


def test_a_circle_without_a_way_out_is_found() -> None:
    problems = examine(flow(Route("begin", RequestReceived, idle, (Summed,)), Route("turn", Summed, idle, (Summed,))))
    assert problems == ["no ending can follow route 'begin'", "no ending can follow route 'turn'"]


def test_an_ending_of_the_authors_own_is_found_because_no_client_could_be_shown_it() -> None:
    problems = examine(flow(Route("begin", RequestReceived, idle, (Signed,))))
    assert problems == [
        "route 'begin' ends in 'words.signed', which no client can be shown; "
        "end in 'answer.accepted' or 'run.failed' or 'run.cancelled'"
    ]


# Loading

MODULE = """
from agent import Agent
support = Agent(name="support", prompt="chat")
number = 3
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*__import__("sys").path])
    return tmp_path


def test_an_agent_is_loaded_from_a_module_in_the_working_directory(here: Path) -> None:
    (here / "cue_agents_one.py").write_text(MODULE)
    assert load("cue_agents_one:support").name == "support"
    assert load("agent.agents:documents") is documents


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ("cue_agents_two", "write module:attribute, such as my_agents:support"),
        ("cue_agents_two:", "write module:attribute"),
        ("cue_agents_none:support", "there is no module 'cue_agents_none' in"),
        ("agent.nowhere:support", "there is no module 'agent.nowhere' in"),
        ("cue_agents_two:other", "the module 'cue_agents_two' has no 'other'"),
        ("cue_agents_two:number", "is an int, not an Agent"),
        ("cue_agents_needy:support", "importing 'cue_agents_needy' failed: No module named 'cue_not_there'"),
        ("cue_agents_broken:support", "importing 'cue_agents_broken' failed: ZeroDivisionError"),
    ],
)
def test_what_is_no_agent_is_refused_in_a_sentence(here: Path, spec: str, complaint: str) -> None:
    (here / "cue_agents_two.py").write_text(MODULE)
    (here / "cue_agents_needy.py").write_text("import cue_not_there")
    (here / "cue_agents_broken.py").write_text("1 / 0")
    with pytest.raises(Misconfigured, match=complaint):
        load(spec)
