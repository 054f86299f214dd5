"""Requests that come again, from outside: with an idempotency key, or as OpenAI's client repeats them by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest

from agent.errors import Transient
from agent.outcome import failure_of
from agent.pauses import INTAKE, Pause
from agent.ports import NewRun, Pointer
from agent.testing.clock import START
from agent.testing.memory import MemoryLedger
from tests.e2e.test_http import error_of
from tests.stage import QUESTION, Stage, accepted

AGAIN = {"x-stainless-retry-count": "1"}
OTHER = {**QUESTION, "input": "How long is the guarantee?"}


def key(value: str) -> dict[str, str]:
    return {"Idempotency-Key": value}


async def happens(what: Callable[[], Any]) -> None:
    """Let everything else go on until `what` holds; the test's own limit ends a wait in vain."""
    while not what():  # noqa: ASYNC110  # the twin rings for nobody
        await asyncio.sleep(0)


# ------------------------------------------------------------------------------------------- with a key


async def test_the_same_key_and_body_bring_the_same_response_byte_for_byte() -> None:
    stage = Stage(lambda _: accepted())
    async with stage.client() as client:
        first = await client.post("/v1/responses", json=QUESTION, headers=key("once"))
        again = await client.post("/v1/responses", json=QUESTION, headers=key("once"))
    assert first.status_code == 200
    assert again.content == first.content
    assert len(stage.ledger.runs) == 1


async def test_a_body_is_the_same_whatever_the_order_of_its_names() -> None:
    stage = Stage(lambda _: accepted())
    mirrored = dict(reversed(QUESTION.items()))
    async with stage.client() as client:
        first = await client.post("/v1/responses", json=QUESTION, headers=key("once"))
        again = await client.post("/v1/responses", json=mirrored, headers=key("once"))
    assert again.json()["id"] == first.json()["id"]


async def test_the_same_key_with_another_body_is_a_409_that_no_client_repeats() -> None:
    stage = Stage(lambda _: accepted())
    async with stage.client() as client:
        await client.post("/v1/responses", json=QUESTION, headers=key("once"))
        reply = await client.post("/v1/responses", json=OTHER, headers=key("once"))
    assert reply.status_code == 409
    assert error_of(reply)["code"] == "idempotency_key_reused"
    assert error_of(reply)["param"] == "Idempotency-Key"
    assert reply.headers["x-should-retry"] == "false"
    assert len(stage.ledger.runs) == 1


async def test_the_same_key_brings_the_same_response_also_when_its_earlier_response_is_gone() -> None:
    stage = Stage(lambda _: accepted())
    async with stage.client() as client:
        earlier = (await client.post("/v1/responses", json=QUESTION)).json()["id"]
        body = {**QUESTION, "previous_response_id": earlier}
        first = await client.post("/v1/responses", json=body, headers=key("once"))
        await client.delete(f"/v1/responses/{earlier}")
        again = await client.post("/v1/responses", json=body, headers=key("once"))
        new = await client.post("/v1/responses", json=body, headers=key("another"))
    assert again.content == first.content
    assert error_of(new)["code"] == "previous_response_not_found"


async def test_calls_with_one_key_at_the_same_time_share_one_run_and_its_answer() -> None:
    stage = Stage()
    async with stage.client() as client:
        calls = [asyncio.create_task(client.post("/v1/responses", json=QUESTION, headers=key("once"))) for _ in "abc"]
        await happens(lambda: stage.ledger.work)
        (pointer,) = (row.pointer for row in stage.ledger.work.values())
        await stage.end(pointer, accepted())
        replies = await asyncio.gather(*calls)
    assert len({reply.content for reply in replies}) == 1
    assert len(stage.ledger.runs) == 1


async def test_a_key_goes_on_giving_the_failure_of_its_run_and_a_new_key_is_a_new_try() -> None:
    endings = iter([failure_of("quota"), accepted()])
    stage = Stage(lambda _: next(endings))
    async with stage.client() as client:
        first = await client.post("/v1/responses", json=QUESTION, headers=key("once"))
        again = await client.post("/v1/responses", json=QUESTION, headers=key("once"))
        anew = await client.post("/v1/responses", json=QUESTION, headers=key("twice"))
    assert first.json()["status"] == "failed"
    assert again.content == first.content
    assert anew.json()["status"] == "completed"


async def test_a_key_lives_as_long_as_the_response_that_it_opened() -> None:
    stage = Stage(lambda _: accepted())
    async with stage.client() as client:
        kept = await client.post("/v1/responses", json=QUESTION, headers=key("kept"))
        brief = await client.post("/v1/responses", json={**QUESTION, "store": False}, headers=key("brief"))
        stage.ledger.clock.advance(86_400)
        assert (await client.post("/v1/responses", json=QUESTION, headers=key("kept"))).content == kept.content
        fresh = await client.post("/v1/responses", json={**QUESTION, "store": False}, headers=key("brief"))
        stage.ledger.clock.advance(30 * 86_400)
        late = await client.post("/v1/responses", json=QUESTION, headers=key("kept"))
    assert fresh.json()["id"] != brief.json()["id"]
    assert late.json()["id"] != kept.json()["id"]


@pytest.mark.parametrize("value", ["", "x" * 256, "tab\tinside", "ümlaut".encode()])
async def test_a_key_that_cannot_be_one_is_a_400_and_opens_nothing(value: str | bytes) -> None:
    stage = Stage(lambda _: accepted())
    async with stage.client() as client:
        headers: Any = {"Idempotency-Key": value}
        reply = await client.post("/v1/responses", json=QUESTION, headers=headers)
    assert reply.status_code == 400
    assert error_of(reply)["param"] == "Idempotency-Key"
    assert reply.headers["x-should-retry"] == "false"
    assert stage.ledger.runs == {}


async def test_two_keys_in_one_request_are_refused() -> None:
    stage = Stage(lambda _: accepted())
    async with stage.client() as client:
        headers = [("Idempotency-Key", "one"), ("Idempotency-Key", "two")]
        reply = await client.post("/v1/responses", json=QUESTION, headers=headers)
    assert reply.status_code == 400
    assert stage.ledger.runs == {}


async def test_the_longest_key_is_taken() -> None:
    async with Stage(lambda _: accepted()).client() as client:
        reply = await client.post("/v1/responses", json=QUESTION, headers=key("~" * 255))
    assert reply.status_code == 200


async def test_a_known_key_finds_its_run_while_the_intake_is_paused() -> None:
    stage = Stage(lambda _: accepted())
    pauses: dict[str, Pause] = {}
    stage.door = replace(stage.door, paused=lambda: pauses)
    async with stage.client() as client:
        first = await client.post("/v1/responses", json=QUESTION, headers=key("once"))
        pauses[INTAKE] = Pause(INTAKE, "busy", "ann", START)
        again = await client.post("/v1/responses", json=QUESTION, headers=key("once"))
        other = await client.post("/v1/responses", json=OTHER, headers=key("once"))
        new = await client.post("/v1/responses", json=QUESTION, headers=key("new"))
    assert again.content == first.content
    assert other.status_code == 409
    assert new.status_code == 503
    assert len(stage.ledger.runs) == 1


# ------------------------------------------------------------------------------------------- without a key


class Fast(Stage):
    """A stage on which every wait of the door is over at once, and time passes with it."""

    def __init__(self, *given: Any, **door: Any) -> None:
        super().__init__(*given, **door)
        self.naps: list[float] = []
        self.door = replace(self.door, sleep=self.nap)

    async def nap(self, seconds: float) -> None:
        if seconds < 1.0:
            self.naps.append(seconds)
            self.ledger.clock.advance(seconds)
            await asyncio.sleep(0)
        else:
            await asyncio.Future[None]()


async def lost(stage: Stage, body: dict[str, Any], holder: str = "dead/1", **headers: str) -> NewRun:
    """A run that an API process opened for this body and died."""
    async with Stage().client() as client:
        sent = client.build_request("POST", "/v1/responses", json=body, headers=headers)
    opened: list[NewRun] = []

    class Keeping(MemoryLedger):
        async def open(self, new: NewRun, /) -> str:
            opened.append(new)
            raise Transient("enough")

    async with Stage(ledger=Keeping()).client() as client:
        await client.send(sent)
    new = replace(opened[0], id="resp_lost", holder=holder)
    await stage.ledger.open(new)
    return new


async def test_a_retry_of_openais_client_gets_the_run_that_a_dead_process_opened() -> None:
    stage = Fast(lambda _: accepted())
    new = await lost(stage, QUESTION)
    await stage.end(new.pointer, accepted("From the first try."))
    async with stage.client() as client:
        reply = await client.post("/v1/responses", json=QUESTION, headers=AGAIN)
    assert reply.json()["id"] == "resp_lost"
    assert reply.json()["output"][0]["content"][0]["text"] == "From the first try."
    assert len(stage.ledger.runs) == 1


async def test_a_retry_waits_for_a_run_that_is_under_way() -> None:
    stage = Fast()
    new = await lost(stage, QUESTION)
    async with stage.client() as client:
        call = asyncio.create_task(client.post("/v1/responses", json=QUESTION, headers=AGAIN))
        await happens(lambda: stage.ledger.runs[new.id].holder != "dead/1")
        await stage.end(new.pointer, accepted())
        reply = await call
    assert reply.json()["id"] == "resp_lost"
    assert len(stage.ledger.runs) == 1


async def test_a_first_request_never_gets_the_run_of_another() -> None:
    stage = Fast(lambda _: accepted())
    await lost(stage, QUESTION)
    async with stage.client() as client:
        plain = await client.post("/v1/responses", json=QUESTION)
        first = await client.post("/v1/responses", json=QUESTION, headers={"x-stainless-retry-count": "0"})
        odd = await client.post("/v1/responses", json=QUESTION, headers={"x-stainless-retry-count": "one"})
    assert "resp_lost" not in {reply.json()["id"] for reply in (plain, first, odd)}
    assert len(stage.ledger.runs) == 4


@pytest.mark.parametrize(
    ("body", "headers"),
    [(OTHER, {}), ({**QUESTION, "store": False}, {}), (QUESTION, {"authorization": "Bearer somebody-else"})],
)
async def test_a_retry_with_another_body_or_key_opens_its_own_run(body: Any, headers: dict[str, str]) -> None:
    stage = Fast(lambda _: accepted())
    await lost(stage, QUESTION)
    async with stage.client() as client:
        reply = await client.post("/v1/responses", json=body, headers=AGAIN | headers)
    assert reply.json()["id"] != "resp_lost"


async def test_a_retry_waits_until_a_silent_process_counts_as_dead() -> None:
    stage = Fast(lambda _: accepted())
    await stage.presence.here("dying", "api", "1.0")
    new = await lost(stage, QUESTION, "dying/1")
    await stage.end(new.pointer, accepted())
    async with stage.client() as client:
        reply = await client.post("/v1/responses", json=QUESTION, headers=AGAIN)
    assert reply.json()["id"] == "resp_lost"
    assert sum(nap == 0.25 for nap in stage.naps) >= 11, "three seconds passed before anybody took the run"


async def test_a_retry_opens_its_own_run_if_the_other_caller_goes_on_waiting() -> None:
    stage = Fast(lambda _: accepted())
    await lost(stage, QUESTION, "living/1")

    async def nap(seconds: float) -> None:
        await stage.presence.here("living", "api", "1.0")
        await stage.nap(seconds)

    stage.door = replace(stage.door, sleep=nap)
    await stage.presence.here("living", "api", "1.0")
    async with stage.client() as client:
        reply = await client.post("/v1/responses", json=QUESTION, headers=AGAIN)
    assert reply.json()["id"] != "resp_lost"
    assert stage.ledger.runs["resp_lost"].holder == "living/1"


async def test_what_was_delivered_is_not_given_to_a_later_retry() -> None:
    stage = Fast(lambda _: accepted())
    async with stage.client() as client:
        first = await client.post("/v1/responses", json=QUESTION)
        again = await client.post("/v1/responses", json=QUESTION, headers=AGAIN)
    assert first.json()["id"] != again.json()["id"]
    assert all(row.delivered_at and row.holder is None for row in stage.ledger.runs.values())


async def test_a_run_that_was_opened_although_the_answer_said_503_is_the_retrys() -> None:
    class Slow(MemoryLedger):
        """Writes, and is cut off before it can say so."""

        async def open(self, new: NewRun, /) -> str:
            await super().open(new)
            raise Transient("cut off")

    stage = Fast(ledger=Slow())
    stage.door = replace(stage.door, ledger=stage.ledger, shelf=stage.ledger)
    async with stage.client() as client:
        await stage.presence.here("door", "api", "1.0")
        refused = await client.post("/v1/responses", json=QUESTION)
        (row,) = stage.ledger.runs.values()
        await stage.end(row.new.pointer, accepted())
        reply = await client.post("/v1/responses", json=QUESTION, headers=AGAIN)
    assert (refused.status_code, reply.status_code) == (503, 200)
    assert reply.json()["id"] == row.new.id
    assert len(stage.ledger.runs) == 1


async def test_a_client_that_hangs_up_leaves_its_run_to_its_retry() -> None:
    stage = Fast()
    async with stage.client() as client:
        await stage.presence.here("door", "api", "1.0")
        call = asyncio.create_task(client.post("/v1/responses", json=QUESTION))
        await happens(lambda: stage.entries("retrieve"))
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        (row,) = stage.ledger.runs.values()
        await happens(lambda: row.holder is None)
        await stage.end(row.new.pointer, accepted())
        reply = await client.post("/v1/responses", json=QUESTION, headers=AGAIN)
    assert reply.json()["id"] == row.new.id


# ------------------------------------------------------------------------------------------- advice


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (("POST", "/v1/responses", {"input": ""}), 400),
        (("POST", "/v1/responses", {"input": "hi", "model": "gpt-9"}), 404),
        (("GET", "/v1/responses/resp_1", None), 404),
        (("PUT", "/v1/responses", {}), 405),
        (("POST", "/v1/responses", {"input": "a" * 30_000}), 413),
    ],
)
async def test_what_a_retry_cannot_mend_says_so(request_: tuple[str, str, Any], status: int) -> None:
    method, path, body = request_
    async with Stage().client() as client:
        reply = await client.request(method, path, json=body)
    assert reply.status_code == status
    assert reply.headers["x-should-retry"] == "false"


async def test_what_a_retry_may_mend_says_when() -> None:
    stage = Stage()
    stage.ledger.reachable = False
    async with stage.client() as client:
        refused: list[httpx.Response] = [
            await client.post("/v1/responses", json=QUESTION),
            await client.get("/v1/responses/resp_1"),
            await client.get("/readyz"),
        ]
    for reply in refused:
        assert reply.status_code == 503
        assert reply.headers["retry-after"] == "1"
        assert "x-should-retry" not in reply.headers


async def test_the_publisher_is_not_needed_twice_for_one_run() -> None:
    published: list[Pointer] = []

    class Counting(Stage):
        async def publish(self, pointer: Pointer, /) -> str:
            published.append(pointer)
            return await super().publish(pointer)

    stage = Counting(lambda _: accepted())
    async with stage.client() as client:
        for _ in range(3):
            await client.post("/v1/responses", json=QUESTION, headers=key("once"))
    assert len(published) == 1
