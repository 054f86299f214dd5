"""The extraction example: strict forms, run in memory without a model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from agent import Agent, AnswerAccepted, CallModel, ModelAnswer, RunFailed
from agent.flow import examine
from agent.prompting import PromptBook
from agent.testing import Script, Story
from agent.testing.rehearsal import MODELS, rehearse
from examples.extraction import CARD, cards, invoices

PROMPTS = PromptBook.load(Path(__file__).parents[2] / "examples" / "prompts")
TEXT = "Invoice 2041 of 3 May 2026, due in June. 3 lamps at 15.30 EUR each. Total 45.90 EUR."
INVOICE = {
    "number": "2041",
    "issued": "2026-05-03",
    "due": None,
    "currency": "EUR",
    "items": [{"what": "lamp", "count": 3, "each_cents": 1530}],
    "total_cents": 4590,
}
CARDED = {"name": "Ada Lund", "company": None, "email": "ada@lund.example", "phones": ["+4670123456"]}


def script(*replies: Any) -> Script:
    texts = [reply if isinstance(reply, str) else orjson.dumps(reply).decode() for reply in replies]
    return Script({CallModel: [ModelAnswer(text=text, model="m", endpoint="e") for text in texts]})


async def read(agent: Agent, text: str, world: Script) -> Story:
    return await rehearse(agent, world, prompts=PROMPTS).ask(text)


def told(world: Script) -> str:
    asked = world.of(CallModel)[-1]
    assert isinstance(asked, CallModel)
    return asked.messages[-1].content


@pytest.mark.parametrize("agent", [invoices, cards])
def test_nothing_is_wrong_with_the_flows(agent: Agent) -> None:
    assert examine(agent.bind(PROMPTS, MODELS)) == []


async def test_an_invoice_is_read_into_json_and_the_model_was_told_its_schema() -> None:
    world = script(INVOICE)
    ending = (await read(invoices, TEXT, world)).ending
    assert isinstance(ending, AnswerAccepted)
    assert orjson.loads(ending.text) == INVOICE
    assert told(world).startswith("<<<question ") and TEXT in told(world)
    (asked,) = world.asked
    assert isinstance(asked, CallModel)
    assert asked.output_schema is not None and asked.output_schema in asked.messages[0].content


@pytest.mark.parametrize(
    ("wrong", "problems"),
    [
        ({**INVOICE, "total_cents": 5000}, ["/total_cents is 5000, but the items come to 4590"]),
        ({**INVOICE, "number": "2042"}, ["/number does not stand in the text"]),
        ({**INVOICE, "issued": "3 May", "currency": "DM"}, ["/issued: ", "/currency: "]),
        ({**INVOICE, "note": "paid"}, ["/note: Extra inputs are not permitted"]),
        ("There is no invoice.", ["the answer is not one JSON object"]),
    ],
)
async def test_a_wrong_form_is_told_to_the_model_and_read_again(wrong: Any, problems: Sequence[str]) -> None:
    world = script(wrong, INVOICE)
    ending = (await read(invoices, TEXT, world)).ending
    assert isinstance(ending, AnswerAccepted) and ending.repairs == 1
    assert [problem for problem in problems if problem not in told(world)] == []


async def test_a_text_without_a_number_costs_no_call() -> None:
    world = script()
    ending = (await read(invoices, "Dear all, have a nice summer!", world)).ending
    assert isinstance(ending, RunFailed) and ending.code == "no_invoice"
    assert world.asked == []


async def test_a_card_is_held_against_its_json_schema_as_a_whole() -> None:
    text = "Ada Lund, ada@lund.example, +46 70 123 456"
    world = script({**CARDED, "phones": ["070-123456"] * 2, "email": "ada"}, CARDED)
    ending = (await read(cards, text, world)).ending
    assert isinstance(ending, AnswerAccepted)
    assert (orjson.loads(ending.text), ending.repairs) == (CARDED, 1)
    assert all(place in told(world) for place in ("/phones: ", "/phones/0: ", "/email: "))
    (first, _) = world.of(CallModel)
    assert isinstance(first, CallModel)
    assert first.output_schema == orjson.dumps(CARD).decode()


async def test_what_stays_wrong_is_not_shown() -> None:
    world = script(*[{**CARDED, "email": "made@up.example"}] * 2)
    ending = (await read(cards, "Ada Lund", world)).ending
    assert isinstance(ending, RunFailed) and "made@up" not in ending.message
