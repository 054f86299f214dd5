r"""Events as bytes: one event, one frame, one write. Line ends are `\n` alone; others break strict parsers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

MEDIA_TYPE = "text/event-stream"
DONE = b"data: [DONE]\n\n"
"""The last frame of every stream that was told to its end."""
PING = b": ping\n\n"
"""A comment, for proxies that take silence for death. It is no event and has no number."""


def frame(event: Mapping[str, Any]) -> bytes:
    """The bytes of an event. JSON holds no line ends, so an event never needs more than one line of data."""
    return b"event: %b\ndata: %b\n\n" % (event["type"].encode(), orjson.dumps(event))
