"""Errors, as every call tells them."""

from __future__ import annotations

from typing import Any

from api.openapi.words import TEXT, Schema, array, as_json, one_of, or_null, ref, reply, told

SCHEMAS: dict[str, Schema] = {
    "Error": told(
        {
            "error": told(
                {
                    "message": TEXT,
                    "type": one_of("invalid_request_error", "not_found", "too_many_requests", "server_error"),
                    "param": or_null({**TEXT, "description": "The JSON path, query parameter or header at fault."}),
                    "code": {**TEXT, "description": "For programs; never renamed."},
                }
            )
        }
    ),
    "NotReady": {
        "allOf": [
            ref("Error"),
            told({"status": {"const": "unavailable"}, "checks": ref("Checks"), "paused": array(TEXT)}),
        ]
    },
}

_WHY = {
    400: "A value is wrong, unknown or not supported; `param` names it.",
    401: "No API key, or none that is good.",
    403: "The role of the key does not allow this.",
    404: "It is not there, or belongs to another project.",
    409: "It contradicts what is there already.",
    413: "The body is over its limit.",
    415: "The body is not plain JSON.",
    429: "A limit of the project or of the key is reached; `retry-after` says when there is room.",
    500: "A mistake of ours; the log has it under the request id.",
    503: "Nothing was done, or the run goes on elsewhere; `retry-after` says when to try again.",
    504: "The run has not ended in time; the message names the response to poll.",
}


def refused(*statuses: int) -> dict[str, Any]:
    """Replies of these statuses, by status."""
    return {str(status): _refusal(status) for status in statuses}


def _refusal(status: int) -> Schema:
    found = reply(_WHY[status], as_json(ref("Error")))
    more = {429: "retry-after", 503: "retry-after", 401: "www-authenticate"}.get(status)
    if more is None:
        return found
    return {**found, "headers": {**found["headers"], more: {"$ref": f"#/components/headers/{more}"}}}
