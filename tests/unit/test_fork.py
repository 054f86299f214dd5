"""A run is forked: what is unchanged is answered as it was, what is new by a script, by the world, or by nobody."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import BaseModel

from agent import Agent, Budget, CallModel, Draft, Found, ModelAnswer, Search
from agent.agents import chat, documents
from agent.cases import Case, dumped, loads, read
from agent.cases.comparing import sections
from agent.effects import CallTool
from agent.errors import Misconfigured, Permanent, Transient
from agent.events import Usage
from agent.prompting import Prompt, PromptBook
from agent.prompting.book import SHIPPED
from agent.testing import Chain, LiveCall, Script, calls
from agent.testing.clock import START
from agent.testing.replaying import replay
from agent.testing.replaying.changes import Changes, staged
from agent.testing.replaying.forecast import forecast
from agent.testing.replaying.fork import NOT_MADE, Allowed, Forked, fork
from agent.testing.replaying.lines import Lines
from agent.testing.replaying.patience import Patience
from agent.testing.replaying.settable import Setting
from agent.testing.replaying.steps import Step
from agent.tools import tool
from tests.runs import PAGE, QUESTION, RIGHT, WRONG, case_of, says
from workers.perform import Perform
from workers.tools import Tools

OTHER = {**WRONG, "answer": "It has two years of warranty."}


class Model:
    """A model that says its lines, as the configured ones do; what is an error is raised."""

    def __init__(self, *said: Any) -> None:
        self.said, self.asked, self.told = list(said), list[CallModel](), list[str]()

    def quote(self, effect: CallModel) -> Any:
        return type("Quote", (), {"endpoint": "desk", "worst_case_usd": Decimal("0.5"), "paid": True})()

    async def call(self, effect: CallModel, *, timeout_s: float, headers: Any) -> ModelAnswer:
        self.asked.append(effect)
        self.told.append(headers["x-cuelight-run"])
        said = self.said.pop(0)
        if isinstance(said, Exception):
            raise said
        return said if isinstance(said, ModelAnswer) else says(said, cost_usd=Decimal("0.25"))


async def found(effect: Search, project: str) -> Found:
    return Found(passages=(PAGE,), index_version=9)


def world(*said: Any, **more: Any) -> Allowed:
    doors = Perform(Model(*said), found)
    return Allowed(**{"doors": doors, "live": frozenset({CallModel, Search}), **more})


def changes(*words: str, **more: Any) -> Changes:
    return Changes(**{"agent": documents, "settings": tuple(map(Setting.of, words)), **more})


async def forked(case: Case, what: Changes | None = None, **more: Any) -> Forked:
    case = loads(dumped(case))
    step = more.pop("step", None)
    if step is not None:
        more["step"] = Step.of(step, case)
    return await fork(case, staged(case, what or changes()), **more)


def hows(it: Any) -> list[tuple[str, str]]:
    return [(served.effect.type, served.how) for served in it.served]


@pytest.mark.parametrize(
    "said", [[RIGHT], [WRONG, RIGHT], [WRONG, OTHER, WRONG], [Transient("x", kind="server"), RIGHT]]
)
@pytest.mark.parametrize("step", [None, "generate", "validate"])
async def test_a_fork_in_which_nothing_is_another_comes_to_the_same_from_wherever_it_begins(
    said: list[Any], step: str | None
) -> None:
    case = await case_of(*said)
    done = await forked(case, step=step)
    assert done.difference is None and done.unanswered is None
    assert {how for _, how in hows(done)} <= {"recorded"}
    assert done.now.cost.usage == case.cost.usage and done.now.cost.calls == case.cost.calls


async def test_the_run_as_it_was_stays_as_it_was() -> None:
    case = await case_of(WRONG, RIGHT)
    before = dumped(case)
    await forked(case, changes("budget.repairs=0"))
    assert dumped(case) == before and (await replay(case, documents)).as_recorded


async def test_a_question_that_is_another_one_has_no_answer_and_the_fork_stops_and_says_how_it_differs() -> None:
    done = await forked(await case_of(RIGHT), changes(models=("large",)))
    assert done.unanswered is not None
    assert "call_model large with answer@" in str(done.unanswered) and "it is not on record" in str(done.unanswered)
    assert {"-model: scripted", "+model: large"} <= set(done.unanswered.unlike)
    assert hows(done) == [("search", "recorded")] and done.now.events[-1].type == "passages.found"


async def test_a_question_that_is_asked_more_often_than_then_is_a_new_one() -> None:
    case = await case_of(*[Transient("no line", kind="transport")] * 14)
    done = await forked(case, changes("budget.failures=24"))
    assert done.unanswered is None
    short = await case_of(
        *[Transient("no line", kind="transport")] * 3, agent=replace(documents, budget=Budget(failures=3))
    )
    more = await forked(short)
    assert "it was asked 3 times then, and no more answers" in str(more.unanswered)


async def test_a_call_that_the_budget_refused_then_is_told_as_one_that_was_never_made() -> None:
    case = await case_of(WRONG, RIGHT, agent=replace(documents, budget=Budget(calls=1)))
    done = await forked(case, changes("budget.calls=2", agent=replace(documents, budget=Budget(calls=1))))
    assert "the budget of then did not let it be asked" in str(done.unanswered)
    assert "no more answers" not in str(done.unanswered)


async def test_a_script_answers_what_is_new_and_nothing_else() -> None:
    case = await case_of(WRONG, RIGHT)
    lines = Lines.load(None, [orjson.dumps(RIGHT).decode()])
    done = await forked(case, changes(models=("large",)), lines=lines)
    assert hows(done) == [("search", "recorded"), ("call_model", "scripted")]
    assert done.now.ending.type == "answer.accepted" and not done.paid
    same = await forked(case, lines=Lines.load(None, ["Never said."]))
    assert same.difference is None and {how for _, how in hows(same)} == {"recorded"}


async def test_a_model_is_asked_only_where_the_question_is_new_and_what_it_costs_is_counted() -> None:
    case, live = await case_of(WRONG, RIGHT), world(RIGHT)
    done = await forked(case, changes(models=("large",)), allowed=live)
    assert hows(done) == [("search", "recorded"), ("call_model", "live")]
    assert (len(done.paid), done.paid_usd) == (1, Decimal("0.25"))
    assert done.now.cost.cost_usd == Decimal("0.25") and done.now.attempts[1].asked[0].endpoint == "desk"
    model: Any = live.doors.models
    assert [it.model for it in model.asked] == ["large"]
    assert model.told == [f"{case.run.id}-fork"], "no endpoint takes it for the run of then"


async def test_a_budget_holds_for_what_is_paid_now() -> None:
    done = await forked(await case_of(RIGHT), changes("budget.usd=0.4", models=("large",)), allowed=world(RIGHT))
    assert done.now.ending.data["code"] == "budget" and not done.paid  # type: ignore[index]


async def test_in_a_shadow_every_call_of_a_model_is_made_and_the_search_is_answered_as_it_was() -> None:
    done = await forked(await case_of(WRONG, RIGHT), allowed=world(RIGHT, anew=frozenset({CallModel}), refuses=True))
    assert hows(done) == [("search", "recorded"), ("call_model", "live")]
    assert done.now.ending.type == "answer.accepted" and done.then.cost.calls == 2
    fresh = world(RIGHT, anew=frozenset({CallModel, Search}), refuses=True)
    assert hows(await forked(await case_of(RIGHT), allowed=fresh)) == [("search", "live"), ("call_model", "live")]


class Order(BaseModel):
    id: str


def shop(made: list[str], **limits: Any) -> Agent:
    @tool(retries=0, **limits)
    async def pay(order: Order) -> str:
        """Pay."""
        made.append(order.id)
        return f"paid {order.id}"

    return replace(chat, tools=(pay,))


async def test_tools_of_a_shadow_are_answered_from_the_record_or_refused_and_only_named_ones_are_called() -> None:
    made = list[str]()
    agent = shop(made)
    case = await case_of(calls("pay", id="A-1"), "Done.", agent=agent)
    made.clear()
    shadow: dict[str, Any] = {"anew": frozenset({CallModel}), "refuses": True}
    same = await forked(case, Changes(agent=agent), allowed=world(*wants("A-1"), **shadow))
    assert [how for kind, how in hows(same) if kind == "call_tool"] == ["recorded"] and not made
    other = await forked(case, Changes(agent=agent), allowed=world(*wants("A-2"), **shadow))
    assert [how for kind, how in hows(other) if kind == "call_tool"] == ["refused"] and not made
    assert NOT_MADE in dumped(other.now).decode()
    real = named(agent, world(*wants("A-3"), **shadow))
    assert [
        how for kind, how in hows(await forked(case, Changes(agent=agent), allowed=real)) if kind == "call_tool"
    ] == ["called"]
    assert made == ["A-3"]


async def test_a_call_that_somebody_has_to_approve_is_never_made() -> None:
    made = list[str]()
    agent = shop(made, approval=True, approval_s=60)
    it = Chain.of(agent, Script(calls("pay", id="A-1"), says("Done.")), approve=True)
    case = it.case(await it.ask("Pay."))
    made.clear()
    real = named(agent, world(*wants("A-9"), anew=frozenset({CallModel}), refuses=True))
    done = await forked(case, Changes(agent=agent), allowed=real)
    assert [how for kind, how in hows(done) if kind == "call_tool"] == ["refused"] and not made


def wants(id: str) -> Sequence[Any]:
    return [calls("pay", id=id), "Done."]


def named(agent: Agent, allowed: Allowed) -> Allowed:
    bound = agent.bind(PromptBook.load(SHIPPED), ("scripted",))
    doors = replace(allowed.doors, tools=Tools({bound.name: bound}))
    return replace(allowed, doors=doors, tools=frozenset({"pay"}), toolbox=bound.tools.tools)


async def test_a_tool_that_is_not_on_record_stops_a_fork_that_refuses_nothing() -> None:
    made = list[str]()
    agent = shop(made)
    case = await case_of(calls("pay", id="A-1"), "Done.", agent=agent)
    lines = Lines.load(None, [])
    done = await forked(case, Changes(agent=agent, models=("large",)), lines=lines, allowed=world(*wants("A-2")))
    assert done.unanswered is not None and isinstance(done.unanswered.asked, CallTool)


async def test_a_fork_that_may_ask_nobody_cannot_call_out() -> None:
    def asks_a_stranger(draft: Draft) -> Sequence[str]:
        socket.create_connection(("127.0.0.1", 9), timeout=1)
        return []

    agent = replace(documents, checks=(*documents.checks, asks_a_stranger))
    with pytest.raises(LiveCall):
        await forked(await case_of(RIGHT), Changes(agent=agent))
    case = await case_of(RIGHT)
    with pytest.raises(LiveCall):
        await forecast(case, staged(case, Changes(agent=agent)), allowed=world(RIGHT))


async def test_a_changed_prompt_changes_the_question(tmp_path: Path) -> None:
    case = await case_of(RIGHT)
    template = tmp_path / "system.j2"
    template.write_text("Answer in verse.{{ instructions }}")
    done = await forked(case, changes(prompt=str(template)))
    assert done.unanswered is not None and any("Answer in verse." in line for line in done.unanswered.unlike)
    folder = tmp_path / "trial"
    folder.mkdir()
    for name, text in Prompt.from_sources(case.sources[next(iter(case.sources))]).sources.items():
        (folder / name).write_bytes(text.encode())
    assert (await forked(case, changes(prompt=str(folder)))).difference is None
    assert (await forked(case, changes(prompt=next(iter(case.sources))))).difference is None
    assert (await forked(case, changes(prompt="answer@1.0.0"))).difference is None
    with pytest.raises(Misconfigured, match=r"there is no prompt 'answer@7\.0\.0'; there is answer@1\.0\.0"):
        staged(case, changes(prompt="answer@7.0.0"))
    with pytest.raises(Misconfigured, match="cannot be read"):
        staged(case, changes(prompt=str(tmp_path / "none.j2")))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("budget.repair=1", "'budget.repair' cannot be set; there is budget.repairs (a whole number)"),
        ("budget.repairs=many", "budget.repairs is a whole number, and 'many' is not"),
        ("budget.repairs=true", "is a whole number"),
        ("budget.deadline_s=1e300", "is a number, and"),
        ("budget.deadline_s=NaN", "is a number, and"),
        ("budget.calls=0", "a budget that allows nothing"),
        ("retrieval.limit=900", "a retrieval brings 1 to 50 passages"),
        ("checks.quotes_are_found=no", "is true or false"),
        ("name=x", "cannot be set"),
        ("=1", "write path=value"),
        ("budget.repairs", "write path=value"),
    ],
)
async def test_what_cannot_be_set_is_refused_with_what_can_be(words: str, said: str) -> None:
    case = await case_of(RIGHT)
    with pytest.raises(Misconfigured) as refused:
        staged(case, changes(words))
    assert said in str(refused.value)


async def test_settings_count_from_where_the_fork_begins() -> None:
    case = await case_of(WRONG, RIGHT)
    assert (await forked(case, changes("budget.repairs=0"))).now.ending.type == "run.failed"
    lenient = await forked(case, changes("checks.quotes_are_found=false"), step="validate")
    assert lenient.now.ending.type == "answer.accepted" and not lenient.served
    told = await forked(case, changes('no_answer_text="Nobody knows."', "request.temperature=0.5"))
    assert "+temperature: 0.5" in told.unanswered.unlike  # type: ignore[union-attr]


async def test_a_call_that_was_not_made_for_its_model_was_on_hold_is_not_made_in_a_fork_either() -> None:
    told: dict[str, Any] = orjson.loads(dumped(await case_of(Transient("gone", kind="server"), RIGHT)))
    put_off = told["attempts"][1]
    (asked,) = put_off["asked"]
    fault = {"error": "Held", "kind": "server", "message": "on hold", "wait_s": 2.0}
    put_off |= {"asked": [], "refused": [{"hash": asked["hash"], "type": "call_model", "model": "m", "fault": fault}]}
    told["cost"]["calls"] -= 1
    done = await forked(loads(orjson.dumps(told)))
    assert done.difference is None and [it.name for it in sections(done.then, done.now) if not it.same] == []
    assert [it.fault.kind for it in done.now.attempts[1].refused] == ["server"]


async def test_what_an_earlier_generation_was_answered_stands_with_the_prompts_of_the_one_that_uses_it() -> None:
    case = await case_of(RIGHT)
    told: dict[str, Any] = orjson.loads(dumped(case))
    told["earlier"] = [{**it, "generation": 1, "seq": 2} for it in told["attempts"][1].pop("asked")]
    later = loads(orjson.dumps(told))
    assert [it.name for it in sections(case, later) if not it.same] == []
    done = await forked(later)
    assert done.difference is None and [it.name for it in sections(later, done.now) if not it.same] == []


async def test_a_step_that_the_run_has_not_is_refused_with_those_that_it_has() -> None:
    case = await case_of(RIGHT)
    with pytest.raises(Misconfigured, match=r"no step '9'; there is 1 \(retrieve\), 2 \(generate\), 3 \(validate\)"):
        Step.of("9", case)


async def test_what_was_spent_before_the_step_counts_in_the_fork() -> None:
    tight = changes("budget.calls=1")
    case = await case_of(WRONG, RIGHT)
    done = await forked(case, tight, step="repair")
    assert done.now.ending.data["code"] == "budget"  # type: ignore[index]


async def test_a_forecast_counts_what_is_new_and_asks_nobody() -> None:
    case, live = await case_of(WRONG, RIGHT), world(anew=frozenset({CallModel}), refuses=True)
    case = loads(dumped(case))
    shadow = await forecast(case, staged(case, changes()), allowed=live)
    assert len(shadow.calls) == 2 and not shadow.open_end
    assert [(it.usage.input_tokens, it.at_most) for it in shadow.calls] == [(100, False)] * 2
    assert not live.doors.models.asked  # type: ignore[attr-defined]
    same = await forecast(case, staged(case, changes()))
    assert not same.planned and not same.open_end
    case = await case_of(RIGHT)
    more = await forecast(case, staged(case, changes('no_answer_text="x"', "request.max_output_tokens=7")))
    assert len(more.calls) == 1


async def test_a_forecast_from_a_step_goes_on_with_what_was_said_behind_it() -> None:
    longer = says(RIGHT).model_copy(update={"usage": Usage(input_tokens=700, output_tokens=20)})
    case = loads(dumped(await case_of(WRONG, longer)))
    found = await forecast(case, staged(case, changes(models=("large",))), step=Step.of("repair", case))
    assert [it.usage.input_tokens for it in found.calls] == [700] and not found.open_end


async def test_a_failed_call_is_waited_for_as_long_as_the_clock_was_turned() -> None:
    slept = list[float]()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    patience = Patience(sleep=sleep, monotonic=lambda: 5.0)
    await patience.wait(START)
    patience.failed(START)
    await patience.wait(START + timedelta(seconds=3))
    await patience.wait(START + timedelta(seconds=9))
    assert slept == [3.0]


async def test_a_model_that_fails_now_is_told_with_its_error() -> None:
    done = await forked(
        await case_of(RIGHT), changes(models=("large",)), allowed=world(Permanent("no", kind="rejected"))
    )
    assert [it.fault.kind if it.fault else None for it in done.paid] == ["rejected"]
    assert done.paid_usd is None and done.now.ending.data["code"] == "rejected"  # type: ignore[index]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("no", "line 1 is no JSON"),
        ("{}", "line 1: a line needs an answer"),
        ('{"answer": "x", "colour": 1}', "colour"),
        ('{"fault": "html"}', None),
        ('{"fault": "slow", "answer": "x"}', "is one of the wire"),
        ('{"type": "dance", "answer": {}}', "no such question is called 'dance'; there is search"),
        ('{"type": "search", "answer": {}}', "its answer is none to 'search'"),
        ('{"obedient": true}', "obedient"),
    ],
)
def test_a_script_that_cannot_be_said_is_refused_with_its_line(line: str, said: str | None, tmp_path: Path) -> None:
    path = tmp_path / "script.jsonl"
    path.write_text(line)
    if said is None:
        Lines.load(path)
        return
    with pytest.raises(Misconfigured) as refused:
        Lines.load(path)
    assert said in str(refused.value)


async def test_lines_are_for_the_questions_that_they_name(tmp_path: Path) -> None:
    path = tmp_path / "script.jsonl"
    lines: list[Any] = [
        {"cuelight_trace": 1},
        {"prompt": "answer", "attempt": 2, "answer": RIGHT},
        {"model": "large", "contains": QUESTION, "fault": "rate_limited", "times": 1},
        {"prompt": "answer", "attempt": 3, "answer": "Never."},
        {"type": "search", "answer": found_json()},
    ]
    path.write_bytes(b"\n".join(map(orjson.dumps, lines)))
    what = changes("retrieval.limit=9", models=("large",))
    done = await forked(await case_of(RIGHT), what, lines=Lines.load(path))
    assert hows(done) == [("search", "scripted"), ("call_model", "scripted"), ("call_model", "scripted")]
    assert done.now.ending.type == "answer.accepted"


def found_json() -> dict[str, Any]:
    return Found(passages=(PAGE,), index_version=1).model_dump(mode="json")


GOLDEN = Path(__file__).parents[1] / "cases"
OUTSIDE = {"cancelled", "poison"}
"""Nobody asked a model to the end: a client went away, and workers died before they asked."""


async def test_every_golden_case_comes_to_the_same_events_where_nothing_is_another() -> None:
    paths = [path for path in GOLDEN.glob("*.case.json") if path.name.removesuffix(".case.json") not in OUTSIDE]
    assert len(paths) > 40
    for path in paths:
        case = read(path)
        done = await fork(case, staged(case, Changes()))
        assert done.unanswered is None and done.difference is None, (path.name, done.unanswered, done.difference)
