"""What is told of responses, models and the process itself."""

from __future__ import annotations

from api.openapi.words import COUNT, FLAG, TEXT, Schema, array, either, one_of, or_null, ref, told

_NUMBER: Schema = {"type": "number"}
_STATUS = one_of("queued", "in_progress", "completed", "incomplete", "failed", "cancelled")
_ITEM = told({"type": TEXT, "id": TEXT})
_PAGE_ID = or_null(TEXT)

SCHEMAS: dict[str, Schema] = {
    "Response": told(
        {
            "id": {**TEXT, "pattern": "^resp_"},
            "object": {"const": "response"},
            "created_at": COUNT,
            "completed_at": or_null(COUNT),
            "status": _STATUS,
            "incomplete_details": or_null(told({"reason": TEXT})),
            "model": TEXT,
            "previous_response_id": or_null(TEXT),
            "instructions": or_null(TEXT),
            "output": array(ref("OutputItem")),
            "error": or_null(told({"code": TEXT, "message": TEXT})),
            "tools": array(either(ref("Function"), ref("FileSearch"))),
            "tool_choice": ref("ToolChoice"),
            "truncation": one_of("auto", "disabled"),
            "parallel_tool_calls": FLAG,
            "text": told({"format": told({"type": one_of("text", "json_object", "json_schema")})}),
            "top_p": _NUMBER,
            "presence_penalty": _NUMBER,
            "frequency_penalty": _NUMBER,
            "top_logprobs": COUNT,
            "temperature": _NUMBER,
            "reasoning": or_null(ref("Reasoning")),
            "usage": or_null(ref("Usage")),
            "max_output_tokens": or_null(COUNT),
            "max_tool_calls": or_null(COUNT),
            "store": FLAG,
            "background": FLAG,
            "service_tier": TEXT,
            "metadata": {"type": "object", "additionalProperties": TEXT},
            "safety_identifier": or_null(TEXT),
            "prompt_cache_key": or_null(TEXT),
        }
    ),
    "OutputItem": either(
        told(
            {
                "type": {"const": "message"},
                "id": TEXT,
                "status": TEXT,
                "role": {"const": "assistant"},
                "content": array(
                    told({"type": {"const": "output_text"}, "text": TEXT, "annotations": array({"type": "object"})})
                ),
            }
        ),
        told(
            {
                "type": {"const": "function_call"},
                "id": TEXT,
                "call_id": TEXT,
                "name": TEXT,
                "arguments": TEXT,
                "status": TEXT,
            }
        ),
        told({"type": {"const": "reasoning"}, "id": TEXT, "summary": array({"type": "object"})}),
    ),
    "Usage": told(
        {
            "input_tokens": COUNT,
            "input_tokens_details": told({"cached_tokens": COUNT}),
            "output_tokens": COUNT,
            "output_tokens_details": told({"reasoning_tokens": COUNT}),
            "total_tokens": COUNT,
        }
    ),
    "Deleted": told({"id": TEXT, "object": {"const": "response"}, "deleted": {"const": True}}),
    "Approval": told({"id": TEXT, "object": {"const": "cuelight.decision"}, "by": TEXT, "reason": TEXT}),
    "Approvals": told(
        {
            "object": {"const": "cuelight.approvals"},
            "data": array(
                told(
                    {
                        "id": TEXT,
                        "object": {"const": "cuelight.approval"},
                        "model": TEXT,
                        "calls": array(told({"call_id": TEXT, "name": TEXT, "arguments": TEXT})),
                        "created_at": COUNT,
                        "expires_at": COUNT,
                    }
                )
            ),
        }
    ),
    "InputTokens": told({"object": {"const": "response.input_tokens"}, "input_tokens": COUNT}),
    "InputItems": told(
        {"object": {"const": "list"}, "data": array(_ITEM), "first_id": _PAGE_ID, "last_id": _PAGE_ID, "has_more": FLAG}
    ),
    "Model": told({"id": TEXT, "object": {"const": "model"}, "created": COUNT, "owned_by": TEXT, "description": TEXT}),
    "Models": told({"object": {"const": "list"}, "data": array(ref("Model"))}),
    "Checks": told(
        {
            "ledger": one_of("ok", "unavailable"),
            "doorbell": one_of("ok", "unavailable"),
            "work": one_of("ok", "stalled", "unknown"),
        }
    ),
    "Alive": told({"status": {"const": "ok"}}),
    "Ready": told({"status": {"const": "ok"}, "checks": ref("Checks"), "paused": array(TEXT), "offline": FLAG}),
}
