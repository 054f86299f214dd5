"""The bodies of chat completions: what is asked, what is told."""

from __future__ import annotations

from agent.approvals import MOST_REASON_CHARS
from api.chat.fields import IDLE
from api.fields.tools import MOST_TOOLS, NAME
from api.openapi.asked import idle, name_of, plain
from api.openapi.words import (
    ANYTHING,
    COUNT,
    FLAG,
    NOTHING,
    TEXT,
    Schema,
    array,
    either,
    one_of,
    or_null,
    ref,
    taken,
    told,
)

_LIMIT: Schema = or_null({"type": "integer", "minimum": 1})
_CONTENT = either(TEXT, array(ref("ChatPart")))
_CALLED = taken({"name": name_of(NAME.pattern), "arguments": TEXT}, {"parsed_arguments": ANYTHING})
_NAMED = taken({"type": {"const": "function"}, "function": taken({"name": name_of(NAME.pattern)})})
_SAME = (
    *("model", "temperature", "top_p", "presence_penalty", "frequency_penalty", "top_logprobs"),
    *("parallel_tool_calls", "metadata", "store", "service_tier", "prompt_cache_key", "safety_identifier", "user"),
    "stream",
)
_FORM = {"name": name_of(NAME.pattern), "schema": {"type": "object"}}

SCHEMAS: dict[str, Schema] = {
    "ChatPart": either(
        taken({"type": {"const": "text"}, "text": TEXT}),
        taken({"type": {"const": "refusal"}, "refusal": TEXT}),
        taken({"type": {"const": "image_url"}, "image_url": taken({"url": TEXT}, {"detail": TEXT})}),
        taken({"type": {"const": "file"}, "file": taken({"file_data": TEXT}, {"filename": TEXT})}),
    ),
    "ChatMessage": either(
        taken({"role": one_of("system", "developer", "user"), "content": _CONTENT}),
        taken(
            {"role": {"const": "tool"}, "tool_call_id": {**TEXT, "minLength": 1, "maxLength": 64}, "content": _CONTENT},
            {"name": ANYTHING},
        ),
        taken(
            {"role": {"const": "assistant"}},
            {
                "content": _CONTENT,
                "refusal": ANYTHING,
                "tool_calls": array(ref("ChatCall")),
                "annotations": ANYTHING,
                "parsed": ANYTHING,
            },
        ),
    ),
    "ChatCall": taken(
        {"id": {**TEXT, "minLength": 1, "maxLength": 64}, "function": _CALLED},
        {"type": {"const": "function"}, "index": ANYTHING},
    ),
    "ChatFunction": taken(
        {
            "type": {"const": "function"},
            "function": taken(
                {"name": name_of(NAME.pattern)},
                {"description": TEXT, "parameters": {"type": "object"}, "strict": FLAG},
            ),
        }
    ),
    "ChatToolChoice": either(
        one_of("auto", "none", "required"),
        _NAMED,
        taken(
            {
                "type": {"const": "allowed_tools"},
                "allowed_tools": taken(
                    {"mode": one_of("auto", "required"), "tools": array(_NAMED, minItems=1, maxItems=MOST_TOOLS)}
                ),
            }
        ),
    ),
    "ChatFormat": either(
        taken({"type": one_of("text", "json_object")}),
        taken(
            {"type": {"const": "json_schema"}, "json_schema": taken(_FORM, {"description": TEXT, "strict": FLAG})},
        ),
    ),
    "DecideApproval": {
        "type": "object",
        "properties": {
            "approve": {"anyOf": [FLAG, array(TEXT, minItems=1)], "description": "All, none, or these `call_id`s."},
            "reason": {**TEXT, "maxLength": MOST_REASON_CHARS},
        },
        "required": ["approve"],
        "additionalProperties": False,
    },
    "CreateChatCompletion": {
        "type": "object",
        "properties": {
            "messages": array(ref("ChatMessage"), minItems=1),
            **plain(_SAME),
            "max_completion_tokens": _LIMIT,
            "max_tokens": _LIMIT,
            "tools": or_null(array(ref("ChatFunction"), maxItems=MOST_TOOLS)),
            "tool_choice": or_null(ref("ChatToolChoice")),
            "response_format": or_null(ref("ChatFormat")),
            "reasoning_effort": one_of("none", "minimal", "low", "medium", "high", "xhigh", None),
            "verbosity": one_of("low", "medium", "high", None),
            "logprobs": or_null(FLAG),
            "stream_options": or_null(
                {
                    "type": "object",
                    "properties": {"include_usage": or_null(FLAG), "include_obfuscation": or_null(FLAG)},
                    "additionalProperties": False,
                }
            ),
            **idle(IDLE),
        },
        "required": ["messages"],
        "additionalProperties": False,
        "examples": [{"model": "documents", "messages": [{"role": "user", "content": "How long is the warranty?"}]}],
    },
    "ChatCompletion": told(
        {
            "id": TEXT,
            "object": {"const": "chat.completion"},
            "created": COUNT,
            "model": TEXT,
            "choices": array(
                told(
                    {
                        "index": {"const": 0},
                        "message": told(
                            {"role": {"const": "assistant"}, "content": or_null(TEXT), "refusal": NOTHING},
                            {"tool_calls": array({"type": "object"}), "annotations": array({"type": "object"})},
                        ),
                        "logprobs": or_null({"type": "object"}),
                        "finish_reason": one_of("stop", "length", "tool_calls"),
                    }
                ),
                minItems=1,
                maxItems=1,
            ),
            "usage": told({"prompt_tokens": COUNT, "completion_tokens": COUNT, "total_tokens": COUNT}),
            "service_tier": TEXT,
            "metadata": {"type": "object", "additionalProperties": TEXT},
        }
    ),
}
