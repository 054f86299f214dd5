"""The calls: parameters, bodies and replies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.fields.options import INCLUDES
from api.openapi.refusals import refused
from api.openapi.words import TEXT, Schema, as_json, one_of, ref, reply

KEY: list[dict[str, list[str]]] = [{"apiKey": []}]
PERHAPS_KEY: list[dict[str, list[str]]] = [{}, {"apiKey": []}]
"""Open to some without a key: on this machine, or with a signature."""
OPEN: list[dict[str, list[str]]] = []

_NO_QUERY = "Takes no query parameters. "
_ID = {"name": "id", "in": "path", "required": True, "schema": TEXT}
_ONCE = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "The same key with the same body brings the same run.",
    "schema": {**TEXT, "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
}
_STREAM: Schema = {"text/event-stream": {}}  # this version of OpenAPI has no word for events
_GOES_ON: Mapping[str, Any] = {
    name: {"operationId": name, "parameters": {"id": "$response.body#/id"}}
    for name in ("retrieveResponse", "cancelResponse", "listInputItems", "deleteResponse")
}


def _query(name: str, schema: Schema, description: str = "") -> dict[str, Any]:
    told = {"name": name, "in": "query", "schema": schema}
    return {**told, "description": description} if description else told


def _includes(*more: str) -> list[dict[str, Any]]:
    return [
        _query(name, {"type": "array", "items": one_of(*INCLUDES, *more)}, "May be given more than once.")
        for name in ("include[]", "include")
    ]


def _call(name: str, summary: str, security: Any, replies: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"operationId": name, "summary": summary, "security": security, **more, "responses": dict(replies)}


def _body(schema: str) -> dict[str, Any]:
    return {"required": True, "content": as_json(ref(schema))}


def _ok(what: str, content: Schema, **more: Any) -> dict[str, Any]:
    return {"200": {**reply(what, content), **more}}


_RESPONSES: dict[str, Any] = {
    "/v1/responses": {
        "post": _call(
            "createResponse",
            "Asks, waits, and brings the one checked answer; or its stream; or, in the background, replies at once.",
            KEY,
            {
                **_ok(
                    "The run has ended, however it ended: read `status`. A long call is sent white space first.",
                    {**as_json(ref("Response")), **_STREAM},
                    links=_GOES_ON,
                ),
                **refused(400, 401, 404, 409, 413, 415, 429, 500, 503, 504),
            },
            description=_NO_QUERY,
            parameters=[_ONCE],
            requestBody=_body("CreateResponse"),
        )
    },
    "/v1/responses/input_tokens": {
        "post": _call(
            "countInputTokens",
            "An estimate of the tokens of a request, before it is sent. No model is asked.",
            KEY,
            {
                **_ok("The estimate.", as_json(ref("InputTokens"))),
                **refused(400, 401, 404, 413, 415, 500, 503),
            },
            description=_NO_QUERY,
            requestBody=_body("CreateResponse"),
        )
    },
    "/v1/responses/{id}": {
        "get": _call(
            "retrieveResponse",
            "A stored response, as far as it has come, or its stream.",
            KEY,
            {
                **_ok("The response.", {**as_json(ref("Response")), **_STREAM}),
                **refused(400, 401, 404, 500, 503),
            },
            parameters=[
                _ID,
                _query("stream", one_of("true", "false")),
                _query("starting_after", {"type": "integer", "minimum": 0}, "Only with `stream=true`."),
                _query("include_obfuscation", one_of("true", "false"), "Changes nothing."),
                *_includes(),
            ],
        ),
        "delete": _call(
            "deleteResponse",
            "Forgets a response; a run that is under way is cancelled first.",
            KEY,
            {**_ok("It is gone.", as_json(ref("Deleted"))), **refused(400, 401, 404, 500, 503)},
            description=_NO_QUERY,
            parameters=[_ID],
        ),
    },
    "/v1/responses/{id}/cancel": {
        "post": _call(
            "cancelResponse",
            "Ends a run that is under way.",
            KEY,
            {
                **_ok("The response, cancelled.", as_json(ref("Response"))),
                **refused(400, 401, 404, 409, 500, 503),
            },
            description=_NO_QUERY,
            parameters=[_ID],
        )
    },
    "/v1/responses/{id}/approval": {
        "post": _call(
            "decideApproval",
            "Approves or denies the calls of tools that a run waits for. Takes a key of the role operator.",
            KEY,
            {
                **_ok("The run goes on.", as_json(ref("Approval"))),
                **refused(400, 401, 403, 404, 409, 413, 415, 500, 503),
            },
            description=_NO_QUERY,
            parameters=[_ID],
            requestBody=_body("DecideApproval"),
        )
    },
    "/v1/responses/{id}/input_items": {
        "get": _call(
            "listInputItems",
            "What a response was asked with, page by page.",
            KEY,
            {**_ok("A page.", as_json(ref("InputItems"))), **refused(400, 401, 404, 500, 503)},
            parameters=[
                _ID,
                _query("limit", {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}),
                _query("order", {**one_of("asc", "desc"), "default": "desc"}),
                _query("after", TEXT, "The id of an item."),
                _query("before", TEXT, "The id of an item."),
                *_includes("message.input_image.image_url", ""),
            ],
        )
    },
}

_OTHERS: dict[str, Any] = {
    "/v1/chat/completions": {
        "post": _call(
            "createChatCompletion",
            "The same runs, in the words of OpenAI's older API.",
            KEY,
            {
                **_ok("The checked answer, whole or in chunks.", {**as_json(ref("ChatCompletion")), **_STREAM}),
                **refused(400, 401, 404, 409, 413, 415, 429, 500, 503, 504),
            },
            description=_NO_QUERY + "A run without an answer is an error whose `code` is the class of its failure.",
            parameters=[_ONCE],
            requestBody=_body("CreateChatCompletion"),
        )
    },
    "/v1/approvals": {
        "get": _call(
            "listApprovals",
            "The runs that wait for an approval, the longest first. Takes a key of the role operator.",
            KEY,
            {**_ok("All of them, 200 at most.", as_json(ref("Approvals"))), **refused(400, 401, 403, 500, 503)},
            description=_NO_QUERY,
        )
    },
    "/v1/models": {
        "get": _call(
            "listModels",
            "What may go into `model`: the agents, and names for them.",
            KEY,
            {**_ok("All of them.", as_json(ref("Models"))), **refused(401, 500, 503)},
        )
    },
    "/v1/models/{id}": {
        "get": _call(
            "retrieveModel",
            "One of them.",
            KEY,
            {**_ok("It is there.", as_json(ref("Model"))), **refused(401, 404, 500, 503)},
            parameters=[_ID],
        )
    },
    "/passages/{id}": {
        "get": _call(
            "showPassage",
            "The page behind a citation, with the cited words marked. Errors are pages too for whoever accepts those.",
            PERHAPS_KEY,
            {
                **_ok("The page.", {"text/html": {"schema": TEXT}}),
                **{
                    status: {**found, "content": {**found["content"], "text/html": {"schema": TEXT}}}
                    for status, found in refused(400, 401, 404, 503).items()
                },
                **refused(500),
            },
            parameters=[
                _ID,
                _query("start", {"type": "integer"}, "Unicode code points from the beginning of the passage."),
                _query("end", {"type": "integer"}, "Half-open."),
                _query("project", TEXT, "Goes with `signature`."),
                _query("signature", TEXT, "Opens this one passage without a key."),
            ],
        )
    },
    "/healthz": {
        "get": _call("live", "The process lives.", OPEN, {**_ok("It does.", as_json(ref("Alive"))), **refused(500)})
    },
    "/readyz": {
        "get": _call(
            "ready",
            "The ledger and the doorbell answer, and work is taken.",
            OPEN,
            {
                **_ok("All of that.", as_json(ref("Ready"))),
                **refused(500),
                "503": {**refused(503)["503"], "content": as_json(ref("NotReady"))},
            },
        )
    },
    "/metrics": {
        "get": _call(
            "metrics",
            "Figures for Prometheus. Open on this machine; elsewhere it takes a key of the role operator.",
            PERHAPS_KEY,
            {
                **_ok("The figures.", {"text/plain": {"schema": TEXT}}),
                **refused(401, 403, 500, 503),
            },
        )
    },
    "/openapi.json": {
        "get": _call(
            "openapi",
            "This document.",
            OPEN,
            {**_ok("It.", as_json({"type": "object"})), **refused(500)},
        )
    },
}

PATHS: dict[str, Any] = {**_RESPONSES, **_OTHERS}
