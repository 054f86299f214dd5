"""Answers in the form that a client asks for: right JSON, a typed failure, or nothing at all."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

import openai
import orjson
from pydantic import BaseModel, Field

from tests.e2e.house import House, Open

LEAK = "zeppelin"
"""Stands in every draft that must not be shown."""


class Lamp(BaseModel):
    name: str
    watts: int = Field(ge=1)
    colours: list[Literal["red", "green"]]
    parts: list[Lamp] = []


RIGHT = {"name": "Lux", "watts": 40, "colours": ["red"], "parts": []}
WRONG = {"name": LEAK, "watts": 0, "colours": [LEAK], "parts": []}
LINES: list[Any] = [
    {"contains": "first", "answer": RIGHT},
    {"contains": "wrong then right", "times": 1, "answer": WRONG},
    {"prompt": "chat", "contains": "automatic check", "model": "m1", "times": 1, "answer": RIGHT},
    {"contains": "sync", "answer": RIGHT},
    {"contains": "never", "answer": WRONG},
    {"contains": "fenced", "answer": f"Sure!\n```json\n{orjson.dumps(RIGHT).decode()}\n```"},
    {"contains": "slips", "answer": orjson.dumps(RIGHT).decode()[:-1] + ",}"},
    {"contains": "cut", "answer": {**RIGHT, "name": LEAK}, "fault": {"kind": "length", "chars": 30}},
    {"contains": "any object", "answer": {"free": [1, "two"]}},
    {"contains": "prose", "answer": f"I like {LEAK}s."},
    {"contains": "automatic check", "answer": f"Still {LEAK}."},
]


def client(house: House, base_url: object) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(api_key="none", base_url=f"{base_url}/v1", max_retries=0)


async def test_answers_have_the_form_that_was_asked_for_or_are_not_shown(house: Open) -> None:
    async with house(*LINES) as it, it.worker(), it.door() as http:
        base_url = str(http.base_url).rstrip("/")
        async with client(it, base_url) as ai:
            parsed = await ai.responses.parse(model="chat", input="first", text_format=Lamp)
            assert parsed.output_parsed == Lamp(**RIGHT)
            assert parsed.metadata is not None and "output_is_valid" in parsed.metadata["cuelight.checks"]

            repaired = await ai.responses.parse(model="chat", input="wrong then right", text_format=Lamp)
            assert repaired.output_parsed == Lamp(**RIGHT)
            assert repaired.metadata is not None and repaired.metadata["cuelight.repairs"] == "1"
            told = (await it.model.log())[-1]["body"]["messages"][-1]["content"]
            assert "/watts: it is less than the minimum of 1" in told
            assert '/colours/0: it is not one of "red" or "green"' in told
            assert "valid under this JSON Schema" in told and '"watts"' in told, "not every endpoint tells its model"

            failed = await ai.responses.create(model="chat", input="never", text=_form())
            assert (failed.status, failed.output) == ("failed", [])
            assert failed.metadata is not None and failed.metadata["cuelight.error_code"] == "no_valid_answer"

            fenced = await ai.responses.parse(model="chat", input="fenced", text_format=Lamp)
            assert fenced.output_text == orjson.dumps(RIGHT).decode()
            assert fenced.metadata is not None and fenced.metadata["cuelight.mends"] == "prose"

            slips = await ai.responses.parse(model="chat", input="slips", text_format=Lamp)
            assert slips.output_parsed == Lamp(**RIGHT)
            assert slips.metadata is not None and slips.metadata["cuelight.mends"] == "lenient"
            assert slips.metadata["cuelight.model_calls"] == "1"

            cut = await ai.responses.create(model="chat", input="cut", text=_form(), max_output_tokens=16)
            assert (cut.status, cut.output, cut.error) == ("incomplete", [], None)
            assert cut.incomplete_details is not None and cut.incomplete_details.reason == "max_output_tokens"
            assert cut.metadata is not None and cut.metadata["cuelight.repairs"] == "0"

            free = await ai.responses.create(
                model="chat", input="any object", text={"format": {"type": "json_object"}, "verbosity": "low"}
            )
            assert orjson.loads(free.output_text) == {"free": [1, "two"]}
            assert free.text is not None and free.text.verbosity == "low"

            prose = await ai.responses.create(model="chat", input="prose", text={"format": {"type": "json_object"}})
            assert (prose.status, prose.output) == ("failed", [])

            echoed = await ai.responses.retrieve(parsed.id)
            assert (
                echoed.text is not None and echoed.text.format is not None and echoed.text.format.type == "json_schema"
            )
            assert echoed.text.format.name == "Lamp"

            async with ai.responses.stream(model="chat", input="first", text_format=Lamp) as stream:
                streamed = await stream.get_final_response()
            assert streamed.output_parsed == Lamp(**RIGHT)
            events = await ai.responses.create(model="chat", input="cut", text=_form(), stream=True)
            seen = [event async for event in events]
            assert (seen[0].type, seen[-1].type) == ("response.created", "response.incomplete")
            assert not [event.type for event in seen if "item" in event.type or "delta" in event.type]

        with openai.OpenAI(api_key="none", base_url=f"{base_url}/v1", max_retries=0) as sync:
            again = await asyncio.to_thread(sync.responses.parse, model="chat", input="sync", text_format=Lamp)
        assert again.output_parsed == Lamp(**RIGHT)
        assert it.never_sent(LEAK)
        sent = [
            entry["body"]["response_format"] for entry in await it.model.log() if "response_format" in entry["body"]
        ]
        assert {each["type"] for each in sent} == {"json_schema", "json_object"}
        named = next(each["json_schema"] for each in sent if each["type"] == "json_schema")
        assert (named["name"], named["strict"]) == ("Lamp", True)


def _form() -> Any:
    schema = {**Lamp.model_json_schema(), "description": "A lamp."}
    return {"format": {"type": "json_schema", "name": "lamp", "schema": schema}}


async def test_a_model_that_enforces_no_schema_is_told_it_in_words(house: Open) -> None:
    refusing = {"kind": "bad_request", "when_response_format": "json_schema"}
    async with house({"answer": RIGHT, "fault": refusing}, models="m1") as it, it.worker(), it.door() as http:
        async with client(it, str(http.base_url).rstrip("/")) as ai:
            for question in ("one", "two"):
                parsed = await ai.responses.parse(model="chat", input=question, text_format=Lamp)
                assert parsed.output_parsed == Lamp(**RIGHT)
        asked = [entry["body"] for entry in await it.model.log()]
        formats = [body["response_format"]["type"] for body in asked]
        assert formats == ["json_schema", "json_schema", "json_object", "json_object"], (
            "the same schema is asked for alike"
        )
        system = asked[2]["messages"][0]["content"]
        assert "valid under this JSON Schema" in system and '"watts"' in system and "plain text" not in system
        assert "JSON Schema" not in asked[0]["messages"][0]["content"]
