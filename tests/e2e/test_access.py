"""Keys at the door: who comes in, as whom, and what they see."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import httpx2
import openai
import pytest
from starlette.routing import BaseRoute, Route

from agent.access import Key, Limits, NewKey, Project, Role, hashed, mint
from agent.errors import Transient
from agent.events import Citation
from agent.ports import StoredPassage
from agent.settings import NameSettings
from agent.testing.access import MemoryAccess
from api.access import Gate
from api.app import create_app
from api.keyring import GAP_S, STALE_S, Keyring
from tests.naps import Naps
from tests.stage import QUESTION, Stage, accepted

MARK = "The heron keeps acme's ledger."
CITATION = Citation(
    answer_start=0,
    answer_end=10,
    passage_id="psg_acme",
    document_id="doc_1",
    title="Terms",
    source="terms.md",
    passage_start=4,
    passage_end=13,
    quote="two years",
)


def passage(id: str, project: str) -> StoredPassage:
    text = f"The words of {project} alone."
    return StoredPassage(id, project, "default", f"doc_{project}", "Terms", "terms.md", None, text, True)


async def issue(access: MemoryAccess, project: str = "default", role: Role = "user", **more: Any) -> tuple[str, str]:
    """A new key of a project, and its id."""
    text, id, hint = mint()
    assert await access.create_key(NewKey(id, project, "test", role, hint, hashed(text), **more), "ann")
    return text, id


def auth(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


@asynccontextmanager
async def two_projects(stage: Stage) -> AsyncIterator[tuple[httpx.AsyncClient, dict[str, str], dict[str, str]]]:
    """A client of a door with keys, and the headers of two projects."""
    for project in ("acme", "other"):
        await stage.access.create_project(Project(project), "ann")
        stage.ledger.passages[f"psg_{project}"] = passage(f"psg_{project}", project)
    (acme, _), (other, _) = await issue(stage.access, "acme"), await issue(stage.access, "other")
    async with stage.client() as client:
        yield client, auth(acme), auth(other)


# ------------------------------------------------------------------------------------------------ the lock


async def test_without_a_key_on_record_everybody_on_this_machine_comes_in() -> None:
    stage = Stage(lambda _: accepted())
    async with stage.client() as client:
        assert (await client.post("/v1/responses", json=QUESTION)).status_code == 200
    (run,) = stage.ledger.runs.values()
    assert (run.new.project, run.new.key) == ("default", None)


async def test_once_there_is_a_key_nobody_comes_in_without_a_good_one() -> None:
    stage = Stage(lambda _: accepted())
    key, id = await issue(stage.access)
    async with stage.client() as client:
        wrong = [
            {},
            auth("cue-000000000000-wrong"),
            auth(key[:-1]),
            auth(key + "x"),
            auth("é" * 20),
            {"authorization": key},
            {"authorization": f"Basic {key}"},
            {"authorization": "Bearer "},
            {"authorization": f"Bearer {'x' * 5000}"},
        ]
        for headers in wrong:
            raw = [(name.encode(), value.encode()) for name, value in headers.items()]
            reply = await client.post("/v1/responses", json=QUESTION, headers=raw)
            error = reply.json()["error"]
            assert (reply.status_code, error["code"], error["type"]) == (
                401,
                "invalid_api_key",
                "invalid_request_error",
            )
            assert set(error) == {"message", "type", "param", "code"}
            assert reply.headers["www-authenticate"] == "Bearer"
            assert reply.headers["x-should-retry"] == "false"
            assert reply.headers["x-request-id"]
            assert key not in reply.text
        assert not stage.ledger.runs
        assert (await client.post("/v1/responses", json=QUESTION, headers=auth(key))).status_code == 200
    (run,) = stage.ledger.runs.values()
    assert run.new.key == id


async def test_the_very_first_key_is_known_at_once_as_what_it_is() -> None:
    stage = Stage(lambda _: accepted())
    async with stage.client() as client:
        assert (await client.post("/v1/responses", json=QUESTION)).status_code == 200
        await stage.access.create_project(Project("acme"), "ann")
        key, _ = await issue(stage.access, "acme")
        assert (await client.post("/v1/responses", json=QUESTION, headers=auth(key))).status_code == 200
        assert (await client.post("/v1/responses", json=QUESTION)).status_code == 401
    assert [row.new.project for row in stage.ledger.runs.values()] == ["default", "acme"]


async def test_openais_client_raises_what_its_users_expect() -> None:
    stage = Stage(lambda _: accepted())
    await stage.access.create_project(Project("acme", limits=Limits(requests_per_min=1)), "ann")
    key, _ = await issue(stage.access, "acme")
    app = create_app(stage.door)
    async with app.router.lifespan_context(app), httpx2.AsyncClient(transport=httpx2.ASGITransport(app)) as wire:
        made: dict[str, Any] = {"base_url": "http://door.test/v1", "http_client": wire, "max_retries": 0}
        with pytest.raises(openai.AuthenticationError) as shut:
            await openai.AsyncOpenAI(api_key="wrong", **made).responses.create(input="Hello?")
        client = openai.AsyncOpenAI(api_key=key, **made)
        reply = await client.responses.with_raw_response.create(input="Hello?")
        with pytest.raises(openai.RateLimitError) as limited:
            await client.responses.create(input="Hello?")
    assert shut.value.code == "invalid_api_key" and shut.value.request_id
    assert reply.headers["x-ratelimit-remaining-requests"] == "0"
    assert limited.value.code == "rate_limit_exceeded"


async def test_paths_that_are_not_there_want_a_key_too_and_health_wants_none() -> None:
    stage = Stage()
    await issue(stage.access)
    async with stage.client() as client:
        assert (await client.get("/v1/nothing")).status_code == 401
        assert (await client.get("/v1/models")).status_code == 401
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/readyz")).status_code == 200


async def test_figures_are_told_on_this_machine_and_to_operators() -> None:
    stage = Stage()
    (user, _), (operator, _) = await issue(stage.access), await issue(stage.access, role="operator")
    app = create_app(stage.door)
    async with app.router.lifespan_context(app):

        async def asked(address: str, **headers: str) -> int:
            wire = httpx.ASGITransport(app, client=(address, 1))
            async with httpx.AsyncClient(transport=wire, base_url="http://door.test", headers=headers) as client:
                return (await client.get("/metrics")).status_code

        assert await asked("127.0.0.1") == 200
        assert await asked("::1") == 200
        assert await asked("127.0.0.1", **{"x-forwarded-for": "203.0.113.9"}) == 401
        assert await asked("203.0.113.9") == 401
        assert await asked("203.0.113.9", **auth(user)) == 403
        assert await asked("203.0.113.9", **auth(operator)) == 200


async def test_a_websocket_is_turned_away_without_a_key() -> None:
    stage = Stage()
    await issue(stage.access)
    sent: list[Any] = []

    async def behind(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("it came through")

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/v1/responses", "headers": []}
    await Gate(behind, Keyring(stage.access))(scope, None, send)  # type: ignore[arg-type]
    assert sent == [{"type": "websocket.close", "code": 1008}]


async def test_every_reply_has_safe_headers_and_says_that_tls_is_wanted_only_where_it_is_set() -> None:
    stage = Stage()
    await issue(stage.access)
    behind_tls = replace(stage.door, settings=stage.door.settings.model_copy(update={"hsts_s": 600}))
    for door, hsts in ((stage.door, None), (behind_tls, "max-age=600")):
        app = create_app(door)
        wire = httpx.ASGITransport(app)
        async with app.router.lifespan_context(app), httpx.AsyncClient(transport=wire, base_url="http://d") as client:
            for path in ("/v1/models", "/nowhere", "/healthz", "/passages/psg_1"):
                headers = (await client.get(path, headers={"accept": "text/html"})).headers
                assert headers["x-content-type-options"] == "nosniff"
                assert headers["referrer-policy"] == "no-referrer"
                assert headers["x-frame-options"] == "DENY"
                assert "default-src 'none'" in headers["content-security-policy"]
                assert headers.get("strict-transport-security") == hsts


# ------------------------------------------------------------------------------------------------ rotation


async def test_a_new_key_is_good_at_once_and_a_revoked_one_bad_within_seconds() -> None:
    stage = Stage(lambda _: accepted())
    old, old_id = await issue(stage.access)
    now, naps = [100.0], Naps()
    ring = Keyring(stage.access, sleep=lambda s: naps(s) if s >= 1 else _at_once(), clock=lambda: now[0])
    assert await ring.find(old)
    new, _ = await issue(stage.access)
    assert await ring.find(new)
    await stage.access.revoke_key(old_id, 0, "ann")
    now[0] += STALE_S + 0.1
    assert await ring.find(old) is None
    assert await ring.find(new)


async def test_a_key_with_a_grace_is_good_until_the_grace_is_over_without_another_look() -> None:
    stage = Stage()
    key, id = await issue(stage.access)
    await stage.access.revoke_key(id, 2, "ann")
    now = [100.0]
    ring = Keyring(stage.access, clock=lambda: now[0])
    assert await ring.find(key)
    now[0] += 2
    stage.ledger.clock.advance(2)
    assert await ring.find(key) is None


async def test_strangers_who_knock_together_share_their_looks() -> None:
    looks = 0

    class Counted(MemoryAccess):
        async def version(self) -> str:
            nonlocal looks
            looks += 1
            return await super().version()

    access = Counted(Stage().ledger)
    await issue(access)
    ring, naps = Keyring(access), Naps()
    await ring.look()
    held = Keyring(access, sleep=naps)
    await held.look()
    looks = 0
    knocking = [asyncio.create_task(held.find(f"wrong-{n}")) for n in range(50)]
    await naps.end(GAP_S)
    assert await asyncio.gather(*knocking) == [None] * 50
    assert looks == 1


async def test_a_ledger_that_is_away_is_a_503_and_never_a_401() -> None:
    stage = Stage(lambda _: accepted())
    key, _ = await issue(stage.access)
    async with stage.client() as client:
        assert (await client.get("/v1/models", headers=auth(key))).status_code == 200
        stage.ledger.reachable = False
        assert (await client.get("/v1/models", headers=auth("unknown"))).status_code == 503
        reply = await client.post("/v1/responses", json=QUESTION, headers=auth(key))
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "unavailable")


async def test_a_keyring_that_has_not_been_read_lets_nobody_in() -> None:
    stage = Stage()
    key, _ = await issue(stage.access)
    stage.ledger.reachable = False
    ring = Keyring(stage.access)
    with pytest.raises(Transient):
        await ring.find(key)


async def test_what_was_read_too_long_ago_lets_nobody_in_while_the_ledger_is_away() -> None:
    stage = Stage()
    key, _ = await issue(stage.access)
    now = [0.0]
    ring = Keyring(stage.access, clock=lambda: now[0])
    assert await ring.find(key)
    stage.ledger.reachable = False
    assert await ring.find(key)
    now[0] += STALE_S + 0.1
    with pytest.raises(Transient):
        await ring.find(key)


async def _at_once() -> None: ...


# ------------------------------------------------------------------------------------------------ scope


async def test_no_route_shows_one_project_anything_of_another() -> None:
    """Every route, with ids that the other project would have to guess: as if they had never been given out."""
    stage = Stage(lambda _: accepted(MARK, citations=(CITATION,)))
    async with two_projects(stage) as (client, acme, other):
        asked = QUESTION | {"metadata": {"secret": MARK}, "input": MARK}
        mine = (await client.post("/v1/responses", json=asked, headers=acme)).json()
        opened, nobody = await stage_open(stage, "acme"), "resp_" + "0" * 32
        probes = [probe async for probe in walked(create_app(stage.door).routes)]
        assert ("POST", "/v1/responses/{id}/cancel") in probes and ("GET", "/passages/{id}") in probes
        for method, path in probes:
            for theirs, absent in ((mine["id"], nobody), (opened, nobody), ("psg_acme", "psg_nobody")):
                found = await client.request(method, path.replace("{id}", theirs), headers=other)
                missed = await client.request(method, path.replace("{id}", absent), headers=other)
                assert MARK not in found.text and "words of acme" not in found.text, (method, path)
                if "{id}" in path:
                    refused = 403 if path.endswith("/approval") else 404  # these keys are no operators'
                    assert found.status_code == missed.status_code == refused, (method, path)
                    assert found.text.replace(theirs, absent) == missed.text, (method, path)
        assert stage.ledger.runs[opened].status == "in_progress"
        assert (await client.get(f"/v1/responses/{mine['id']}", headers=acme)).json() == mine
        assert (await client.get("/passages/psg_acme", headers=acme)).status_code == 200


async def walked(routes: Sequence[BaseRoute]) -> AsyncIterator[tuple[str, str]]:
    """Each method and path of the application; those that open a run need a body, and are tried by themselves."""
    for route in routes:
        assert isinstance(route, Route)
        for method in sorted(route.methods or ()):
            yield method, route.path


async def stage_open(stage: Stage, project: str) -> str:
    """An open run of a project."""
    first = next(iter(stage.ledger.runs.values())).new
    run = replace(first, id="resp_" + "1" * 32, project=project, once=None)
    await stage.ledger.open(run)
    return run.id


async def test_a_conversation_goes_on_in_its_own_project_only() -> None:
    stage = Stage(lambda _: accepted(MARK))
    async with two_projects(stage) as (client, acme, other):
        mine = (await client.post("/v1/responses", json=QUESTION, headers=acme)).json()
        after, absent = QUESTION | {"previous_response_id": mine["id"]}, QUESTION | {"previous_response_id": "resp_0"}
        for path in ("/v1/responses", "/v1/responses/input_tokens"):
            assert (await client.post(path, json=after, headers=acme)).status_code == 200
            theirs = await client.post(path, json=after, headers=other)
            nobodys = await client.post(path, json=absent, headers=other)
            assert theirs.status_code == nobodys.status_code == 400
            assert theirs.json()["error"]["code"] == "previous_response_not_found"
            assert theirs.text.replace(mine["id"], "resp_0") == nobodys.text


async def test_an_idempotency_key_means_a_run_of_its_own_in_each_project() -> None:
    stage = Stage(lambda _: accepted())
    async with two_projects(stage) as (client, acme, other):
        key = {"idempotency-key": "order-17"}
        one = (await client.post("/v1/responses", json=QUESTION, headers=acme | key)).json()
        two = (await client.post("/v1/responses", json=QUESTION, headers=other | key)).json()
        again = (await client.post("/v1/responses", json=QUESTION, headers=acme | key)).json()
    assert one["id"] != two["id"]
    assert one == again


async def test_a_retry_without_a_key_never_finds_a_run_of_another_project() -> None:
    stage = Stage(lambda _: accepted())
    async with two_projects(stage) as (client, acme, other):
        await client.post("/v1/responses", json=QUESTION, headers=acme)
        (first,) = stage.ledger.runs.values()
        first.delivered_at = None
        await client.post("/v1/responses", json=QUESTION, headers=other | {"x-stainless-retry-count": "1"})
    assert [row.new.project for row in stage.ledger.runs.values()] == ["acme", "other"]


async def test_nothing_in_a_request_but_its_key_chooses_the_project() -> None:
    stage = Stage(lambda _: accepted())
    async with two_projects(stage) as (client, acme, _):
        claims = {"openai-project": "other", "openai-organization": "other", "x-project": "other"}
        body = QUESTION | {"metadata": {"project": "other"}}
        assert (await client.post("/v1/responses", json=body, headers=acme | claims)).status_code == 200
    assert [row.new.project for row in stage.ledger.runs.values()] == ["acme"]


# ------------------------------------------------------------------------------------------------ agents, models, names


async def test_a_project_sees_and_may_ask_only_the_agents_it_may_use() -> None:
    stage = Stage(lambda _: accepted())
    await stage.access.create_project(Project("acme", agents=("chat",)), "ann")
    key, _ = await issue(stage.access, "acme")
    async with stage.client() as client:
        client.headers.update(auth(key))
        models = [model["id"] for model in (await client.get("/v1/models")).json()["data"]]
        other = await client.post("/v1/responses", json=QUESTION)
        unnamed = await client.post("/v1/responses", json={"input": "Hello?"})
        hidden = await client.get("/v1/models/documents")
    assert models == ["chat"]
    assert (other.status_code, other.json()["error"]["code"]) == (404, "model_not_found")
    assert other.json()["error"]["message"] == "There is no model 'documents'; this service has: chat"
    assert hidden.status_code == 404
    assert unnamed.json()["model"] == "chat"


async def test_a_project_without_any_agent_is_told_so() -> None:
    stage = Stage()
    await stage.access.create_project(Project("acme", models=("somewhere-else",)), "ann")
    key, _ = await issue(stage.access, "acme")
    async with stage.client() as client:
        reply = await client.post("/v1/responses", json={"input": "Hello?"}, headers=auth(key))
        listed = await client.get("/v1/models", headers=auth(key))
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "model_not_found")
    assert listed.json()["data"] == []


async def test_a_name_of_the_settings_stands_for_an_agent_and_its_models_and_is_echoed() -> None:
    names = {"gpt-4o": NameSettings(agent="chat", models=("m2", "m1"))}
    stage = Stage(lambda _: accepted(), names=names)
    async with stage.client() as client:
        models = [model["id"] for model in (await client.get("/v1/models")).json()["data"]]
        body = (await client.post("/v1/responses", json={"model": "gpt-4o", "input": "Hi"})).json()
        again = (await client.get(f"/v1/responses/{body['id']}")).json()
        unknown = await client.post("/v1/responses", json={"model": "gpt-9", "input": "Hi"})
    assert models == ["documents", "chat", "gpt-4o"]
    assert body["model"] == again["model"] == "gpt-4o"
    assert body["metadata"]["cuelight.agent"] == "chat"
    assert stage.last.models == ("m2", "m1")
    assert unknown.json()["error"]["message"].endswith("this service has: documents, chat, gpt-4o")


async def test_a_project_gets_only_its_models_of_a_chain() -> None:
    names = {
        "gpt-4o": NameSettings(agent="chat", models=("m2", "m1")),
        "big": NameSettings(agent="chat", models=("m2",)),
    }
    stage = Stage(lambda _: accepted(), names=names)
    await stage.access.create_project(Project("acme", models=("m1", "offline")), "ann")
    key, _ = await issue(stage.access, "acme")
    async with stage.client() as client:
        client.headers.update(auth(key))
        models = [model["id"] for model in (await client.get("/v1/models")).json()["data"]]
        await client.post("/v1/responses", json={"model": "gpt-4o", "input": "Hi"})
    assert models == ["documents", "chat", "gpt-4o"]
    assert stage.last.models == ("m1",)


# ------------------------------------------------------------------------------------------------ links


async def test_a_citations_link_opens_in_a_browser_without_a_key_and_no_other_does() -> None:
    stage = Stage(lambda _: accepted("Two years.", citations=(CITATION,)))
    async with two_projects(stage) as (client, acme, _):
        body = (await client.post("/v1/responses", json=QUESTION, headers=acme)).json()
        url = body["output"][0]["content"][0]["annotations"][0]["url"]
        assert (await client.get(url)).status_code == 200
        assert "The words of acme alone" in (await client.get(url)).text.replace("<mark>", "").replace("</mark>", "")
        for wrong in (
            url.replace("psg_acme", "psg_other"),
            url.replace("project=acme", "project=other"),
            url.replace("project=acme&", ""),
            url[:-1] + ("A" if url[-1] != "A" else "B"),
            url.partition("signature=")[0] + "signature=",
            url.replace("project=acme", "project=nobody"),
        ):
            assert (await client.get(wrong)).status_code == 404, wrong
        bare = await client.get("/passages/psg_acme", headers={"accept": "text/html"})
        assert bare.status_code == 401
        assert "acme" not in bare.text


async def test_links_of_runs_that_never_signed_stay_as_they_were() -> None:
    stage = Stage(lambda _: accepted("Two years.", citations=(CITATION,)))
    async with stage.client() as client:
        body = (await client.post("/v1/responses", json=QUESTION)).json()
        row = stage.ledger.runs[body["id"]]
        request = stage.last.model_copy(update={"signed_links": False})
        row.new = replace(row.new, request=request.model_dump_json())
        again = (await client.get(f"/v1/responses/{body['id']}")).json()
    assert again["output"][0]["content"][0]["annotations"][0]["url"].endswith("/passages/psg_acme?start=4&end=13")


def test_a_key_shows_neither_its_hash_nor_a_project_its_secret_when_it_is_printed() -> None:
    secret = hashed("secret")
    assert repr(secret) not in repr(Key("key_1", "default", "", "user", "cue-1", secret))
    assert repr(secret) not in repr(Project("default", link_secret=secret))
