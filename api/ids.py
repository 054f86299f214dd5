"""Names that sort by the time they were given: a UUID of version 7 (RFC 9562) behind a prefix."""

from __future__ import annotations

import os
import time

_VERSION = 0x7 << 76
_VARIANT = 0x2 << 62
_RANDOM = (1 << 74) - 1
_LOW = (1 << 62) - 1


def uuid7_hex(now_ms: int, chance: int) -> str:
    """32 hex digits: 48 bits of Unix milliseconds, then 74 bits of `chance` around the version and the variant."""
    chance &= _RANDOM
    return f"{(now_ms & ((1 << 48) - 1)) << 80 | _VERSION | (chance >> 62) << 64 | _VARIANT | chance & _LOW:032x}"


def new_response_id() -> str:
    """`resp_` and 32 hex digits; later ones sort after earlier ones, to the millisecond."""
    return f"resp_{_fresh()}"


def new_request_id() -> str:
    """`req_` and 32 hex digits."""
    return f"req_{_fresh()}"


def new_fence() -> str:
    """What the fences of one run follow from: 24 hex digits of chance."""
    return os.urandom(12).hex()


def _fresh() -> str:
    return uuid7_hex(time.time_ns() // 1_000_000, int.from_bytes(os.urandom(10)))
