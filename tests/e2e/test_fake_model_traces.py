"""Traces: read strictly, served strictly, and what is off them cannot be overlooked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from agent.adapters.model.classify import Reply, classify
from agent.adapters.model.endpoint import Endpoint
from agent.cases import read
from agent.effects import CallModel
from agent.errors import Misconfigured, Permanent
from agent.request import Message
from agent.settings import EndpointSettings, ModelSettings
from agent.testing.fake_model import FakeModel, Trace, running
from agent.testing.fake_model.recorded import trace_of
from agent.testing.fake_model.trace import MOST_BYTES, MOST_LINE_BYTES, MOST_LINES
from tests.e2e.house import until
from tests.e2e.typed import typed

HEAD = {"cuelight_trace": 1}
KILL = {"fault": "kill_worker", "when": {"prompt": "answer", "attempt": 1}}
HASH = "a" * 64
ASKED = {"model": "m", "messages": [{"role": "user", "content": "How long?"}]}


def text_of(*lines: Any) -> bytes:
    return b"\n".join(it if isinstance(it, bytes) else orjson.dumps(it) for it in lines)


def trace(*lines: Any) -> Trace:
    return Trace.parse(text_of(HEAD, *lines))


def line(attempt: int = 1, **more: Any) -> dict[str, Any]:
    return {"prompt": "answer", "attempt": attempt, "answer": "Two years.", **more}


@asynccontextmanager
async def served(*lines: Any) -> AsyncIterator[tuple[FakeModel, httpx.AsyncClient]]:
    async with running(trace(*lines)) as fake, httpx.AsyncClient(base_url=fake.base_url, trust_env=False) as http:
        yield fake, http


async def ask(http: httpx.AsyncClient, *, run: str = "resp_1", prompt: str = "answer@1.0.0+ab", **more: Any) -> Any:
    headers = {"x-cuelight-run": run, "x-cuelight-prompt": prompt, "x-cuelight-request": more.pop("request", HASH)}
    return await http.post("/chat/completions", json=ASKED | more, headers=headers)


BAD = [
    (text_of(line()), "begins with a line"),
    (b"", "begins with a line"),
    (text_of({"cuelight_trace": 2}), "line 1: the trace has format 2; this release reads up to 1"),
    (text_of({"cuelight_trace": True}), "format True"),
    (text_of({**HEAD, "askes": []}), "line 1: askes"),
    (text_of(HEAD, b"", b"{"), "line 3 is no JSON"),
    (text_of(HEAD, [1]), "line 2 is no JSON object, but list"),
    (text_of(HEAD, {"answer": "x"}), "line 2: a line of a trace says which call it is for"),
    (text_of(HEAD, {"prompt": "answer", "answer": "x"}), "by `prompt` and `attempt`"),
    (text_of(HEAD, line(request="abc")), "line 2: request"),
    (text_of(HEAD, line(times=0)), "line 2: times"),
    (text_of(HEAD, line(atempt=1)), "line 2: atempt"),
    (text_of(HEAD, {"prompt": "answer", "attempt": 1}), "line 2: a line needs an answer"),
    (text_of(HEAD, line(fault="no_such")), "line 2: fault"),
    (text_of(HEAD, {**KILL, "when": {"prompt": "answer", "at": "noon"}}), "line 2: when.at"),
    (text_of(HEAD, line(answer="x" * MOST_LINE_BYTES)), "line 2 has"),
    (text_of(HEAD) + b"\n" * MOST_BYTES, "the trace has"),
    (text_of(HEAD, *[KILL] * (MOST_LINES + 1)), "at most 10,000 lines"),
]


@pytest.mark.parametrize(("text", "words"), BAD, ids=[words for _, words in BAD])
def test_a_bad_trace_is_refused_with_the_line_and_what_is_wrong_there(text: bytes, words: str) -> None:
    with pytest.raises(Misconfigured, match=words.replace("(", r"\(")):
        Trace.parse(text)


def test_a_trace_is_written_as_it_was_read() -> None:
    text = text_of({**HEAD, "note": "a"}, KILL, line(times=3), {"request": HASH, "fault": "hang"}) + b"\n"
    found = Trace.parse(text)
    assert Trace.parse(found.dumped()) == found
    assert [number for number, _ in (*found.faults, *found.lines)] == [2, 3, 4]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"no\.trace\.jsonl cannot be read"):
        Trace.load(tmp_path / "no.trace.jsonl")


async def test_a_line_is_served_as_often_as_it_says_and_each_run_counts_its_own_attempts() -> None:
    async with served(line(times=2), line(2, answer="{{question}}")) as (fake, http):
        first, other = await ask(http), await ask(http, run="resp_2")
        second, third = await ask(http), await ask(http, run="resp_3")
        report = await fake.followed()
    said = [it.json()["choices"][0]["message"]["content"] for it in (first, other, second)]
    assert said == ["Two years.", "Two years.", "{{question}}"], "an answer goes out as it stands"
    assert third.status_code == 501
    assert report["served"] == {"2": 2, "3": 1} and report["unserved"] == []
    assert report["off_trace"][0]["because"] == "it was served already"


async def test_the_hash_of_the_request_decides_where_a_line_has_one() -> None:
    async with served({"request": "b" * 64, "answer": "b"}, {"request": HASH, "answer": "a"}) as (fake, http):
        assert (await ask(http)).json()["choices"][0]["message"]["content"] == "a"
        missed = await ask(http, request="c" * 64)
        report = await fake.followed()
        (_, logged) = await fake.log()
    assert missed.status_code == 501 and missed.json()["error"]["code"] == "off_trace"
    assert "the nearest is line 2: it is for the request bbbbbbbbbbbb" in missed.json()["error"]["message"]
    assert report["unserved"] == [2] and report["off_trace_count"] == 1
    assert (logged["fault"], logged["request"], logged["billed"]) == ("off_trace", "c" * 64, False)


async def test_calls_that_are_to_be_under_way_together_wait_for_each_other() -> None:
    async with served(line(times=2, after_calls=2)) as (fake, http):
        first = asyncio.create_task(ask(http))
        await until(fake.log)
        assert not first.done() and (await fake.log())[0]["ended_at"] is None
        second = await ask(http, run="resp_2")
        assert (await first).status_code == second.status_code == 200


MISSES = [
    ({"prompt": "repair@1.0.0+ab"}, "line 2: it is for the prompt answer"),
    ({"model": "other"}, "line 2: it is for the model m"),
    ({"messages": [{"role": "user", "content": "Why?"}]}, "line 2: its words are not in the question"),
]


@pytest.mark.parametrize(("asked", "words"), MISSES, ids=[words for _, words in MISSES])
async def test_a_miss_says_what_was_asked_and_which_line_is_nearest(asked: dict[str, Any], words: str) -> None:
    async with served(line(model="m", contains="How long"), line(2)) as (_, http):
        said = (await ask(http, **asked)).json()["error"]["message"]
    assert words in said and "attempt 1" in said and "run resp_1" in said


async def test_no_retry_and_no_later_answer_hides_a_call_off_the_trace() -> None:
    async with served(line(2)) as (_, http):
        missed = await ask(http)
    reply = Reply(missed.status_code, dict(missed.headers), missed.content, datetime.now(UTC))
    with pytest.raises(Permanent, match="off_trace"):
        classify(reply, endpoint="desk", model=ModelSettings(name="m"), secret="")


async def test_a_fault_of_a_process_needs_somebody_who_does_it() -> None:
    with pytest.raises(Misconfigured, match="line 2 of the trace has kill_worker done to a process"):
        async with running(trace(KILL, line())):
            pass
    async with served(line()) as (fake, http):
        refused = await http.put(f"{fake.url}/trace", content=text_of(HEAD, KILL, line()))
        assert refused.status_code == 422 and (await ask(http)).status_code == 200


async def test_a_hand_is_waited_for_before_and_after_the_answer_even_if_its_caller_leaves() -> None:
    done: list[str] = []
    leave = asyncio.Event()

    class Slow:
        async def before(self, fault: Any, call: Any, /) -> None:
            leave.set()
            await asyncio.sleep(0)
            done.append(f"{fault.fault} before attempt {call.attempt}")

        async def after(self, fault: Any, call: Any, /) -> None:
            done.append("after")

    async with running(
        trace({**KILL, "when": {"prompt": "answer", "attempt": 2}}, line(), line(2)), hand=Slow()
    ) as fake:
        async with httpx.AsyncClient(base_url=fake.base_url, trust_env=False) as http:
            await ask(http)
            assert done == []
            calling = asyncio.create_task(ask(http))
            await leave.wait()
            calling.cancel()
            await asyncio.gather(calling, return_exceptions=True)
        assert (await fake.followed())["unserved"] == []
    assert done[0] == "kill_worker before attempt 2"


async def test_the_service_says_with_each_call_under_which_hash_it_is_on_record() -> None:
    said = (Message(role="user", content="My name is Ada."),)
    effect = CallModel(model="m", prompt="answer@1.0.0+ab", messages=said, max_output_tokens=9)
    settings = EndpointSettings(name="desk", base_url="http://127.0.0.1:1/v1", models=(ModelSettings(name="m"),))
    async with running(trace({"request": effect.hash(), "answer": "Noon."})) as fake:
        endpoint = Endpoint(settings.model_copy(update={"base_url": fake.base_url}))
        answer = await endpoint.call(effect, timeout_s=9, headers={"x-cuelight-request": effect.hash()})
        (logged,) = await fake.log()
        await endpoint.close()
    assert answer.text == "Noon." and "Ada" not in orjson.dumps(logged["headers"]).decode()


def test_a_case_becomes_a_trace_of_what_its_models_answered() -> None:
    found = trace_of(read(Path(__file__).parents[1] / "data" / "case_1.json"))
    told = [(it.attempt, it.fault.kind if it.fault else "answer") for _, it in found.lines]
    assert told == [(1, "rate_limited"), (2, "answer"), (3, "drop"), (4, "answer")]
    assert found.header.ends == ("completed",) and found.header.asks[0]["model"] == "documents"


def test_a_call_that_a_budget_held_back_is_no_line_of_the_trace() -> None:
    found = trace_of(read(Path(__file__).parents[1] / "cases" / "budget-used-up.case.json"))
    assert [it.attempt for _, it in found.lines] == [1, 2] and found.header.ends == ("budget",)


async def test_the_command_fails_at_the_end_if_its_trace_was_not_followed(tmp_path: Path) -> None:
    path = tmp_path / "one.trace.jsonl"
    path.write_bytes(text_of(HEAD, line(), line(2)))
    process = await typed(["fake-model", "--port", "0", "--trace", str(path)], {})
    assert process.stdout is not None
    url = (await process.stdout.readline()).decode().split()[-1]
    async with httpx.AsyncClient(base_url=f"{url}/v1", trust_env=False) as http:
        await ask(http, model="other\x1b[2J", prompt="other@1")
    process.terminate()
    _, err = await process.communicate()
    assert await process.wait() == 1
    assert b"calls off it: 1" in err and b"lines left: 2, 3" in err and b"\x1b[2J" not in err


def test_a_trace_in_a_file_is_served_by_a_process_of_its_own(fake_model: Any, tmp_path: Path) -> None:
    path = tmp_path / "one.trace.jsonl"
    path.write_bytes(text_of(HEAD, line()))
    with fake_model(trace=str(path)) as fake:
        asked = httpx.post(f"{fake.base_url}/chat/completions", json=ASKED, headers={"x-cuelight-prompt": "answer@1"})
    assert asked.json()["choices"][0]["message"]["content"] == "Two years."
