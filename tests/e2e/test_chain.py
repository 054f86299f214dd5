"""One question through the whole chain: real engines, real HTTP, and a model that follows a script."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from redis.exceptions import ResponseError

from agent.prompting import SHIPPED
from tests.e2e.house import MADE_UP, QUESTION, QUOTE, RIGHT, WRONG, House, Open, until

STRAIGHT = ["request.received", "passages.found", "answer.drafted", "answer.accepted"]


@asynccontextmanager
async def at_work(house: AbstractAsyncContextManager[House]) -> AsyncIterator[tuple[House, httpx.AsyncClient]]:
    async with house as opened_house, opened_house.worker(), opened_house.door() as http:
        yield opened_house, http


async def ask(http: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    reply = await http.post("/v1/responses", json=QUESTION | changes)
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


def text_of(body: dict[str, Any]) -> str:
    return str(body["output"][0]["content"][0]["text"])


def assert_right(body: dict[str, Any]) -> None:
    assert (body["status"], text_of(body)) == ("completed", RIGHT["answer"])


def assert_failed(body: dict[str, Any], kind: str, code: str = "server_error") -> None:
    assert (body["status"], body["output"]) == ("failed", [])
    assert (body["error"]["code"], body["metadata"]["cuelight.error_code"]) == (code, kind)


# ------------------------------------------------------------------------------------------------ answers


async def test_a_made_up_quote_is_repaired_and_no_byte_of_it_reaches_the_client(house: Open) -> None:
    async with at_work(house({"answer": WRONG, "times": 1}, {"answer": RIGHT})) as (it, http):
        body = await ask(http)
        assert_right(body)
        assert (await http.get(f"/v1/responses/{body['id']}")).json() == body
        assert await it.story(body["id"]) == [
            *STRAIGHT[:3],
            *("draft.rejected", "answer.drafted", "answer.accepted"),
        ]
        drafts = await it.pool.fetch("select data from events where type = 'answer.drafted' order by seq")
        assert [MADE_UP in row["data"] for row in drafts] == [True, False]
        assert body["metadata"]["cuelight.repairs"] == "1"
        assert not any(word in bytes(it.sent) for word in MADE_UP.encode().split() if len(word) > 5)


async def test_a_client_that_asks_is_told_what_each_check_said_of_each_draft_without_a_word_of_it(house: Open) -> None:
    async with at_work(house({"answer": WRONG, "times": 1}, {"answer": RIGHT})) as (it, http):
        body = await ask(http, include=["cuelight.verdicts"])
        told = body["metadata"]
        first, second = (orjson.loads(told[f"cuelight.verdicts.{draft}"]) for draft in (1, 2))
        assert (first["output_is_valid"], first["quotes_are_found"], sum(second.values())) == (0, 1, 0)
        address = f"/v1/responses/{body['id']}"
        assert (await http.get(address)).json() == body
        plain = (await ask(http))["id"]
        assert "cuelight.verdicts.1" not in (await http.get(f"/v1/responses/{plain}")).json()["metadata"]
        later = await http.get(f"/v1/responses/{plain}?include[]=cuelight.verdicts")
        assert orjson.loads(later.json()["metadata"]["cuelight.verdicts.1"]) == second
        *_, ending, _ = (await http.get(f"{address}?stream=true")).text.strip().split("\n\n")
        assert orjson.loads(ending.partition("data: ")[2])["response"] == body
        assert it.never_sent(b"marmalade")


async def test_the_address_of_a_citation_shows_the_quote_marked(house: Open) -> None:
    async with at_work(house({"answer": RIGHT})) as (_, http):
        body = await ask(http)
        (note,) = body["output"][0]["content"][0]["annotations"]
        assert (await http.get(note["url"])).text.count(f"<mark>{QUOTE}</mark>") == 1


async def test_an_answer_that_stays_wrong_is_a_typed_failure_without_a_word_of_the_drafts(house: Open) -> None:
    drafts = [WRONG, {**WRONG, "answer": f"Perhaps {MADE_UP}.", "citations": []}, "no json at all, marmalade"]
    lines = [{"model": "m1", "answer": draft, "times": 1} for draft in drafts]
    async with at_work(house(*lines, {"model": "m2", "answer": WRONG})) as (it, http):
        body = await ask(http)
        assert_failed(body, "no_valid_answer")
        # m1 may mend its draft twice; m2 begins anew, and once its problems came back it is not asked a third time.
        assert [row["model"] for row in await it.calls(body["id"]) if row["model"]] == ["m1", "m1", "m1", "m2", "m2"]
        assert (await it.story(body["id"])).count("models.passed_over") == 1
        assert it.never_sent(b"marmalade")


@pytest.mark.parametrize("way", [{"stream": True}, {"background": True, "stream": True}, {"background": True}])
async def test_nor_is_a_word_of_them_told_by_streams_in_the_background_or_with_verdicts(house: Open, way: Any) -> None:
    async with at_work(house({"answer": WRONG})) as (it, http):
        progress = ["cuelight.progress"] if "stream" in way else []
        told = {**QUESTION, **way, "include": ["cuelight.verdicts", *progress]}
        said = (await http.post("/v1/responses", json=told)).text
        assert ("response.failed" in said) is ("stream" in way)
        run = await it.pool.fetchval("select id from runs")
        await until(lambda: ended(it, run))
        body = (await http.get(f"/v1/responses/{run}")).json()
        assert_failed(body, "no_valid_answer")
        assert orjson.loads(body["metadata"]["cuelight.verdicts.1"])["quotes_are_found"] == 1
        if way == {"background": True, "stream": True}:
            assert "response.failed" in (await http.get(f"/v1/responses/{run}?stream=true")).text
        assert it.never_sent(b"marmalade")


async def ended(it: House, run: str) -> bool:
    return bool(await it.pool.fetchval("select ended_at is not null from runs where id = $1", run))


@pytest.mark.parametrize(
    ("fault", "kind"), [("server_error", "server"), ("rate_limited", "rate_limited"), ("cut_json", "malformed")]
)
async def test_the_next_model_is_asked_when_the_first_fails_and_the_failed_call_stays_on_record(
    house: Open, fault: str, kind: str
) -> None:
    async with at_work(house({"model": "m1", "fault": fault, "answer": RIGHT}, {"answer": RIGHT})) as (it, http):
        body = await ask(http)
        assert_right(body)
        calls = [(row["model"], row["status"], row["error_kind"]) for row in await it.calls(body["id"])]
        assert calls == [("m1", "failed", kind), ("m2", "answered", None)]
        assert body["metadata"]["cuelight.model_calls"] == "2"


async def test_a_rate_limit_of_all_models_postpones_the_work_for_as_long_as_they_say(
    house: Open,
) -> None:
    limited = {"fault": {"kind": "rate_limited", "retry_after_ms": 400}, "times": 2}
    async with at_work(house(limited, {"answer": RIGHT})) as (it, http):
        body = await ask(http)
        assert_right(body)
        first, second = (row for row in await it.attempts(body["id"]) if row["route"] == "generate")
        assert (first["outcome"], first["error_kind"], second["attempt"]) == ("park", "rate_limited", 1)
        assert (second["began_at"] - first["ended_at"]).total_seconds() > 0.39
        assert [row["status"] for row in await it.calls(body["id"])] == ["failed", "failed", "answered"]


async def test_a_model_that_hangs_costs_no_more_than_the_deadline(house: Open) -> None:
    async with at_work(house({"fault": "hang", "answer": RIGHT})) as (it, http):
        body = await ask(http, model="hasty")
        assert_failed(body, "deadline_exceeded")
        assert "answered" not in {call["status"] for call in await it.calls(body["id"])}
        assert await it.pool.fetchval("select count(*) from work") == 0


async def test_a_refusal_is_a_typed_failure_and_is_not_asked_again(house: Open) -> None:
    async with at_work(house({"fault": {"kind": "refusal", "text": MADE_UP}, "answer": RIGHT})) as (it, http):
        assert_failed(await ask(http), "refused")
        assert (await it.model.counts())["calls"] == 1
        assert it.never_sent(b"marmalade")


async def test_an_answer_that_was_cut_off_is_repaired_where_it_must_be_whole(house: Open) -> None:
    async with at_work(house({"fault": "length", "answer": RIGHT, "times": 1}, {"answer": RIGHT})) as (it, http):
        body = await ask(http)
        assert_right(body)
        assert "draft.rejected" in await it.story(body["id"])


async def test_a_plain_text_that_was_cut_off_is_incomplete(house: Open) -> None:
    async with at_work(house({"fault": "length", "answer": "Once upon a time there was a lamp."})) as (_, http):
        body = await ask(http, model="chat")
        assert (body["status"], text_of(body)) == ("incomplete", "Once upon a time the")
        assert body["incomplete_details"] == {"reason": "max_output_tokens"}


@pytest.mark.parametrize("size_bytes", [1_000_000, 9_000_000])
async def test_an_answer_without_end_does_no_harm(house: Open, size_bytes: int) -> None:
    huge = {"fault": {"kind": "huge", "size_bytes": size_bytes}, "answer": RIGHT, "times": 1}
    async with at_work(house(huge, {"answer": RIGHT})) as (it, http):
        assert_right(await ask(http))
        assert len(it.sent) < 10_000


async def test_characters_that_no_database_takes_are_replaced(house: Open) -> None:
    async with at_work(house({"fault": "bad_characters", "answer": "Good evening"})) as (_, http):
        assert text_of(await ask(http, model="chat")).startswith("Good evening\ufffd")


async def test_the_chat_agent_passes_on_instructions_and_the_conversation(house: Open) -> None:
    turns = [
        {"role": "user", "content": "My name is Ada."},
        {"role": "assistant", "content": "Good evening, Ada."},
        {"role": "user", "content": "What is my name?"},
    ]
    async with at_work(house({"answer": "Ada."})) as (it, http):
        body = await ask(http, model="chat", input=turns, instructions="Be brief as a haiku.")
        assert text_of(body) == "Ada."
        (entry,) = await it.model.log(body["id"])
        said = [(message["role"], message["content"]) for message in entry["body"]["messages"]]
        assert "Be brief as a haiku." in said[0][1]
        assert [role for role, _ in said] == ["system", "user", "assistant", "user"]
        assert all(turn["content"] in text for turn, (_, text) in zip(turns, said[1:], strict=True))


async def test_an_answer_on_record_is_not_paid_again_when_its_step_is_tried_again(house: Open) -> None:
    lines = [
        {"prompt": "first", "answer": "Paid once."},
        {"prompt": "second", "fault": "server_error", "times": 1},
        {"prompt": "second", "answer": "At last."},
    ]
    async with at_work(house(*lines)) as (it, http):
        body = await ask(http, model="twice")
        assert text_of(body) == "Paid once. At last."
        asked = [entry["prompt"] for entry in await it.model.log(body["id"])]
        assert asked == ["first@1.0.0", "second@1.0.0", "second@1.0.0"]


# ------------------------------------------------------------------------------------------------ what others wrote


@asynccontextmanager
async def meddled(
    it: House, kind: str, version: int, data: str, **changes: Any
) -> AsyncIterator[tuple[str, asyncio.Task[dict[str, Any]]]]:
    """A run to which an event has happened before any worker saw it, and the call that waits for it."""
    async with it.door() as http:
        waiting = asyncio.create_task(ask(http, **changes))
        run = await until(it.published)
        await it.happened(run, kind, version, data, "generate")
        async with it.worker():
            yield run, waiting


async def test_an_event_of_an_older_version_is_brought_up_to_date_and_the_run_goes_on(house: Open) -> None:
    passage = {"id": "psg_1", "label": "p1", "document_id": "doc_1", "title": "W", "source": "w.md"}
    old = {"query": "q", "index_version": 1, "passages": [{**passage, "text": f"It has {QUOTE}, yes: two years."}]}
    async with (
        house({"answer": RIGHT}) as it,
        meddled(it, "passages.found", 1, orjson.dumps(old).decode()) as (run, waiting),
    ):
        assert_right(await waiting)
        assert await it.story(run) == STRAIGHT


async def test_an_event_that_cannot_be_read_is_a_dead_letter_and_a_typed_failure(house: Open) -> None:
    async with house() as it, meddled(it, "passages.found", 2, '{"query": 3}') as (run, waiting):
        assert_failed(await waiting, "undecodable")
        (letter,) = await it.dead_letters()
        assert (letter["run_id"], letter["seq"], letter["kind"]) == (run, 2, "undecodable")


async def test_an_event_of_an_unknown_type_is_parked_and_ends_at_the_deadline(house: Open) -> None:
    async with house() as it, meddled(it, "answer.dreamt", 1, "{}") as (run, waiting):

        async def parked() -> list[Any]:
            return [row for row in await it.attempts(run) if row["outcome"] == "park"]

        (attempt,) = await until(parked)
        assert (attempt["error_kind"], attempt["attempt"]) == ("unfamiliar", 1)
        row = await it.pool.fetchrow("select seq, attempt from work where run_id = $1", run)
        assert row is not None and tuple(row) == (2, 1), "parking uses up no attempt"
        await it.pool.execute("update work set deadline = clock_timestamp() where run_id = $1", run)
        assert_failed(await waiting, "deadline_exceeded")
        assert await it.dead_letters() == []
        assert await it.story(run) == ["request.received", "answer.dreamt", "run.failed"]


async def test_garbage_in_the_work_streams_is_set_aside_and_the_streams_go_on(house: Open) -> None:
    routes = ("retrieve", "generate", "validate", "repair")
    async with house({"answer": RIGHT}) as it:
        for route in routes:
            await it.redis.xadd(it.keys.work(route), {"hello": "world"})
            await it.redis.xadd(it.keys.work(route), {"run": "x", "generation": "a", "seq": "1", "route": route})
        async with it.worker(), it.door() as http:
            assert_right(await ask(http))

            async def all_buried() -> bool:
                return len(await it.dead_letters()) == 2 * len(routes)

            async def all_empty() -> bool:
                return not [route for route in routes if await it.redis.xlen(it.keys.work(route))]

            assert await until(all_buried)
            assert await until(all_empty)
        assert {letter["kind"] for letter in await it.dead_letters()} == {"unreadable"}


async def test_a_run_keeps_the_prompt_it_started_with_though_it_is_gone_from_disk(house: Open, tmp_path: Path) -> None:
    old, new = (shutil.copytree(SHIPPED, tmp_path / name) for name in ("old", "new"))
    system = old / "answer" / "system.j2"
    system.write_text(system.read_text() + "\nBow to the stalls.\n")
    async with house({"answer": RIGHT}) as it, it.door(prompts_dir=old) as http:
        waiting = asyncio.create_task(ask(http))
        run = await until(it.published)
        async with it.worker(prompts_dir=new):
            assert_right(await waiting)
        (entry,) = await it.model.log(run)
        assert "Bow to the stalls." in entry["body"]["messages"][0]["content"]


# ------------------------------------------------------------------------------------------------ more than one of them


async def test_a_run_opened_at_one_door_can_be_read_at_another(house: Open) -> None:
    async with at_work(house({"answer": RIGHT})) as (it, http), it.door() as other:
        body = await ask(http)
        assert (await other.get(f"/v1/responses/{body['id']}")).json() == body


async def test_two_workers_share_the_runs_and_each_step_is_settled_once(house: Open) -> None:
    async with (
        house({"answer": RIGHT, "delay_ms": 20}, lease_s=2.0) as it,
        it.worker(slots=2),
        it.worker(slots=2),
        it.door() as http,
    ):
        await until(lambda: both_read(it))
        bodies = await asyncio.gather(*(ask(http) for _ in range(24)))
        for body in bodies:
            assert_right(body)
            assert await it.story(body["id"]) == STRAIGHT
        attempts = await it.pool.fetch("select * from attempts")
        assert len({row["worker"] for row in attempts}) == 2
        assert sum(bool(row["settled"]) for row in attempts) == 3 * len(bodies)
        assert (await it.model.counts())["calls"] == len(bodies)


async def both_read(it: House) -> bool:
    """Whether two workers have asked for work of the first route: the first one could do it all alone."""
    try:
        return len(await it.redis.xinfo_consumers(it.keys.work("retrieve"), it.keys.group("retrieve"))) == 2
    except ResponseError:
        return False  # nobody has made the group yet
