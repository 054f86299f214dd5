"""The body of a request for a response. What stands in code already is taken from there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from agent.filters import GREATEST, KEY, MOST_CHARS, MOST_LISTED
from agent.steps.parts import MOST_PASSAGES
from api.fields.idle import IDLE
from api.fields.options import Options
from api.fields.search import MOST_COLLECTIONS, MOST_NAME_CHARS
from api.fields.text import NAME as FORM_NAME
from api.fields.tools import MOST_TOOLS, NAME
from api.openapi.words import ANYTHING, FLAG, NOTHING, TEXT, Schema, array, either, one_of, or_null, ref, taken
from api.turns import MAX_CALL_ID_CHARS, MAX_MESSAGES

_ITEMS = "#/components/schemas/{model}"
_FUNCTION: Schema = {"const": "function"}
_CALL_ID: Schema = {**TEXT, "minLength": 1, "maxLength": MAX_CALL_ID_CHARS}
_KEPT: Mapping[str, Schema] = {"id": ANYTHING, "status": ANYTHING}
"""What a client got with an item and may send back; nobody looks at it."""


def name_of(pattern: str) -> Schema:
    """A name that fits this pattern as a whole."""
    return {**TEXT, "pattern": f"^{pattern}$"}


def idle(fields: Mapping[str, tuple[Any, ...]]) -> dict[str, Schema]:
    """Fields that may only ask for nothing."""
    return {name: either(NOTHING, *map(_same, values)) for name, values in fields.items()}


def _same(value: Any) -> Schema:
    return {"type": "object", "additionalProperties": NOTHING} if value == {} else {"const": value}


def plain(names: Iterable[str] = Options.model_fields) -> dict[str, Schema]:
    """The fields that are their own value, from the model that reads them."""
    found: dict[str, Schema] = Options.model_json_schema(ref_template=_ITEMS)["properties"]
    return {name: found[name] for name in names}


def _models() -> dict[str, Schema]:
    found: dict[str, Schema] = Options.model_json_schema(ref_template=_ITEMS)["$defs"]
    return found


def _part(kind: str, key: str, **more: Schema) -> Schema:
    return taken({"type": {"const": kind}, key: TEXT}, more)


_ANY_CONTENT: Schema = ref("Content")
_TOOL_NAME = taken({"type": _FUNCTION, "name": name_of(NAME.pattern)})
_ALLOWED_TOOLS: Schema = {
    "type": "object",
    "properties": {
        "type": {"const": "allowed_tools"},
        "mode": one_of("auto", "required"),
        "tools": array(_TOOL_NAME, minItems=1, maxItems=MOST_TOOLS),
    },
    "required": ["type", "tools"],
    "additionalProperties": NOTHING,
}
_FORM_OF_SCHEMA = taken(
    {"type": {"const": "json_schema"}, "name": name_of(FORM_NAME.pattern), "schema": {"type": "object"}},
    {"description": TEXT, "strict": FLAG},
)

_SHORT: Schema = {**TEXT, "maxLength": MOST_CHARS}
_NUMBER: Schema = {"type": "number", "minimum": -GREATEST, "maximum": GREATEST}


def _comparison(kinds: tuple[str, ...], value: Schema) -> Schema:
    return taken({"type": one_of(*kinds), "key": name_of(KEY.pattern), "value": value})


SCHEMAS: dict[str, Schema] = {
    **_models(),
    "Function": taken(
        {"type": _FUNCTION, "name": name_of(NAME.pattern)},
        {"description": TEXT, "parameters": {"type": "object"}, "strict": FLAG},
    ),
    "FileSearch": taken(
        {
            "type": {"const": "file_search"},
            "vector_store_ids": array(
                {**TEXT, "minLength": 1, "maxLength": MOST_NAME_CHARS}, minItems=1, maxItems=MOST_COLLECTIONS
            ),
        },
        {
            "filters": ref("Filter"),
            "max_num_results": {"type": "integer", "minimum": 1, "maximum": MOST_PASSAGES},
            "ranking_options": taken(
                {}, {"ranker": one_of("auto", "default-2024-11-15"), "score_threshold": {"const": 0}}
            ),
        },
    ),
    "Filter": either(
        _comparison(("eq", "ne"), either(_SHORT, _NUMBER, FLAG)),
        _comparison(("gt", "gte", "lt", "lte"), either(_SHORT, _NUMBER)),
        _comparison(("in", "nin"), array(either(_SHORT, _NUMBER, FLAG), minItems=1, maxItems=MOST_LISTED)),
        taken({"type": one_of("and", "or"), "filters": array(ref("Filter"), minItems=1)}),
    ),
    "ToolChoice": either(
        one_of("auto", "none", "required"),
        _TOOL_NAME,
        _ALLOWED_TOOLS,
    ),
    "Text": taken(
        {},
        {
            "format": either(
                taken({"type": one_of("text", "json_object")}),
                _FORM_OF_SCHEMA,
            ),
            "verbosity": one_of("low", "medium", "high"),
        },
    ),
    "Content": either(TEXT, array(ref("Part"))),
    "Part": either(
        _part("input_text", "text"),
        _part("output_text", "text", annotations=ANYTHING, logprobs=ANYTHING),
        _part("refusal", "refusal"),
        _part("input_image", "image_url", detail=one_of("auto", "low", "high", "original")),
        taken({"type": {"const": "input_file"}}, {"filename": TEXT, "file_data": TEXT, "file_url": TEXT}),
    ),
    "Item": either(
        taken(
            {"role": one_of("user", "assistant", "system", "developer"), "content": _ANY_CONTENT},
            {"type": {"const": "message"}, "phase": ANYTHING, **_KEPT},
        ),
        taken(
            {
                "type": {"const": "function_call"},
                "call_id": _CALL_ID,
                "name": name_of(NAME.pattern),
                "arguments": TEXT,
            },
            _KEPT,
        ),
        taken({"type": {"const": "function_call_output"}, "call_id": _CALL_ID, "output": _ANY_CONTENT}, _KEPT),
        taken(
            {"type": {"const": "reasoning"}},
            {
                "summary": array(taken({"type": {"const": "summary_text"}, "text": TEXT})),
                "content": {"const": []},
                "encrypted_content": TEXT,
                **_KEPT,
            },
        ),
        ref("ItemReference"),
    ),
    "ItemReference": {
        "type": "object",
        "properties": {"id": TEXT, "type": or_null({"const": "item_reference"})},
        "required": ["id"],
        "description": "Stands for an item of a stored response; what else it holds is not looked at.",
    },
    "CreateResponse": {
        "type": "object",
        "properties": {
            "input": either(TEXT, array(ref("Item"), maxItems=MAX_MESSAGES)),
            "tools": or_null(array(either(ref("Function"), ref("FileSearch")), maxItems=MOST_TOOLS)),
            "tool_choice": or_null(ref("ToolChoice")),
            "text": or_null(ref("Text")),
            **plain(),
            **idle(IDLE),
        },
        "required": ["input"],
        "additionalProperties": False,
        "examples": [{"model": "documents", "input": "How long is the warranty?"}],
    },
}
