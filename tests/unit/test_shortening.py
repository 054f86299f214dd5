"""What goes first when a conversation is too long, and what never goes alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.items import FunctionCall
from agent.prompting.conversation import unpaired
from agent.prompting.shortening import droppable, shortened_by
from agent.request import Message


def user(text: str) -> Message:
    return Message(role="user", content=text)


def said(text: str) -> Message:
    return Message(role="assistant", content=text)


def called(*ids: str) -> Message:
    calls = tuple(FunctionCall(call_id=each, name="look", arguments="{}") for each in ids)
    return Message(role="assistant", content="", tool_calls=calls)


def brought(call: str) -> Message:
    return Message(role="tool", content="found", tool_call_id=call)


RULES = Message(role="developer", content="rules")


def stories(conversation: list[Message]) -> list[list[str]]:
    """Each shorter version, as texts and ids."""
    found = []
    for count in range(len(droppable(conversation)) + 1):
        left = shortened_by(conversation, count)
        assert left is not None
        found.append([it.content or it.tool_calls[0].call_id for it in left])
    assert shortened_by(conversation, len(found)) is None
    return found


def test_the_middle_goes_first_then_the_beginning_and_never_the_question() -> None:
    turns = [user("1"), said("a"), user("2"), said("b"), user("3"), said("c"), user("4")]
    assert stories(turns) == [
        ["1", "a", "2", "b", "3", "c", "4"],
        ["1", "a", "3", "c", "4"],
        ["1", "a", "4"],
        ["4"],
    ]


def test_what_developers_say_never_goes() -> None:
    assert stories([RULES, user("1"), said("a"), RULES, user("2")])[-1] == ["rules", "rules", "2"]


def test_an_older_turn_goes_with_its_calls_and_results() -> None:
    turns = [user("1"), called("c1"), brought("c1"), said("a"), user("2")]
    assert stories(turns)[1:] == [["2"]]


def test_of_the_last_turn_older_calls_go_with_their_results_and_the_newest_stay() -> None:
    turns = [user("1"), called("c1"), brought("c1"), called("c2"), brought("c2"), called("c3"), brought("c3")]
    assert stories(turns)[1:] == [["1", "c2", "found", "c3", "found"], ["1", "c3", "found"]]


def test_a_result_that_comes_a_turn_later_goes_with_its_call() -> None:
    turns = [user("1"), said("a"), user("2"), called("c1"), user("3"), brought("c1"), user("4")]
    assert stories(turns)[1:] == [["1", "a", "4"], ["4"]]


def test_a_single_question_cannot_be_shortened() -> None:
    assert stories([user("1")]) == [["1"]]
    assert stories([said("hello"), user("1")]) == [["hello", "1"], ["1"]]


@st.composite
def conversations(draw: st.DrawFn) -> list[Message]:
    """Conversations whose calls all have their results, somewhere behind them, and that wait for an answer."""
    items: list[Message] = []
    waiting: list[str] = []
    for n in range(draw(st.integers(0, 12))):
        match draw(st.sampled_from(["user", "said", "called", "brought", "rules"])):
            case "user":
                items.append(user(str(n)))
            case "said":
                items.append(said(str(n)))
            case "called":
                waiting.append(f"c{n}")
                items.append(called(f"c{n}"))
            case "brought" if waiting:
                items.append(brought(waiting.pop(draw(st.integers(0, len(waiting) - 1)))))
            case "rules":
                items.append(RULES)
    return [*items, *map(brought, waiting), *draw(st.sampled_from([[user("?")], [called("z"), brought("z")]]))]


@given(conversations())
def test_no_shorter_version_parts_a_call_from_its_result_or_loses_what_is_asked(turns: list[Message]) -> None:
    before = len(turns)
    for count in range(len(droppable(turns)) + 1):
        left = shortened_by(turns, count)
        assert left is not None
        assert unpaired(left) is None
        assert len(left) < before or count == 0
        assert left[-1] == turns[-1]
        assert left.count(RULES) == turns.count(RULES)
        assert [it for it in left if it.role == "user"][-1:] == [it for it in turns if it.role == "user"][-1:]
        before = len(left)
