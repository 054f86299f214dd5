"""Projects on the whole house: the same documents' names, guessed ids, two replicas, and a Redis that forgets."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import orjson
from openai import AsyncOpenAI

from agent.access import KEY_BEGINS, Limits, NewKey, Project, hashed, mint
from agent.adapters.ledger.access import PostgresAccess
from agent.adapters.retrieval.ingest import ingest
from agent.adapters.retrieval.library import Library
from tests.e2e.house import PAGE, QUESTION, RIGHT, House, Open, until
from tests.e2e.shelves import write

THEIRS = "# Warranty\n\nThe lamp comes with a warranty of nine years, says the heron. It is a secret of acme.\n"
ANSWER = {
    "answer": "The lamp comes with a warranty of nine years.",
    "citations": [{"passage_id": "p1", "quote": "a warranty of nine years"}],
    "no_answer": False,
}
SECRETS = ("nine years", "heron", "secret of acme")


async def key_of(house: House, project: str, **limits: Any) -> dict[str, str]:
    """The headers of a new key."""
    access, (text, id, hint) = PostgresAccess(house.pool), mint()
    assert await access.create_key(NewKey(id, project, "", "user", hint, hashed(text), Limits(**limits)), "ann")
    return {"authorization": f"Bearer {text}"}


async def test_two_projects_with_the_same_documents_names_see_nothing_of_one_another(house: Open) -> None:
    async with house({"answer": ANSWER, "times": 1}, {"answer": RIGHT}) as it, it.door() as client, it.worker():
        access = PostgresAccess(it.pool)
        assert await access.create_project(Project("acme", "Acme"), "ann")
        await ingest(Library(it.pool), [write(it.settings.data_dir / "theirs", warranty=THEIRS)], project="acme")
        acme, other = await key_of(it, "acme"), await key_of(it, "default")
        once = {"idempotency-key": "order-17"}
        theirs = (await client.post("/v1/responses", json=QUESTION, headers=acme | once)).json()
        assert theirs["status"] == "completed" and "nine years" in str(theirs)
        mine = await client.post("/v1/responses", json=QUESTION, headers=other | once)
        assert mine.json()["status"] == "completed", mine.text
        assert mine.json()["id"] != theirs["id"]
        url = theirs["output"][0]["content"][0]["annotations"][0]["url"]
        page = await client.get(url)
        assert page.status_code == 200 and "heron" in page.text
        passage = httpx.URL(url).path
        run = f"/v1/responses/{theirs['id']}"
        seen = [
            mine,
            *[
                await client.get(path, headers=other)
                for path in (run, f"{run}?stream=true", f"{run}/input_items", passage)
            ],
        ]
        seen.append(await client.post(f"/v1/responses/{theirs['id']}/cancel", headers=other))
        seen.append(await client.delete(f"/v1/responses/{theirs['id']}", headers=other))
        after = QUESTION | {"model": "chat", "previous_response_id": theirs["id"]}
        seen.append(await client.post("/v1/responses", json=after, headers=other))
        item = {"type": "item_reference", "id": theirs["output"][0]["id"]}
        asking = QUESTION | {"model": "chat", "input": [item, {"role": "user", "content": "What was that?"}]}
        seen.append(await client.post("/v1/responses", json=asking, headers=other))
        seen.append(await client.get(passage))
        seen.append(await client.get(url.replace("project=acme", "project=default")))
        assert [reply.status_code for reply in seen] == [200, 404, 404, 404, 404, 404, 404, 400, 400, 401, 404]
        for reply in seen:
            assert not [word for word in SECRETS if word in reply.text], reply.text
        again = await client.get(f"/v1/responses/{theirs['id']}", headers=acme)
        assert again.json() == theirs
        asked = [str(call) for call in await it.model.log()]
        assert "heron" in asked[0] and "heron" not in asked[1]


async def test_a_request_chooses_collections_of_its_own_project_and_documents_in_them(house: Open) -> None:
    async with house({"answer": RIGHT}) as it, it.door() as client, it.worker():
        await PostgresAccess(it.pool).create_project(Project("acme", "Acme"), "ann")
        library, folder = Library(it.pool), it.settings.data_dir
        await ingest(library, [write(folder / "theirs", warranty=THEIRS)], project="acme", collection="secret")
        old = write(folder / "old", warranty="---\nyear: 2020\n---\n" + THEIRS, lamp="---\nyear: 2026\n---\n" + PAGE)
        await ingest(library, [old], collection="handbook")
        mine, openai = await key_of(it, "default"), AsyncOpenAI(base_url=f"{client.base_url}/v1", api_key="none")

        async def ask(*collections: str, **more: Any) -> Any:
            tool = {"type": "file_search", "vector_store_ids": list(collections), **more}
            return await openai.responses.create(**QUESTION, tools=[tool], extra_headers=mine)  # type: ignore[call-overload]

        recent = {"type": "gte", "key": "year", "value": 2024}
        answer = await ask("handbook", filters=recent, max_num_results=3)
        assert answer.output_text == RIGHT["answer"]
        assert answer.tools[0].vector_store_ids == ["handbook"]
        assert answer.tools[0].filters.value == 2024
        (asked,) = [str(call["body"]) for call in await it.model.log()]
        assert "two years" in asked and "heron" not in asked
        found = orjson.loads(await it.pool.fetchval("select data from events where type = 'passages.found'"))
        assert (found["collection"], len(found["passages"]), "more" in found) == ("handbook", 1, False)

        assert (await ask("default", "handbook")).status == "completed"
        assert "heron" in str((await it.model.log())[-1]["body"])  # acme's own page stands in this handbook too

        counted = await it.pool.fetchval("select count(*) from runs")
        for name in ("secret", "handbuch"):
            for path in ("/v1/responses", "/v1/responses/input_tokens"):
                body = QUESTION | {"tools": [{"type": "file_search", "vector_store_ids": ["default", name]}]}
                refused = await client.post(path, json=body, headers=mine)
                assert refused.status_code == 400
                assert refused.json()["error"]["message"] == f"tools: there is no collection '{name}'"
        assert await it.pool.fetchval("select count(*) from runs") == counted
        await openai.close()


async def test_replicas_share_one_limit_and_a_wipe_of_redis_opens_no_gap(house: Open) -> None:
    async with house() as it, it.door() as one, it.door() as two:
        await PostgresAccess(it.pool).create_project(Project("acme", limits=Limits(requests_per_min=6)), "ann")
        acme = await key_of(it, "acme")
        body = QUESTION | {"background": True}

        async def asked(times: int) -> list[int]:
            doors = [one, two] * (times // 2)
            replies = await asyncio.gather(*(door.post("/v1/responses", json=body, headers=acme) for door in doors))
            return sorted(reply.status_code for reply in replies)

        assert await asked(4) == [200] * 4
        await it.redis.flushall()
        assert await asked(10) == [200] * 2 + [429] * 8
        assert await it.pool.fetchval("select count(*) from runs where project_id = 'acme'") == 6


async def test_a_revoked_key_stops_working_at_every_replica(house: Open) -> None:
    async with house() as it, it.door() as one, it.door() as two:
        keys = PostgresAccess(it.pool)
        headers = await key_of(it, "default")
        for door in (one, two):
            assert (await door.get("/v1/models", headers=headers)).status_code == 200
        (key,) = (await keys.book()).keys
        await keys.revoke_key(key.id, 0, "ann")
        for door in (one, two):

            async def refused(door: httpx.AsyncClient = door) -> bool:
                return (await door.get("/v1/models", headers=headers)).status_code == 401

            await until(refused)


async def test_no_key_stands_in_anything_that_is_kept_told_or_logged(house: Open, capfd: Any) -> None:
    async with house({"answer": RIGHT}) as it, it.door() as client, it.worker():
        headers = await key_of(it, "default")
        secret = headers["authorization"].partition(KEY_BEGINS)[2]  # a random part may itself hold a dash
        assert len(secret) > 30
        assert (await client.post("/v1/responses", json=QUESTION, headers=headers)).json()["status"] == "completed"
        wrong = {"authorization": headers["authorization"] + "x"}
        assert (await client.post("/v1/responses", json=QUESTION, headers=wrong)).status_code == 401
        for table in ("runs", "events", "calls", "attempts", "audit", "api_keys", "work", "instances"):
            rows = await it.pool.fetch(f"select ({table}.*)::text as row from {table}")  # noqa: S608  # names of ours
            assert not [row for row in rows if secret in row["row"]], table
        assert secret.encode() not in it.sent
        assert secret not in str(await it.model.log())
    told = capfd.readouterr()
    assert "request" in told.out + told.err
    assert secret not in told.out + told.err


async def test_work_that_nobody_takes_keeps_new_requests_out_until_somebody_does(house: Open) -> None:
    async with house() as it, it.door() as client:
        body = QUESTION | {"background": True}

        async def asked(status: int) -> httpx.Response | None:
            reply = await client.post("/v1/responses", json=body)
            return reply if reply.status_code == status else None

        assert await asked(200)
        await it.pool.execute("update work set due_at = due_at - interval '60 seconds'")
        refused = await until(lambda: asked(503))
        assert refused.json()["error"]["code"] == "overloaded"
        assert refused.headers["retry-after"] == "5"
        await it.pool.execute("update work set deliveries = 1")
        await until(lambda: asked(200))
