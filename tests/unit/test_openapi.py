"""The service's own description, held against the service."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import jsonschema_rs
import orjson
import pytest
from starlette.routing import Route

from api import elsewhere
from api.app import create_app
from api.fields.idle import IDLE
from api.fields.options import Options
from api.openapi.document import document
from tests.fuzz.bodies import CHAT, GOOD
from tests.fuzz.mutations import mutated
from tests.stage import Stage, accepted

DOCUMENT = document()


def routes(found: Any) -> set[tuple[str, str]]:
    return {
        (route.path, method.lower())
        for route in found
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    }


def test_it_tells_of_every_call_that_is_offered_and_of_no_other() -> None:
    app = create_app(Stage().door)
    told = {(path, method) for path, calls in DOCUMENT["paths"].items() for method in calls}
    assert told == routes(app.routes) - routes(elsewhere.routes())


def test_every_parameter_of_a_path_is_told() -> None:
    for path, calls in DOCUMENT["paths"].items():
        for call in calls.values():
            told = [each["name"] for each in call.get("parameters", ()) if each["in"] == "path"]
            assert told == (["id"] if "{id}" in path else []), path


def test_every_field_of_a_request_is_told() -> None:
    told = set(DOCUMENT["components"]["schemas"]["CreateResponse"]["properties"])
    assert told == {"input", "tools", "tool_choice", "text", *Options.model_fields, *IDLE}


def test_every_reference_leads_somewhere_and_every_schema_is_used() -> None:
    named = set(references(DOCUMENT))
    there = {f"#/components/{kind}/{name}" for kind in ("schemas", "headers") for name in DOCUMENT["components"][kind]}
    assert named == there


def test_every_call_has_a_name_of_its_own_and_says_who_may_call_it() -> None:
    calls = [call for path in DOCUMENT["paths"].values() for call in path.values()]
    assert len({call["operationId"] for call in calls}) == len(calls)
    for path, methods in DOCUMENT["paths"].items():
        for call in methods.values():
            assert (call["security"] == [{"apiKey": []}]) is path.startswith("/v1/")
            assert ("401" in call["responses"]) is bool(call["security"])


async def test_anybody_can_read_it_and_it_holds_nothing_that_runs() -> None:
    async with Stage().client() as http:
        reply = await http.get("/openapi.json")
        assert (await http.get("/docs")).status_code == 404
    assert reply.headers["content-type"] == "application/json"
    assert reply.json() == orjson.loads(orjson.dumps(DOCUMENT))
    assert reply.headers["content-security-policy"].startswith("default-src 'none'")


@pytest.mark.parametrize(("path", "body"), GOOD)
def test_a_body_that_the_service_takes_is_one_for_the_document(path: str, body: dict[str, Any]) -> None:
    found = next(validator(path).iter_errors(body), None)
    assert found is None, f"{found.instance_path}: {found.message[:300]}"


async def test_a_body_that_the_document_refuses_is_refused_by_the_service() -> None:
    """It never says that something is wrong which the service then takes."""
    refused = 0
    async with Stage(lambda request: accepted()).client() as http:
        for sent in mutated(seed=2, count=300):
            reply = await http.post(sent.path, content=sent.body, headers=sent.headers)
            if not is_valid(sent.path, sent.body):
                refused += 1
                assert reply.status_code >= 400, sent
    assert refused > 100


@cache
def validator(path: str) -> Any:
    name = "CreateChatCompletion" if path == CHAT else "CreateResponse"
    return jsonschema_rs.Draft202012Validator(
        {"$ref": f"#/components/schemas/{name}", "components": {"schemas": DOCUMENT["components"]["schemas"]}}
    )


def is_valid(path: str, body: bytes) -> bool:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    return bool(validator(path).is_valid(value))


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(found := value.get("$ref"), str):
            yield found
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)
