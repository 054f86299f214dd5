"""Good bodies, of every field that there is: what the mutations begin with."""

from __future__ import annotations

from typing import Any

RESPONSES = "/v1/responses"
CHAT = "/v1/chat/completions"
COUNTING = "/v1/responses/input_tokens"

_SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
_TOOL = {"type": "function", "name": "time", "description": "Tells it.", "parameters": _SCHEMA, "strict": True}
_PIXEL = "data:image/png;base64,iVBORw0KGgo="

_ASKED: list[dict[str, Any]] = [
    {"model": "documents", "input": "How long is the warranty?"},
    {
        "model": "chat",
        "input": [
            {"type": "message", "role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "input_text", "text": "What time is it?"}]},
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Well."}], "encrypted_content": "x"},
            {"type": "function_call", "call_id": "c1", "name": "time", "arguments": "{}", "status": "completed"},
            {"type": "function_call_output", "call_id": "c1", "output": "noon"},
        ],
        "tools": [_TOOL],
        "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "time"}]},
        "parallel_tool_calls": False,
        "max_tool_calls": 2,
    },
    {
        "model": "chat",
        "input": "A number?",
        "instructions": "Answer with one.",
        "text": {"format": {"type": "json_schema", "name": "n", "schema": _SCHEMA, "strict": True}, "verbosity": "low"},
        "metadata": {"who": "me"},
        "temperature": 0.5,
        "top_p": 0.5,
        "presence_penalty": 1,
        "frequency_penalty": -1,
        "top_logprobs": 2,
        "max_output_tokens": 16,
        "include": ["message.output_text.logprobs"],
    },
    {
        "input": [
            {"role": "user", "content": "Look."},
            {"role": "assistant", "content": [{"type": "output_text", "text": "I do.", "annotations": []}]},
            {"role": "user", "content": [{"type": "input_image", "image_url": _PIXEL, "detail": "low"}]},
            {"role": "user", "content": [{"type": "input_file", "filename": "a.pdf", "file_data": _PIXEL}]},
            {"type": "item_reference", "id": "msg_01a2b3c4d5e6f708"},
        ],
        "previous_response_id": "resp_01a2b3c4d5e6f708",
    },
    {
        "input": "Why?",
        "store": False,
        "stream": True,
        "stream_options": {"include_obfuscation": False},
        "reasoning": {"effort": "low", "summary": "auto"},
        "service_tier": "flex",
        "prompt_cache_key": "k",
        "safety_identifier": "s",
        "user": "u",
        "truncation": "auto",
        "background": False,
        "conversation": None,
        "context_management": [],
    },
]

_FUNCTION = {"type": "function", "function": {"name": "time", "description": "Tells it.", "parameters": _SCHEMA}}
_CHATS: list[dict[str, Any]] = [
    {"model": "documents", "messages": [{"role": "user", "content": "How long is the warranty?"}]},
    {
        "model": "chat",
        "messages": [
            {"role": "developer", "content": [{"type": "text", "text": "Be brief."}]},
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": _PIXEL, "detail": "low"}}]},
            {
                "role": "assistant",
                "content": None,
                "refusal": "No.",
                "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "time", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "noon", "name": "time"},
            {"role": "user", "content": [{"type": "file", "file": {"filename": "a.pdf", "file_data": _PIXEL}}]},
        ],
        "tools": [_FUNCTION],
        "tool_choice": {"type": "function", "function": {"name": "time"}},
        "n": 1,
        "stop": [],
        "logit_bias": {},
    },
    {
        "model": "chat",
        "messages": [{"role": "user", "content": "A number?"}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": _SCHEMA, "strict": True}},
        "max_completion_tokens": 5,
        "logprobs": True,
        "top_logprobs": 1,
        "stream": True,
        "stream_options": {"include_usage": True},
        "reasoning_effort": "low",
        "verbosity": "low",
        "metadata": {"who": "me"},
        "seed": None,
    },
]

GOOD: list[tuple[str, dict[str, Any]]] = [
    *((RESPONSES, body) for body in _ASKED),
    *((CHAT, body) for body in _CHATS),
    *((COUNTING, body) for body in _ASKED[1:3]),
]
"""Each with the path that it is posted to."""
