"""Agent frameworks hold a conversation with a function call and an answer in a form, whole and streamed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import litellm
from agents import Agent, Runner, function_tool, set_tracing_disabled
from pydantic import BaseModel
from pydantic_ai import Agent as PydanticAgent
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider

WEATHER = {
    "type": "function",
    "name": "weather",
    "description": "The weather of a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
QUESTION = "How is the weather in 'Oslo'?"
SAID = "The lamp on the desk is green, and it is warm."


class Report(BaseModel):
    city: str
    degrees: int


def _weather(cities: list[str]) -> Callable[[str], str]:
    """A function of the client, which keeps what it was asked."""

    def weather(city: str) -> str:
        """The weather of a city."""
        cities.append(city)
        return "rain"

    return weather


# ------------------------------------------------------------------------------------------- OpenAI Agents SDK


def _team(cities: list[str], output: type[BaseModel] | None) -> Agent[Any]:
    expert = Agent(
        name="Expert",
        instructions="Tell the weather.",
        tools=[function_tool(_weather(cities))],
        model="chat",
        output_type=output,
    )
    return Agent(name="Desk", instructions="Hand over.", handoffs=[expert], model="chat")


async def test_openais_agents_hand_over_call_a_tool_and_fill_a_form(base_url: str) -> None:
    set_tracing_disabled(True)
    for output, said in ((None, SAID), (Report, Report(city="Oslo", degrees=3))):
        cities: list[str] = []
        result = await Runner.run(_team(cities, output), QUESTION)
        assert (result.last_agent.name, cities, result.final_output) == ("Expert", ["Oslo"], said)
        streamed = Runner.run_streamed(_team(cities, output), QUESTION)
        kinds = {event.type async for event in streamed.stream_events()}
        assert {"raw_response_event", "run_item_stream_event", "agent_updated_stream_event"} <= kinds
        assert (streamed.last_agent.name, cities, streamed.final_output) == ("Expert", ["Oslo"] * 2, said)


# ------------------------------------------------------------------------------------------- pydantic-ai


async def test_pydantic_ai_calls_a_tool_and_fills_a_form(base_url: str) -> None:
    provider = OpenAIProvider(base_url=base_url, api_key="none")
    for model in (OpenAIResponsesModel("chat", provider=provider), OpenAIChatModel("chat", provider=provider)):
        cities: list[str] = []
        agent: PydanticAgent[None, Any] = PydanticAgent(model, tools=[_weather(cities)])
        first = await agent.run(QUESTION)
        assert (first.output, cities) == (SAID, ["Oslo"])
        async with agent.run_stream("And tomorrow, in 'Bergen'?", message_history=first.all_messages()) as stream:
            assert await stream.get_output() == SAID
        assert cities == ["Oslo", "Bergen"]
        formed: PydanticAgent[None, Any] = PydanticAgent(model, output_type=Report)
        assert (await formed.run(QUESTION)).output == Report(city="Oslo", degrees=3)
        async with formed.run_stream(QUESTION) as stream:
            assert await stream.get_output() == Report(city="Oslo", degrees=3)


def test_pydantic_ai_works_without_a_loop_too(base_url: str) -> None:
    model = OpenAIResponsesModel("chat", provider=OpenAIProvider(base_url=base_url, api_key="none"))
    cities: list[str] = []
    agent: PydanticAgent[None, Any] = PydanticAgent(model, tools=[_weather(cities)])
    assert (agent.run_sync(QUESTION).output, cities) == (SAID, ["Oslo"])


# ------------------------------------------------------------------------------------------- litellm


async def test_litellm_converses_over_responses(base_url: str) -> None:
    asked: dict[str, Any] = {"model": "openai/chat", "api_base": base_url, "api_key": "none", "tools": [WEATHER]}
    first: Any = await litellm.aresponses(input=QUESTION, **asked)
    (call,) = first.output
    assert (call.name, json.loads(call.arguments)) == ("weather", {"city": "Oslo"})
    brought = {"type": "function_call_output", "call_id": call.call_id, "output": "rain"}
    second: Any = await litellm.aresponses(input=[brought], previous_response_id=first.id, **asked)
    assert second.output[0].content[0].text == SAID
    stream: Any = await litellm.aresponses(input=[brought], previous_response_id=first.id, stream=True, **asked)
    assert "".join([event.delta async for event in stream if event.type == "response.output_text.delta"]) == SAID


def test_litellm_fills_a_form_over_responses_whole_and_streamed(base_url: str) -> None:
    form = {"type": "json_schema", "name": "Report", "schema": Report.model_json_schema()}
    asked: dict[str, Any] = {"model": "openai/chat", "api_base": base_url, "api_key": "none", "text": {"format": form}}
    whole: Any = litellm.responses(input=QUESTION, **asked)
    assert Report.model_validate_json(whole.output[0].content[0].text) == Report(city="Oslo", degrees=3)
    stream: Any = litellm.responses(input=QUESTION, stream=True, **asked)
    said = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
    assert Report.model_validate_json(said) == Report(city="Oslo", degrees=3)


def test_litellm_converses_over_chat_completions(base_url: str) -> None:
    tool = {"type": "function", "function": {key: value for key, value in WEATHER.items() if key != "type"}}
    asked: dict[str, Any] = {"model": "openai/chat", "api_base": base_url, "api_key": "none"}
    said: list[Any] = [{"role": "user", "content": QUESTION}]
    first: Any = litellm.completion(messages=said, tools=[tool], **asked)
    message = first.choices[0].message
    (call,) = message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("weather", {"city": "Oslo"})
    said += [message.model_dump(), {"role": "tool", "tool_call_id": call.id, "content": "rain"}]
    second: Any = litellm.completion(messages=said, tools=[tool], **asked)
    assert second.choices[0].message.content == SAID
    chunks: Any = litellm.completion(messages=said, tools=[tool], stream=True, **asked)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == SAID
    formed: Any = litellm.completion(messages=said[:1], response_format=Report, **asked)
    assert Report.model_validate_json(formed.choices[0].message.content) == Report(city="Oslo", degrees=3)
    chunks = litellm.completion(messages=said[:1], response_format=Report, stream=True, **asked)
    whole = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert Report.model_validate_json(whole) == Report(city="Oslo", degrees=3)
