"""What must hold of my_agent, whatever a model says: the chain runs in memory, and the model is a script."""

from __future__ import annotations

import asyncio

from my_agent import my_agent

from agent import AnswerAccepted, CallModel, ModelAnswer, RunFailed
from agent.testing import Script, Story, calls, says
from agent.testing.rehearsal import rehearse

QUESTION = "When are you open on Sunday?"
TOO_LONG = "Well, " * 100


def ask(*replies: ModelAnswer) -> tuple[Story, Script]:
    """What became of the question, when the model says these things one after the other."""
    script = Script({CallModel: replies})
    return asyncio.run(rehearse(my_agent, script).ask(QUESTION)), script


def test_the_hours_are_looked_up_and_the_model_is_told_them() -> None:
    story, script = ask(calls("opening_hours", day="sunday"), says("We are closed on Sundays."))
    assert isinstance(story.ending, AnswerAccepted)
    assert story.ending.text == "We are closed on Sundays."
    last = script.of(CallModel)[-1]
    assert "closed" in last.messages[-1].content  # the tool was called for real


def test_an_answer_that_is_too_long_is_written_again() -> None:
    story, script = ask(says(TOO_LONG), says("We are closed on Sundays."))
    assert isinstance(story.ending, AnswerAccepted)
    assert story.ending.repairs == 1
    last = script.of(CallModel)[-1]
    assert "it must have at most 60" in last.messages[-1].content


def test_an_answer_that_stays_too_long_is_not_shown() -> None:
    story, _ = ask(says(TOO_LONG), says(TOO_LONG + "really."))
    assert isinstance(story.ending, RunFailed)
    assert story.ending.code == "no_valid_answer"
