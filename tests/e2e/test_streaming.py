"""Streams from outside, while their run goes on: what is sent when, and what becomes of everything that breaks.

Nobody works on the runs here but the test, and time is held by it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import orjson
import pytest
from fastapi import FastAPI

from agent.envelope import Envelope, seal
from agent.errors import Transient
from agent.events import AnswerDrafted, DraftRejected, Event, Problem
from agent.outcome import Advance, failure_of
from agent.ports import Delivery, Pointer, RunView
from agent.testing.memory import MemoryLedger
from api.app import create_app
from api.entrance import LOOK_AGAIN_S
from api.holding import GATHER_S
from api.streaming.source import AGAIN_S
from api.waiting import LOOK_S
from api.watching import WATCH_S
from tests import spec
from tests.e2e.test_keep_alive import DEADLINE_S, GRACE_S, PULSE_S, Line, Slow
from tests.e2e.test_repeats import AGAIN, happens, key
from tests.stage import QUESTION, Stage, accepted

STREAM = QUESTION | {"stream": True}
UNSTORED = STREAM | {"store": False}
BACKGROUND = STREAM | {"background": True}
PROGRESS = STREAM | {"include": ["cuelight.progress"]}
TEXT = "Two years, as the paper says that came with it, and not a day longer than that. " * 2
DRAFT = "zephyrs juggle marmalade"
REJECTED = (
    AnswerDrafted(draft=DRAFT, model="m1", endpoint="e1", prompt="answer@1"),
    DraftRejected(problems=(Problem(check="quotes", message=DRAFT),), repairs=0),
)


class Lines:
    """A door with connections that a test holds, each of them a stream."""

    def __init__(self, stage: Stage, app: FastAPI) -> None:
        self.stage = stage
        self._app = app
        self._lines: list[Line] = []

    def post(self, body: Any = STREAM, **headers: str) -> Line:
        return self._keep(Line(self._app, body, headers=headers))

    def get(self, run: str, after: int | None = None) -> Line:
        query = b"stream=true" if after is None else b"stream=true&starting_after=%d" % after
        path = f"/v1/responses/{run}"
        return self._keep(Line(self._app, None, method="GET", path=path, query_string=query))

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        line = self._keep(Line(self._app, body, method=method, path=path))
        await line.answering
        return orjson.loads(line.bytes)

    async def close(self) -> None:
        for line in self._lines:
            line.hang_up()
        await asyncio.gather(*(line.answering for line in self._lines), return_exceptions=True)

    def _keep(self, line: Line) -> Line:
        self._lines.append(line)
        return line


@asynccontextmanager
async def door(stage: Stage, **changes: Any) -> AsyncIterator[Lines]:
    """A replica: each has a door of its own, and they share what is behind it."""
    app = create_app(replace(stage.door, **changes))
    async with app.router.lifespan_context(app):
        lines = Lines(stage, app)
        try:
            yield lines
        finally:
            await lines.close()


def events(line: Line) -> list[dict[str, Any]]:
    """What a line has heard of its stream so far."""
    return spec.check_stream(line.bytes, whole=line.bytes.endswith(spec.DONE))


def kinds(line: Line) -> list[str]:
    return [event["type"] for event in events(line)]


async def heard(line: Line, kind: str) -> None:
    await happens(lambda: f"event: {kind}\n".encode() in line.bytes)


async def whole(line: Line) -> bytes:
    """The stream of a line once it is over."""
    await line.answering
    assert line.bytes.endswith(spec.DONE)
    return line.bytes.replace(b": ping\n\n", b"")


async def happen(stage: Stage, pointer: Pointer, *happened: Event) -> Pointer:
    """What a worker does that brings a run further; where it stands then."""
    begun = await stage.ledger.begin(Delivery(pointer))
    assert begun is not None
    assert await stage.ledger.commit(begun, Advance(tuple(map(seal, happened)), "validate"))
    return stage.ledger.work[pointer.run].pointer


# ------------------------------------------------------------------------------------------ what is sent


async def test_a_stream_begins_at_once_and_its_text_comes_when_the_run_has_ended() -> None:
    stage = Slow()
    async with door(stage) as lines:
        line = lines.post()
        await heard(line, "response.in_progress")
        assert kinds(line) == ["response.created", "response.in_progress"]
        assert line.said[0]["status"] == 200
        assert dict(line.said[0]["headers"])[b"content-type"] == b"text/event-stream"
        await stage.end(await stage.opened(), accepted(TEXT))
        told = spec.check_stream(await whole(line))
        read = await lines.ask("GET", f"/v1/responses/{told[0]['response']['id']}")
    assert "".join(event.get("delta", "") for event in told) == TEXT
    assert told[-1]["response"] == read


async def test_each_event_is_sent_by_itself() -> None:
    stage = Slow()
    async with door(stage) as lines:
        line = lines.post()
        await stage.end(await stage.opened(), accepted(TEXT))
        await whole(line)
    pieces = [message["body"] for message in line.said[1:] if message["body"]]
    assert all(piece.count(b"\n\n") == 1 and piece.endswith(b"\n\n") for piece in pieces)
    assert len(pieces) == len(events(line)) + 1


async def test_a_silent_stream_is_kept_alive_with_comments_that_are_no_events() -> None:
    stage = Slow()
    async with door(stage) as lines:
        line = lines.post()
        await heard(line, "response.in_progress")
        for _ in range(3):
            await stage.naps.end(PULSE_S)
        await happens(lambda: line.bytes.count(b": ping\n\n") == 3)
        await stage.end(await stage.opened(), accepted())
        await line.answering
    assert kinds(line)[-1] == "response.completed"


@pytest.mark.parametrize("failed", [True, False])
async def test_a_run_that_fails_or_is_cancelled_ends_its_stream_with_a_failure(failed: bool) -> None:
    stage = Slow()
    async with door(stage) as lines:
        line = lines.post()
        pointer = await stage.opened()
        await heard(line, "response.in_progress")
        if failed:
            await stage.end(pointer, failure_of("quota"))
        else:
            assert (await lines.ask("POST", f"/v1/responses/{pointer.run}/cancel"))["status"] == "cancelled"
        told = spec.check_stream(await whole(line))
        read = await lines.ask("GET", f"/v1/responses/{pointer.run}")
    assert [event["type"] for event in told[2:]] == ["response.failed"]
    assert told[-1]["response"] == read
    assert read["status"] == ("failed" if failed else "cancelled")


async def test_one_who_asked_for_progress_is_told_what_happens_and_no_word_of_it() -> None:
    stage = Slow()
    async with door(stage) as lines:
        asking, other = lines.post(PROGRESS), lines.post({**STREAM, "model": "chat"})
        await asyncio.gather(*(heard(line, "response.in_progress") for line in (asking, other)))
        pointer = next(row.pointer for row in stage.ledger.work.values() if row.pointer.run in asking.bytes.decode())
        rest = await happen(stage, pointer, *REJECTED)
        await stage.naps.end(WATCH_S)
        await heard(asking, "cuelight:verdict")
        assert kinds(asking)[2:] == ["cuelight:attempt", "cuelight:verdict"]
        await stage.end(rest, accepted(TEXT))
        told = spec.check_stream(await whole(asking))
        assert kinds(other) == ["response.created", "response.in_progress"]
    assert told[4]["verdict"] == "accepted"
    assert DRAFT.encode() not in asking.bytes


async def test_nobody_is_looked_after_whose_stream_has_no_progress_or_is_over() -> None:
    stage = Slow()
    async with door(stage) as lines:
        plain, asking = lines.post(), None
        await heard(plain, "response.in_progress")
        await some_turns()
        assert stage.naps.napping(WATCH_S) == 0
        await stage.end(await stage.opened(), accepted())
        await whole(plain)
        asking = lines.post(PROGRESS)
        await stage.end(await stage.opened(), accepted())
        await whole(asking)
        await stage.naps.end(WATCH_S)
        await some_turns()
        assert stage.naps.napping(WATCH_S) == 0


async def some_turns() -> None:
    """Let everything else go on for a while."""
    for _ in range(100):
        await asyncio.sleep(0)


class Watched(MemoryLedger):
    """A ledger that counts how often runs are viewed, and fails when it is told to."""

    views = 0
    fails_to_view = False
    fails_to_tell = False

    async def view(self, run: str, project: str, /) -> RunView | None:
        self.views += 1
        if self.fails_to_view:
            raise Transient("away", kind="ledger")
        return await super().view(run, project)

    async def happened(self, run: str, generation: int, /) -> Sequence[Envelope]:
        if self.fails_to_tell:
            self.fails_to_tell = False
            raise Transient("away", kind="ledger")
        return await super().happened(run, generation)


async def test_a_run_that_could_not_be_viewed_is_viewed_after_the_next_look() -> None:
    stage = Slow(ledger=(ledger := Watched()))
    async with door(stage) as lines:
        line = lines.post(PROGRESS)
        await heard(line, "response.in_progress")
        await stage.naps.end(WATCH_S)  # the first look wakes whoever is new
        await stage.naps.begun(WATCH_S)
        await some_turns()
        ledger.fails_to_view, before = True, ledger.views
        await happen(stage, await stage.opened(), *REJECTED)
        await stage.naps.end(WATCH_S)
        await happens(lambda: ledger.views > before)
        await some_turns()
        ledger.fails_to_view = False
        await stage.naps.end(WATCH_S)
        await heard(line, "cuelight:verdict")


async def test_events_that_could_not_be_read_are_read_a_moment_later() -> None:
    stage = Slow(ledger=(ledger := Watched()))
    async with door(stage) as lines:
        line = lines.post(PROGRESS)
        await heard(line, "response.in_progress")
        ledger.fails_to_tell = True
        await happen(stage, await stage.opened(), *REJECTED)
        await stage.naps.end(WATCH_S)
        await happens(lambda: not ledger.fails_to_tell)
        while b"cuelight:verdict" not in line.bytes:  # others nap as long as the one that is meant
            await stage.naps.end(AGAIN_S)
            await asyncio.sleep(0)


# ---------------------------------------------------------------------------------------- reading again


async def test_every_replica_reads_the_same_bytes_from_every_point_on() -> None:
    stage = Slow()
    async with door(stage) as one, door(stage, instance="other") as two:
        line = one.post(PROGRESS)
        pointer = await stage.opened()
        await stage.end(await happen(stage, pointer, *REJECTED), accepted(TEXT))
        sent = await whole(line)
        frames = sent.split(b"\n\n")[:-1]
        for replica in (one, two):
            assert await whole(replica.get(pointer.run)) == sent
            for after in range(len(frames)):
                rest = b"".join(frame + b"\n\n" for frame in frames[after + 1 :]) or spec.DONE
                assert await whole(replica.get(pointer.run, after)) == rest


async def test_a_stream_of_an_open_run_goes_on_wherever_it_is_read() -> None:
    stage = Slow()
    async with door(stage) as one, door(stage, instance="other") as two:
        first = one.post(BACKGROUND | {"include": ["cuelight.progress"]})
        pointer = await stage.opened()
        await heard(first, "response.queued")
        first.hang_up()
        rest = await happen(stage, pointer, *REJECTED)
        second = two.get(pointer.run, 1)
        await heard(second, "cuelight:verdict")
        await stage.end(rest, accepted(TEXT))
        for _ in "12":  # the twin rings one door, and that may be the other
            await stage.naps.end(LOOK_S)
        told = await whole(second)
        assert await whole(one.get(pointer.run)) == first.bytes + told
    assert kinds(first) == ["response.created", "response.queued"]


async def test_a_number_that_was_not_reached_yet_is_waited_for() -> None:
    stage = Slow(ledger=(ledger := Watched()))
    async with door(stage) as lines:
        await heard(lines.post(), "response.in_progress")
        pointer, before = await stage.opened(), ledger.views
        line = lines.get(pointer.run, 4)
        await happens(lambda: ledger.views == before + 2)
        await some_turns()
        assert line.bytes == b""
        await stage.end(pointer, accepted(TEXT))
        assert (await whole(line)).startswith(b"event: response.output_text.delta\n")
        assert await whole(lines.get(pointer.run, 900)) == spec.DONE


async def test_a_response_that_was_asked_for_in_another_way_has_a_stream_too() -> None:
    stage = Stage(lambda _: accepted(TEXT))
    async with door(stage) as lines:
        run = (await lines.ask("POST", "/v1/responses", QUESTION))["id"]
        told = spec.check_stream(await whole(lines.get(run)))
    assert "".join(event.get("delta", "") for event in told) == TEXT


async def test_what_a_response_does_not_show_by_itself_can_be_asked_for_when_it_is_read() -> None:
    stage = Stage(lambda _: accepted(TEXT))
    async with stage.client() as client:
        run = (await client.post("/v1/responses", json=QUESTION)).json()["id"]
        read = await client.get(f"/v1/responses/{run}?include[]=file_citation&include=cuelight.progress")
        stream = await client.get(f"/v1/responses/{run}?include[]=file_citation&stream=true")
    assert read.json()["output"][0]["content"][0]["text"] == TEXT
    assert (stream.status_code, stream.json()["error"]["param"]) == (400, "include")


# ------------------------------------------------------------------------------------------ background


async def test_a_run_in_the_background_is_queued_then_in_progress_then_whatever_it_becomes() -> None:
    stage = Slow()
    async with door(stage) as lines:
        first = await lines.ask("POST", "/v1/responses", QUESTION | {"background": True})
        assert (first["status"], first["background"], first["output"]) == ("queued", True, [])
        path = f"/v1/responses/{first['id']}"
        assert await lines.ask("GET", path) == first
        pointer = await stage.opened()
        await happens(stage.waiting)
        rest = await happen(stage, pointer, *REJECTED)
        assert (await lines.ask("GET", path))["status"] == "in_progress"
        await stage.end(rest, accepted(TEXT))
        assert (await lines.ask("GET", path))["status"] == "completed"


class Quick(MemoryLedger):
    """A ledger that shows a run only once it has ended."""

    async def view(self, run: str, project: str, /) -> RunView | None:
        await happens(lambda: run not in self.work)
        return await super().view(run, project)


async def test_a_run_in_the_background_is_taken_in_as_queued_however_quick_it_is() -> None:
    async with Stage(lambda _: accepted(TEXT), ledger=Quick()).client() as client:
        reply = await client.post("/v1/responses", json=QUESTION | {"background": True})
    assert (reply.json()["status"], reply.json()["output"], reply.json()["usage"]) == ("queued", [], None)


async def test_a_stream_in_the_background_says_in_progress_once_it_is_so() -> None:
    stage = Slow()
    async with door(stage) as lines:
        line = lines.post(BACKGROUND)
        await heard(line, "response.queued")
        pointer = await stage.opened()
        assert kinds(line) == ["response.created", "response.queued"]
        assert await stage.ledger.begin(Delivery(pointer)) is not None
        await stage.naps.end(WATCH_S)
        await heard(line, "response.in_progress")


async def test_a_request_in_the_background_that_comes_again_finds_its_run() -> None:
    stage = Slow()
    async with door(stage) as lines:
        keyed = [lines.post(QUESTION | {"background": True}, **key("once")) for _ in "ab"]
        await asyncio.gather(*(line.answering for line in keyed))
        assert len(stage.ledger.runs) == 1
        await some_turns()
        assert sum(stage.waiting().values()) == 1
        pointer = await stage.opened()
        await stage.end(pointer, accepted())
        again = lines.post(QUESTION | {"background": True}, **key("once"))
        await again.answering
    assert keyed[0].bytes == keyed[1].bytes
    assert orjson.loads(again.bytes)["status"] == "completed"


async def test_a_retry_takes_over_no_run_in_the_background_that_its_client_knows() -> None:
    stage = Slow()
    async with door(stage) as lines:
        first = await lines.ask("POST", "/v1/responses", QUESTION | {"background": True})
        await stage.naps.end(GATHER_S)
        await happens(lambda: stage.row().delivered_at is not None)
        again = lines.post(QUESTION | {"background": True}, **AGAIN)
        while not again.answering.done():
            await stage.naps.end(LOOK_AGAIN_S)
            for _ in range(50):
                await asyncio.sleep(0)
    assert orjson.loads(again.bytes)["id"] != first["id"]


async def test_a_run_in_the_background_that_nobody_could_publish_is_left_to_the_relay() -> None:
    stage = Slow()
    stage.reachable = False
    async with door(stage) as lines:
        assert (await lines.ask("POST", "/v1/responses", QUESTION | {"background": True}))["status"] == "queued"
    assert len(stage.ledger.work) == 1


# ------------------------------------------------------------------------- clients that leave and come back


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [(STREAM, {}, "in_progress"), (UNSTORED, {}, "cancelled"), (UNSTORED, key("once"), "in_progress")],
    ids=["stored", "lost", "with a key"],
)
async def test_hanging_up_on_a_stream_cancels_only_what_nobody_can_have(
    body: Any, headers: dict[str, str], status: str
) -> None:
    stage = Slow()
    async with door(stage) as lines:
        line = lines.post(body, **headers)
        await heard(line, "response.in_progress")
        line.hang_up()
        await line.answering
        await happens(lambda: stage.row().status == status)
    assert stage.row().status == status
    assert kinds(line) == ["response.created", "response.in_progress"]


async def test_a_stream_that_is_only_read_may_be_left_at_any_time() -> None:
    stage = Slow()
    async with door(stage) as lines:
        lines.post(BACKGROUND)
        pointer = await stage.opened()
        reading = lines.get(pointer.run)
        await heard(reading, "response.queued")
        reading.hang_up()
        await reading.answering
        assert stage.row().status == "in_progress"


@pytest.mark.parametrize("headers", [key("once"), AGAIN], ids=["with a key", "as a client's own retry"])
async def test_a_request_that_comes_again_gets_the_stream_from_its_beginning(headers: dict[str, str]) -> None:
    stage = Slow()
    async with door(stage) as lines:
        first = lines.post(STREAM, **(headers if headers is not AGAIN else {}))
        pointer = await stage.opened()
        await heard(first, "response.in_progress")
        first.hang_up()
        await first.answering
        if headers is AGAIN:
            await stage.naps.end(GATHER_S)  # until the ledger was told that the first has gone
        again = lines.post(STREAM, **headers)
        await heard(again, "response.in_progress")
        await stage.end(pointer, accepted(TEXT))
        sent = await whole(again)
        assert await whole(lines.get(pointer.run)) == sent
    assert sent.startswith(first.bytes)
    assert len(stage.ledger.runs) == 1


async def test_a_client_that_leaves_in_the_middle_of_a_long_answer_is_sent_no_more_of_it_and_has_not_got_it() -> None:
    stage = Slow()
    async with door(stage) as lines:
        line = lines.post()
        pointer = await stage.opened()
        await stage.end(pointer, accepted(TEXT * 200))
        await heard(line, "response.output_text.delta")
        line.hang_up()
        await line.answering
        assert len(line.said) < 50
        await stage.naps.end(GATHER_S)
        await happens(lambda: stage.row().holder is None)
        assert stage.row().delivered_at is None


async def test_a_stream_that_was_sent_to_its_end_is_delivered() -> None:
    stage = Slow()
    async with door(stage) as lines:
        line = lines.post(UNSTORED)
        await stage.end(await stage.opened(), accepted(TEXT))
        await whole(line)
        await stage.naps.end(GATHER_S)
        await happens(lambda: stage.row().delivered_at is not None)


# --------------------------------------------------------------------------------------- what can break


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (STREAM | {"input": ""}, 400, "invalid_request"),
        (STREAM | {"model": "gpt-9"}, 404, "model_not_found"),
        (STREAM | {"colour": "red"}, 400, "unknown_parameter"),
    ],
)
async def test_what_is_refused_is_refused_as_ever(body: Any, status: int, code: str) -> None:
    async with Stage().client() as client:
        reply = await client.post("/v1/responses", json=body)
    assert (reply.status_code, reply.json()["error"]["code"]) == (status, code)


async def test_a_ledger_that_is_away_before_the_first_byte_is_a_503() -> None:
    stage = Stage()
    stage.ledger.reachable = False
    async with stage.client() as client:
        reply = await client.post("/v1/responses", json=STREAM)
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "unavailable")


async def test_a_ledger_that_goes_away_meanwhile_is_waited_for() -> None:
    stage = Slow()
    async with door(stage) as lines:
        line = lines.post()
        await heard(line, "response.in_progress")
        pointer = await stage.opened()
        await stage.end(pointer, accepted(TEXT))
        stage.ledger.reachable = False
        await stage.naps.end(LOOK_S)
        stage.ledger.reachable = True
        await stage.naps.end(LOOK_S)
        assert spec.check_stream(await whole(line))[-1]["type"] == "response.completed"


async def test_a_process_that_stops_cuts_its_streams_off_and_another_one_goes_on_with_them() -> None:
    stage = Slow()
    closing = asyncio.Event()
    async with door(stage, closing=closing) as one, door(stage) as two:
        line = one.post()
        await heard(line, "response.in_progress")
        closing.set()
        with pytest.raises(RuntimeError, match="response already started"):
            await line.answering
        assert kinds(line) == ["response.created", "response.in_progress"]
        assert "more_body" in line.said[-1]  # nothing said that this was all
        pointer = await stage.opened()
        await stage.naps.end(GATHER_S)
        await happens(lambda: stage.row().holder is None)
        rest = two.get(pointer.run, 1)
        await stage.end(pointer, accepted(TEXT))
        assert line.bytes + await whole(rest) == await whole(two.get(pointer.run))


async def test_an_ending_that_only_a_newer_release_can_read_is_told_as_an_error_without_a_word_about_the_run() -> None:
    stage = Slow()
    async with door(stage) as lines:
        line = lines.post()
        pointer = await stage.opened()
        await heard(line, "response.in_progress")
        begun = await stage.ledger.begin(Delivery(pointer))
        assert begun is not None
        newer = replace(seal(accepted(TEXT)), version=99)
        assert await stage.ledger.commit(begun, Advance((newer,), None, "completed"))
        await stage.ended(pointer.run)
        told = spec.check_stream(await whole(line))
        plain = lines.get(pointer.run)
        await plain.answering
    assert told[-1]["type"] == "error"
    assert (told[-1]["error"]["code"], told[-1]["sequence_number"]) == ("unavailable", 2)
    assert plain.said[0]["status"] == 503


async def test_a_response_that_is_deleted_meanwhile_has_no_more_stream() -> None:
    stage = Slow()
    async with door(stage) as lines:
        line = lines.post()
        pointer = await stage.opened()
        await heard(line, "response.in_progress")
        await lines.ask("DELETE", f"/v1/responses/{pointer.run}")
        told = spec.check_stream(await whole(line))
        gone = lines.get(pointer.run)
        await gone.answering
    assert told[-1]["type"] in ("error", "response.failed")
    assert gone.said[0]["status"] == 404


async def test_a_run_that_does_not_end_in_time_is_told_as_an_error_that_names_where_to_go_on() -> None:
    stage = Slow()
    async with door(stage) as lines:
        line = lines.post()
        pointer = await stage.opened()
        await heard(line, "response.in_progress")
        await stage.naps.end(DEADLINE_S)
        told = spec.check_stream(await whole(line))
    assert (told[-1]["type"], told[-1]["error"]["code"]) == ("error", "timeout")
    assert f"GET /v1/responses/{pointer.run}" in told[-1]["error"]["message"]
    assert GRACE_S < DEADLINE_S


async def test_a_stream_that_waits_for_its_ledger_before_its_first_event_is_kept_alive() -> None:
    stage = Slow(ledger=(ledger := Watched()))
    async with door(stage) as lines:
        ledger.fails_to_view = True
        line = lines.post()
        pointer = await stage.opened()
        await stage.naps.end(PULSE_S)
        await happens(lambda: line.bytes == b": ping\n\n")
        ledger.fails_to_view = False
        await stage.end(pointer, accepted(TEXT))
        assert kinds(line)[:1] in ([], ["response.created"])
        assert spec.check_stream(await whole(line))[-1]["type"] == "response.completed"
