"""Tools of an agent: a model asks for them, the service calls them, and what they bring is told as data."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field

from agent import Agent, Budget, CallModel, CallTool, Draft, ModelAnswer, Request, Transient
from agent.approvals import Decided, Decision
from agent.asking import gathered
from agent.definition import BoundAgent
from agent.effects import AnyEffect, ToolResult
from agent.envelope import unseal
from agent.errors import Misconfigured, Permanent
from agent.events import AnswerAccepted, ApprovalDecided, RunFailed, ToolsAnswered, ToolsRequested
from agent.items import FunctionCall, FunctionTool, ToolChoice
from agent.prompting import SHIPPED, PromptBook
from agent.request import Message
from agent.router import Route
from agent.run import Run
from agent.steps.call_tools import CallTools, key_of
from agent.testing import Chain, Script, Story
from agent.testing.approvals import MemoryApprovals
from agent.tools import Tool, Toolbox, ToolContext, ToolError, tool
from workers.decide import Decider
from workers.handle import handle
from workers.perform import Perform
from workers.tools import Tools

BOOK = PromptBook.load(SHIPPED)


class Order(BaseModel):
    order_id: str = Field(min_length=2)


@dataclass
class Shop:
    """What the tools reach, and its own log of what was done."""

    log: list[tuple[str, str]] = field(default_factory=list)
    raises: list[Exception] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def tool(self, **limits: Any) -> Tool:
        @tool(name="look_up", **limits)
        async def look_up(order: Order, context: ToolContext) -> Any:
            """Look an order up."""
            self.log.append((order.order_id, context.key))
            if self.raises:
                raise self.raises.pop(0)
            if order.order_id == "slow":
                await self.gate.wait()
            if order.order_id == "fast":
                self.gate.set()
            return {"order": order.order_id, "status": "sent"}

        return look_up


@dataclass
class Model:
    """Says its lines in turn, and keeps what it was asked."""

    lines: list[Any]
    asked: list[CallModel] = field(default_factory=list)

    def quote(self, effect: CallModel) -> Any:
        return None

    async def call(self, effect: CallModel, **_: Any) -> ModelAnswer:
        self.asked.append(effect)
        line = self.lines.pop(0)
        if isinstance(line, str):
            return ModelAnswer(text=line, model="m", endpoint="e")
        return ModelAnswer(text="", model="m", endpoint="e", finish_reason="tool_calls", calls=tuple(line))


async def no_search(effect: Any, project: str) -> Any:
    raise AssertionError("nothing is searched for here")


def call(order: str, call_id: str = "call_1", name: str = "look_up") -> FunctionCall:
    return FunctionCall(call_id=call_id, name=name, arguments=f'{{"order_id":"{order}"}}')


def chain_of(model: Model, *tools: Tool, **agent: Any) -> Chain:
    bound = Agent(name="shop", prompt="chat", tools=tools, **agent).bind(BOOK, ("m",))
    agents = {bound.name: bound}
    chain = Chain(bound, None)  # type: ignore[arg-type]
    perform = Perform(model, no_search, tools=Tools(agents))
    decide = Decider(agents, perform, chain.ledger, BOOK, None)  # type: ignore[arg-type]
    chain._handle = partial(handle, decide=decide)
    return chain


def told(effect: CallModel) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in effect.messages]


def results(story: Story) -> list[tuple[str, bool]]:
    return [(it.text, it.failed) for event in story.events if isinstance(event, ToolsAnswered) for it in event.results]


async def test_a_tool_is_called_and_the_model_goes_on_with_what_it_brought() -> None:
    shop, model = Shop(), Model([[call("A1")], "It was sent."])
    story = await chain_of(model, shop.tool()).ask("Where is order A1?")
    assert isinstance(story.ending, AnswerAccepted) and story.ending.text == "It was sent."
    assert story.ending.calls == (), "a client is not told of calls that were not meant for it"
    assert [event.type for event in story.events if event.type != "verdict.given"] == [
        *("request.received", "answer.drafted", "tools.requested", "tools.answered", "answer.drafted"),
        "answer.accepted",
    ]
    first, second = model.asked
    assert [tool.name for tool in first.tools] == ["look_up"] and "order_id" in (first.tools[0].parameters or "")
    assert second.messages[: len(first.messages)] == first.messages, "an endpoint's cache finds the same beginning"
    assert second.messages[-2].tool_calls == (call("A1"),)
    role, text = told(second)[-1]
    assert role == "tool" and '{"order":"A1","status":"sent"}' in text and text.startswith("<<<tool_result ")


async def test_several_calls_run_at_once_and_their_results_keep_the_order_of_the_calls() -> None:
    shop, model = Shop(), Model([[call("slow", "call_1"), call("fast", "call_2")], "Both."])
    story = await chain_of(model, shop.tool()).ask("Where are they?")
    assert [text for text, _ in results(story)] == [
        '{"order":"slow","status":"sent"}',
        '{"order":"fast","status":"sent"}',
    ]
    assert len({key for _, key in shop.log}) == 2, "each call has a key of its own"


async def test_a_call_that_is_on_record_is_not_made_again_and_a_repeated_one_keeps_its_key() -> None:
    shop = Shop(raises=[Transient("the shop is closed for a moment")])
    model = Model([[call("B1", "call_1"), call("A1", "call_2")], "Both."])
    story = await chain_of(model, shop.tool(retries=0)).ask("Where are they?")
    assert isinstance(story.ending, AnswerAccepted)
    assert [order for order, _ in shop.log] == ["B1", "A1", "B1"], "only the one that failed was made again"
    assert shop.log[0] == shop.log[2]


@pytest.mark.parametrize(
    ("raised", "retries", "said", "tries"),
    [
        ([ValueError("secret dsn")], 0, "The tool failed.", 1),
        ([ValueError("secret dsn"), TimeoutError()], 1, "The tool did not answer in time.", 2),
        ([ToolError("there is no order A1")], 3, "there is no order A1", 1),
        ([ValueError("once")], 1, '{"order":"A1","status":"sent"}', 2),
    ],
)
async def test_a_failure_is_told_to_the_model_after_the_tools_own_retries(
    raised: list[Exception], retries: int, said: str, tries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.tools.FIRST_WAIT_S", 0.0)
    shop, model = Shop(raises=raised), Model([[call("A1")], "I see."])
    story = await chain_of(model, shop.tool(retries=retries)).ask("Where is it?")
    assert [text for text, _ in results(story)] == [said]
    assert len(shop.log) == tries and len({key for _, key in shop.log}) == 1
    assert "secret" not in str(told(model.asked[-1]))


async def test_a_tool_may_end_the_run() -> None:
    shop, model = Shop(raises=[Permanent("the account is closed")]), Model([[call("A1")]])
    story = await chain_of(model, shop.tool()).ask("Where is it?")
    assert isinstance(story.ending, RunFailed) and "account" not in story.ending.message


async def test_a_tool_that_does_not_answer_in_time_is_left() -> None:
    shop, model = Shop(), Model([[call("slow")], "Later."])
    story = await chain_of(model, shop.tool(timeout_s=0.01, retries=0)).ask("Where is it?")
    assert results(story) == [("The tool did not answer in time.", True)]


class Parcel(BaseModel):
    """Reads what it cannot write."""

    model_config = ConfigDict(arbitrary_types_allowed=True)
    label: Any


@pytest.mark.parametrize("value", [{1, 2}, Parcel(label=object()), Parcel(label=b"\xff"), {"a": "\ud800"}, 2**70])
async def test_a_call_whose_result_cannot_be_told_was_made_all_the_same(value: Any) -> None:
    made: list[str] = []

    @tool(name="look_up")
    async def look_up(order: Order) -> Any:
        """Look an order up."""
        made.append(order.order_id)
        return value

    model = Model([[call("A1")], "I see."])
    story = await chain_of(model, look_up).ask("Where is it?")
    assert made == ["A1"], "it is not made again"
    ((text, failed),) = results(story)
    assert failed and text.startswith("The call was made")


async def exits() -> None:
    raise SystemExit(1)


async def lets_a_cancellation_out() -> None:
    helper = asyncio.ensure_future(asyncio.Event().wait())
    helper.cancel()
    await helper


async def ends_a_loop() -> None:
    raise StopAsyncIteration


@pytest.mark.parametrize("work", [exits, lets_a_cancellation_out, ends_a_loop])
async def test_what_a_tool_lets_out_ends_its_call_and_nothing_else(work: Callable[[], Awaitable[None]]) -> None:
    made: list[str] = []

    @tool(name="look_up", retries=0)
    async def look_up(order: Order) -> None:
        """Look an order up."""
        made.append(order.order_id)
        await work()

    model = Model([[call("A1")], "I see."])
    story = await chain_of(model, look_up).ask("Where is it?")
    assert made == ["A1"] and isinstance(story.ending, AnswerAccepted)
    assert results(story) == [("The tool failed.", True)]


async def test_a_call_that_is_cancelled_from_outside_stays_cancelled() -> None:
    shop = Shop()
    bound = Agent(name="shop", prompt="chat", tools=(shop.tool(),)).bind(BOOK, ("m",))
    begun: Any = SimpleNamespace(agent="shop", pointer=SimpleNamespace(run="run_1", project="default"))
    effect = CallTool(tool="look_up", arguments=call("slow").arguments, key="key_1")
    calling = asyncio.ensure_future(Tools({"shop": bound})(effect, begun, time.monotonic() + 10))
    while not shop.log:  # noqa: ASYNC110  # the tool rings no bell
        await asyncio.sleep(0)
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling


async def test_a_long_result_is_cut() -> None:
    shop, model = Shop(), Model([[call("A" * 200)], "I see."])
    story = await chain_of(model, shop.tool(most_chars=20)).ask("Where is it?")
    ((text, _),) = results(story)
    assert text.startswith('{"order":"AAAAAAAAAA') and "cut; it has" in text and len(text) < 60


async def test_arguments_that_the_tool_does_not_take_are_mended_before_anything_is_called() -> None:
    shop, model = Shop(), Model([[call("A")], [call("A1")], "It was sent."])
    story = await chain_of(model, shop.tool()).ask("Where is it?")
    assert isinstance(story.ending, AnswerAccepted)
    assert [order for order, _ in shop.log] == ["A1"]
    assert "/order_id" in told(model.asked[1])[-1][1]


async def test_a_tool_that_nobody_offered_is_not_called() -> None:
    shop = Shop()
    model = Model([[call("A1", name="delete_everything")]] * 3)
    story = await chain_of(model, shop.tool()).ask("Where is it?")
    assert isinstance(story.ending, RunFailed) and story.ending.code == "no_valid_answer"
    assert shop.log == []


async def test_a_model_that_calls_for_ever_has_to_answer_after_the_last_round() -> None:
    shop, model = Shop(), Model([[call("A1")], [call("A1")], "Enough."])
    story = await chain_of(model, shop.tool(), budget=Budget(tool_rounds=2)).ask("Where is it?")
    assert isinstance(story.ending, AnswerAccepted) and len(shop.log) == 2
    assert [effect.tool_choice.mode for effect in model.asked] == ["auto", "auto", "none"]
    assert len({effect.tools for effect in model.asked}) == 1, "an endpoint's cache finds the same tools"


async def test_a_client_bounds_all_calls_of_its_response() -> None:
    shop, model = Shop(), Model([[call("A1"), call("A2", "call_2")], [call("A1")], "Enough."])
    story = await chain_of(model, shop.tool()).run(
        Request(messages=(Message(role="user", content="Where?"),), max_tool_calls=1)
    )
    assert isinstance(story.ending, AnswerAccepted) and [order for order, _ in shop.log] == ["A1"]


FUNCTION = FunctionTool(name="ring", description=None, parameters='{"type":"object"}')
RING = FunctionCall(call_id="call_9", name="ring", arguments="{}")


async def test_a_clients_function_waits_until_the_agents_tools_have_been_called() -> None:
    shop, model = Shop(), Model([[call("A1"), RING], [RING]])
    request = Request(messages=(Message(role="user", content="Where?"),), tools=(FUNCTION,))
    story = await chain_of(model, shop.tool()).run(request)
    assert isinstance(story.ending, AnswerAccepted) and story.ending.calls == (RING,)
    assert [role for role, _ in told(model.asked[1])[-3:]] == ["assistant", "tool", "tool"]
    assert "was not made" in told(model.asked[1])[-1][1]


@pytest.mark.parametrize(
    ("choice", "offered"),
    [
        (ToolChoice(), ["ring", "look_up"]),
        (ToolChoice(mode="none"), ["look_up"]),
        (ToolChoice(mode="required"), ["ring"]),
        (ToolChoice(mode="required", names=("ring",), form="function"), ["ring"]),
    ],
)
async def test_a_clients_choice_is_about_its_own_functions(choice: ToolChoice, offered: Sequence[str]) -> None:
    model = Model(["Fine." if choice.mode != "required" else [RING]])
    request = Request(messages=(Message(role="user", content="Where?"),), tools=(FUNCTION,), tool_choice=choice)
    await chain_of(model, Shop().tool()).run(request)
    assert [tool.name for tool in model.asked[0].tools] == offered


async def test_the_agents_checks_are_held_against_the_answer_after_the_tools() -> None:
    def is_polite(draft: Draft) -> Any:
        if "please" not in draft.answer:
            yield "say please"

    shop, model = Shop(), Model([[call("A1")], "Wait.", "Wait, please."])
    story = await chain_of(model, shop.tool(), checks=(is_polite,)).ask("Where?")
    assert isinstance(story.ending, AnswerAccepted) and story.ending.repairs == 1
    assert len(shop.log) == 1, "a repair calls nothing again"
    assert "A1" in str(told(model.asked[-1])), "and still knows what was brought"


async def test_of_equal_calls_each_has_its_own_place_and_all_are_waited_for_when_one_fails() -> None:
    begun: list[str] = []

    async def ask(effect: AnyEffect) -> Any:
        assert isinstance(effect, CallTool)
        begun.append(effect.arguments)
        await asyncio.sleep(0)
        if effect.arguments == "1":
            raise Transient("no")
        begun.append("done")
        return ToolResult(text=effect.arguments)

    calls = [CallTool(tool="t", arguments=str(n)) for n in range(3)]
    with pytest.raises(Transient):
        await gathered(ask, calls)
    assert begun == ["0", "1", "2", "done", "done"]


def test_a_key_is_no_part_of_the_question_so_that_records_stay_usable() -> None:
    assert CallTool(tool="t", arguments="{}", key="a").hash() == CallTool(tool="t", arguments="{}", key="b").hash()


def test_no_two_calls_have_one_key_even_in_one_place_of_one_run() -> None:
    run = Run("resp_1", "default", "shop", Request(messages=()), datetime(2027, 1, 1, tzinfo=UTC))
    places = [
        (1, 0, call("A1")),
        (1, 0, call("A2")),
        (1, 0, call("A1", name="other")),
        (1, 1, call("A1")),
        (2, 0, call("A1")),
    ]
    assert len({key_of(run, *place) for place in places}) == len(places)
    assert key_of(run, *places[0]) == key_of(run, 1, 0, call("A1", "another id"))


async def test_a_tool_that_a_release_took_away_ends_the_run_by_name() -> None:
    asked = ToolsRequested(calls=(call("A1"),), round=1)
    run = Run("resp_1", "default", "shop", Request(messages=()), datetime(2027, 1, 1, tzinfo=UTC), events=(asked,))
    with pytest.raises(Permanent, match="has no tool 'look_up' any more"):
        await CallTools(Toolbox())(asked, run, Script({}))


async def noop(order: Order) -> str:
    return ""


def test_a_tool_that_cannot_be_called_is_refused() -> None:
    with pytest.raises(Misconfigured, match="cannot be called 'no spaces'"):
        tool(name="no spaces")(noop)
    with pytest.raises(Misconfigured, match="limits that allow nothing"):
        tool(timeout_s=0)(noop)
    with pytest.raises(Misconfigured, match="first parameter is a model"):
        tool()(lambda order: order)
    with pytest.raises(Misconfigured, match="two tools"):
        Toolbox.of([tool()(noop), tool()(noop)])


class Peeking(BaseModel):
    word: str = Field(json_schema_extra={"pattern": "^(?=a)b"})


class Calling(BaseModel):
    back: Callable[[], int]


@pytest.mark.parametrize(("model", "wrong"), [(Peeking, "/properties/word/pattern"), (Calling, "no JSON Schema")])
def test_a_tool_whose_arguments_could_not_be_checked_is_refused_before_a_model_asks_for_it(
    model: type[BaseModel], wrong: str
) -> None:
    each = replace(tool(name="look_up")(noop), arguments=model)
    with pytest.raises(Misconfigured, match=f"'look_up': .*{wrong}"):
        Agent(name="shop", prompt="chat", tools=(each,)).bind(BOOK, ("m",))


def test_an_agent_without_tools_is_the_same_one_as_before_there_were_any() -> None:
    plain = Agent(name="shop", prompt="chat").bind(BOOK, ("m",))
    more = Agent(name="shop", prompt="chat", tools=(Shop().tool(),)).bind(BOOK, ("m",))
    assert plain.version == Agent(name="shop", prompt="chat", budget=Budget(tool_rounds=3)).bind(BOOK, ("m",)).version
    assert more.version != plain.version
    assert sorted(route.name for route in more.router.routes.values()) == [
        *("generate", "repair", "resume", "tools", "validate")
    ]


class Payment(BaseModel):
    usd: int


@dataclass
class Till:
    paid: list[int] = field(default_factory=list)

    def tool(self, **more: Any) -> Tool:
        @tool(name="pay", **more)
        async def pay(payment: Payment) -> str:
            """Pay."""
            self.paid.append(payment.usd)
            return "paid"

        return pay


def paying(usd: int, call_id: str = "call_1") -> FunctionCall:
    return FunctionCall(call_id=call_id, name="pay", arguments=f'{{"usd":{usd}}}')


PATIENT = Budget(deadline_s=7_200)


async def opened(chain: Chain) -> MemoryApprovals:
    """A run that waits for an approval."""
    new = chain._new(Request(messages=(Message(role="user", content="Pay, please."),)))
    await chain.ledger.open(new)
    await chain._deliver_all()
    return MemoryApprovals(chain.ledger)


async def last_of(chain: Chain) -> tuple[Any, ...]:
    await chain._deliver_all()
    (events,) = chain.ledger.events.values()
    return tuple(unseal(envelope.sealed, chain.agent.catalogue) for envelope in events)


@pytest.mark.parametrize(
    ("approve", "paid", "said"),
    [
        (True, [5, 7], ["paid", "paid"]),
        (False, [], ["not approved: too much", "not approved: too much"]),
        (frozenset({"call_2"}), [7], ["not approved: too much", "paid"]),
    ],
)
async def test_a_call_that_wants_an_approval_is_made_when_somebody_gives_it_and_not_else(
    approve: bool | frozenset[str], paid: list[int], said: list[str]
) -> None:
    till, model = Till(), Model([[paying(5), paying(7, "call_2")], "Done."])
    chain = chain_of(model, till.tool(approval=True), budget=PATIENT)
    approvals = await opened(chain)
    (waiting,) = await approvals.waiting("default")
    assert till.paid == [] and waiting.calls == (paying(5), paying(7, "call_2"))
    assert (waiting.until - waiting.since).total_seconds() == 3_600
    assert await approvals.decide(waiting.run, "default", Decision(approve, "ann", "too much")) is Decided.DONE
    events = await last_of(chain)
    (answered,) = [event for event in events if isinstance(event, ToolsAnswered)]
    assert till.paid == paid
    assert all(told in result.text for told, result in zip(said, answered.results, strict=True))
    assert isinstance(events[-1], AnswerAccepted)


async def test_what_nobody_approves_in_time_is_denied_and_the_run_goes_on() -> None:
    till, model = Till(), Model([[paying(5)], "Nobody allowed it."])
    story = await chain_of(model, till.tool(approval=True, approval_s=60), budget=PATIENT).ask("Pay, please.")
    assert isinstance(story.ending, AnswerAccepted) and till.paid == []
    (decided,) = [event for event in story.events if isinstance(event, ApprovalDecided)]
    assert (decided.by, decided.denied) == ("deadline", ("call_1",))


async def test_only_calls_that_want_it_wait_and_the_arguments_may_tell() -> None:
    till, model = Till(), Model([[paying(5)], "Done.", [paying(500)], "Done."])
    pay = till.tool(approval=lambda payment: payment.usd > 100)
    await chain_of(model, pay, budget=PATIENT).ask("Pay a little.")
    assert till.paid == [5]
    approvals = await opened(chain_of(model, pay, budget=PATIENT))
    assert till.paid == [5] and len(await approvals.waiting(None)) == 1


def test_a_tool_that_waits_longer_than_a_run_may_take_is_refused() -> None:
    with pytest.raises(Misconfigured, match="waits 3600 s for an approval"):
        Agent(name="shop", prompt="chat", tools=(Till().tool(approval=True),))


def test_a_route_in_place_of_the_one_for_decisions_has_its_name() -> None:
    def bound(name: str) -> BoundAgent:
        mine = Route(name, ApprovalDecided, CallTools(Toolbox.of(tools)), (ToolsAnswered,))
        return Agent(name="shop", prompt="chat", tools=tools, routes=(mine,), budget=PATIENT).bind(BOOK, ("m",))

    tools = (Till().tool(approval=True),)
    assert bound("approved")
    with pytest.raises(Misconfigured, match="must be called 'approved', not 'mine'"):
        bound("mine")
