"""Secrets in headers, settings, tool arguments and documents of the running service stand in nothing it passes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from agent import Agent, tool
from agent.adapters.retrieval.ingest import ingest
from agent.adapters.retrieval.library import Library
from tests.e2e.desk import Desk
from tests.e2e.house import QUOTE, RIGHT, House, Open
from tests.e2e.shelves import write

OF_HEADERS = {
    "cookie": "sid=8fj2Kd01mPq7",
    "x-api-key": "Qm4-shop-7731-zt",
    "proxy-authorization": "Basic c2hvcDo3NzMx",
}
OF_SETTINGS = {
    "CUELIGHT_MODEL_API_KEY": "plum harbour 41 lantern",
    "MODEL_M3_KEY": "m3.kk-0912-ozone",
    "SHOP_TOKEN": "oxbow-5-tin",
}
OF_ARGUMENTS = {"api_key": "hunter2hunter2", "password": "kite 99 grove"}
OF_RESULTS = "mF_9.B5f-4.1JqM88"
OF_DOCUMENTS = ("sk-proj-Zm9vYmFyMTIzNDU2Nzg5", "AKIAIOSFODNN7EXAMPLE", "s3cretPa55", "violet-2-anchor-8")
PAGE = f"""# Warranty of the safe

The lamp comes with {QUOTE}. The key of the warranty desk is {OF_DOCUMENTS[0]}, its store's {OF_DOCUMENTS[1]},
its ledger postgres://desk:{OF_DOCUMENTS[2]}@db/warranty, and the lamp's password: {OF_DOCUMENTS[3]}
"""


class Door(BaseModel):
    api_key: str
    password: str


@tool(retries=0)
async def open_safe(door: Door) -> str:
    """Open the safe."""
    return f"Opened with Authorization: Bearer {OF_RESULTS} for {door.api_key}."


keeper = Agent(name="keeper", prompt="chat", models=("keeper",), tools=(open_safe,))

CALL = {"id": "call_1", "function": {"name": "open_safe", "arguments": json.dumps(OF_ARGUMENTS)}}
TELLS = f"Opened with {OF_ARGUMENTS['api_key']}, {OF_DOCUMENTS[0]} and Bearer {OF_RESULTS}."
LINES: list[Any] = [
    {"model": "keeper", "prompt": "chat", "attempt": 1, "tool_calls": [CALL]},
    {"model": "keeper", "answer": TELLS},
    {"contains": "is refused", "answer": f"My key is {OF_SETTINGS['SHOP_TOKEN']}."},
    {"answer": RIGHT},
]


def planted() -> Iterator[str]:
    for header in OF_HEADERS.values():
        yield header.split()[-1].removeprefix("sid=")
    yield from (*OF_SETTINGS.values(), *OF_ARGUMENTS.values(), OF_RESULTS, *OF_DOCUMENTS)


async def asked(it: House, key: str) -> list[str]:
    headers = {**OF_HEADERS, "authorization": f"Bearer {key}"}
    async with it.door() as http:

        async def ask(agent: str, words: str) -> str:
            body = {"model": agent, "input": f"How long is the warranty of the lamp? It {words}."}
            reply = await http.post("/v1/responses", json=body, headers=headers)
            assert reply.status_code == 200, reply.text
            return str(reply.json()["id"])

        return [
            await ask("keeper", "is safe"),
            await ask("documents", "is right"),
            await ask("documents", "is refused"),
        ]


async def exported(desk: Desk, runs: list[str], **more: str) -> dict[str, str]:
    """Everything that commands print and write of these runs, by the command."""
    told: dict[str, str] = {}

    async def say(*words: str, may: tuple[int, ...] = (0,)) -> None:
        done = await desk.run(*words, **more)
        assert done.code in may, (words, done.out, done.err)
        told[" ".join(words)] = done.out + done.err

    for number, run in enumerate(runs):
        folder = desk.folder / str(number)
        folder.mkdir()
        await say("export", run, "-o", str(folder / "one.case.json"))
        await say("export", run, "--trace", str(folder / "one.trace.jsonl"))
        await say("make-test", run, "--dir", str(folder), "--name", "kept")
        await say("replay", run, "--as-recorded", "--json")
        await say("replay", run, "--what-if", "--prompt", "chat", "-o", str(folder / "if.case.json"), may=(0, 1))
    written = [path for path in desk.folder.rglob("*") if path.is_file()]
    assert len(written) >= 5 * len(runs), written
    return told | {str(path): path.read_text() for path in written}


async def test_what_was_planted_is_in_no_export_test_trace_or_replay(house: Open, tmp_path: Path) -> None:
    agents = f"agent.agents:documents,{__name__}:keeper"
    key, token = OF_SETTINGS["CUELIGHT_MODEL_API_KEY"], OF_SETTINGS["SHOP_TOKEN"]
    async with house(*LINES, agent=agents, models="m1,keeper", model_api_key=key) as it:
        await ingest(Library(it.pool), [write(it.settings.data_dir / "more", safe=PAGE)])
        desk = Desk(it.urls, it.settings.redis_prefix, tmp_path, it.pool, it.redis)
        own = (await desk.run("keys", "create")).out.strip()
        async with it.worker():
            runs = await asked(it, own)
        kept = str(await it.pool.fetch("select events.*::text, calls.*::text from events, calls"))
        found = await exported(desk, runs, CUELIGHT_AGENT=agents, **OF_SETTINGS)
    assert all(secret in kept for secret in (*OF_DOCUMENTS, *OF_ARGUMENTS.values(), OF_RESULTS, token)), "it was there"
    for secret in (own, own.split("-", 2)[2], *planted()):
        assert [name for name, text in found.items() if secret in text] == [], secret
