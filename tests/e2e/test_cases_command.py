"""Runs of the real service as cases: exported, replayed as recorded, refused where they may not stay."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from agent.adapters.ledger.cases import case_rows
from agent.cases import dumped, loads, made
from agent.cases.redaction import Redaction
from agent.cases.sensitive import PERSONAL
from agent.testing.replaying import replay
from tests.e2e.desk import Desk
from tests.e2e.house import RIGHT, WRONG, House, Open
from tests.e2e.test_structured_answers import client

LINES: list[Any] = [
    {"contains": "is right", "answer": RIGHT},
    {"contains": "is repaired", "times": 1, "answer": WRONG},
    {"contains": "automatic check", "times": 1, "answer": RIGHT},
    {"contains": "is limited", "times": 2, "fault": {"kind": "rate_limited", "retry_after": "0.2"}},
    {"contains": "is limited", "answer": RIGHT},
    {"contains": "is broken", "times": 2, "fault": "server_error"},
    {"contains": "is broken", "answer": RIGHT},
    {"contains": "is cut", "fault": "cut_json"},
    {"contains": "is refused", "fault": "refusal"},
    {"contains": "is bad", "fault": "bad_request"},
    {"contains": "is late", "fault": {"kind": "hang"}},
    {"contains": "goes on", "answer": "Gladly, write to ada@lamps.example."},
]
DOCUMENTS = ["is right", "is repaired", "is limited", "is broken", "is cut", "is refused", "is bad"]
AGENTS = {"documents": "agent.agents:documents", "chat": "agent.agents:chat", "hasty": "tests.e2e.company:hasty"}


async def runs(it: House, http: Any) -> None:
    """Runs that end in every way."""
    asked = [http.post("/v1/responses", json={"model": "documents", "input": f"This {words}."}) for words in DOCUMENTS]
    await asyncio.gather(*asked, http.post("/v1/responses", json={"model": "hasty", "input": "This is late."}))
    first = (await http.post("/v1/responses", json={"model": "chat", "input": "This goes on."})).json()
    again = {"model": "chat", "input": "It goes on.", "previous_response_id": first["id"]}
    assert (await http.post("/v1/responses", json=again)).json()["status"] == "completed"
    hung = {"model": "documents", "input": "This is late.", "background": True}
    late = (await http.post("/v1/responses", json=hung)).json()["id"]
    assert (await http.post(f"/v1/responses/{late}/cancel")).json()["status"] == "cancelled"


async def test_every_run_of_the_service_replays_as_it_was_recorded(house: Open, tmp_path: Path) -> None:
    async with house(*LINES) as it, it.worker(), it.door() as http:
        async with client(it, str(http.base_url).rstrip("/")):
            await runs(it, http)
        rows = await it.pool.fetch("select id, status, agent, store from runs order by created_at, id")
        assert len(rows) == 11 and {row["status"] for row in rows} == {"completed", "failed", "cancelled"}
        for row in rows:
            kept = await case_rows(it.pool, row["id"])
            assert kept is not None
            case = loads(dumped(made(kept)))
            done = await replay(case, AGENTS[row["agent"]])
            assert done.as_recorded, (
                row["status"],
                case.request,
                done.missing and done.missing.unlike,
                done.difference,
            )
            other = Redaction(b"salt", PERSONAL)(case)
            assert "ada@lamps" not in dumped(other).decode()
            done = await replay(other, AGENTS[row["agent"]])
            assert done.as_recorded, (done.missing and done.missing.unlike, done.difference)
        await commands(it, rows, tmp_path)


async def commands(it: House, rows: list[Any], folder: Path) -> None:
    desk = Desk(it.urls, it.settings.redis_prefix, folder, it.pool, it.redis)
    run = next(row["id"] for row in rows if row["agent"] == "chat")
    path = folder / "one.case.json"
    exported = await desk.run("export", run, "--out", str(path), "--redact", CUELIGHT_REDACT="Gladly")
    assert exported.code == 0 and "replaced: 1 email, 1 pattern" in exported.err.replace("\n", ""), exported.err
    assert "Gladly" not in path.read_text() and '"spec": "agent.agents:chat"' in path.read_text()
    nowhere = {"CUELIGHT_DATABASE_URL": "postgres://127.0.0.1:1/x", "CUELIGHT_REDIS_URL": "redis://127.0.0.1:1"}
    replayed = await desk.run("replay", str(path), "--as-recorded", **nowhere)
    assert (replayed.code, "as recorded: 4 events" in replayed.out) == (0, True), replayed.out + replayed.err
    assert (await desk.run("replay", run, "--as-recorded", "--json")).json["as_recorded"] is True

    path.write_text(path.read_text().replace("This goes on", "This goes off"))
    other = await desk.run("replay", str(path), "--as-recorded", **nowhere)
    assert other.code == 1 and "there is no recording of it" in other.out

    small = await desk.run("export", run, "--out", "-", "--most-mb", "0.001")
    assert small.code == 1 and "--most-mb" in small.err
    assert (await desk.run("export", "resp_none")).code == 4
    assert (await desk.run("export", run, "--redact", CUELIGHT_REDACT="(")).code == 3
    await it.pool.execute("update runs set purge_asked_at = now() where id = $1", run)
    gone = await desk.run("export", run)
    assert gone.code == 1 and "cannot be exported: it" in gone.err.replace("\n", " ")  # was deleted, or emptied by now


@pytest.mark.parametrize("text", ["{}", "{"])
async def test_a_file_that_is_no_case_is_refused(text: str, tmp_path: Path, house: Open) -> None:
    path = tmp_path / "no.case.json"
    path.write_text(text)
    async with house() as it:
        desk = Desk(it.urls, it.settings.redis_prefix, tmp_path, it.pool, it.redis)
        refused = await desk.run("replay", str(path), "--as-recorded")
        assert refused.code == 1 and "is no case" in refused.err.replace("\n", " ")
