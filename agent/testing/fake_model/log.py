"""What the fake model was asked and what it gave: the evidence of a test."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from agent.testing.fake_model.call import Call
from agent.testing.fake_model.completion import Tokens
from agent.testing.fake_model.wire import Request

ANSWER_CHARS = 4_000
"""A longer answer is cut in the log."""

NO_TOKENS = Tokens(0, 0)

NO_LINE = ("unscripted", "off_trace")
"""No line of the script, or of the trace, was for the call."""

_SECRET = frozenset({"authorization", "proxy-authorization", "api-key", "x-api-key", "cookie"})


@dataclass(slots=True)
class Entry:
    """One call and what it got. `at_s` and `ended_at_s` are monotonic seconds since the server's start."""

    call: Call
    at_s: float
    headers: Mapping[str, str]
    raw_body: bytes
    line: int | None = None
    fault: str | None = None
    """A fault's kind, or `unscripted`, `off_trace` or `invalid_request`."""
    answer: str | None = None
    """The text that went into the answer, after the fault."""
    status: int | None = None
    """None where no byte was sent."""
    billed: bool = False
    tokens: Tokens = NO_TOKENS
    ended_at_s: float | None = None
    """None while the call is being answered."""
    client_left: bool = False
    retry_after_s: float | None = None
    """The time to wait that the answer named."""

    def wire(self) -> dict[str, Any]:
        """The entry as `GET /log` shows it."""
        call, tokens = self.call, self.tokens
        return {
            "n": call.n,
            "at": self.at_s,
            "ended_at": self.ended_at_s,
            "run": call.run,
            "prompt": call.prompt,
            "attempt": call.attempt,
            "request": call.request,
            "headers": {name: value for name, value in self.headers.items() if name not in _SECRET},
            "body": None if call.body is None else orjson.Fragment(self.raw_body),
            "line": self.line,
            "fault": self.fault,
            "answer": _cut(self.answer),
            "status": self.status,
            "billed": self.billed,
            "tokens": {"input": tokens.input, "output": tokens.output, "cached": tokens.cached},
            "client_left": self.client_left,
            "retry_after_s": self.retry_after_s,
        }


class Log:
    """Every call since the start or the last `clear`, oldest first, and how many there were of which sort.

    The oldest entries are forgotten once the request bodies have more than `kept_bytes` together.
    """

    def __init__(self, kept_bytes: int) -> None:
        self._most_bytes = kept_bytes
        self.clear()

    def clear(self) -> None:
        """Forget everything; calls and attempts are counted from 1 again."""
        self._entries: deque[Entry] = deque()
        self._bytes = 0
        self._attempts: dict[tuple[str | None, str | None], int] = {}
        self._counts = {"calls": 0, "unscripted": 0, "billed": 0}

    def next_call(self, run: str | None, name: str | None) -> tuple[int, int]:
        """The numbers of a call that has just come in: of all, and of its prompt in its run."""
        self._counts["calls"] += 1
        attempt = self._attempts.get((run, name), 0) + 1
        self._attempts[run, name] = attempt
        return self._counts["calls"], attempt

    def add(self, entry: Entry) -> None:
        """Keep an entry whose fault and bill are known."""
        self._counts["unscripted"] += entry.fault in NO_LINE
        self._counts["billed"] += entry.billed
        self._entries.append(entry)
        self._bytes += len(entry.raw_body)
        while self._bytes > self._most_bytes:
            self._bytes -= len(self._entries.popleft().raw_body)

    def counts(self) -> dict[str, int]:
        return dict(self._counts)

    def entries(self, run: str | None = None) -> list[Entry]:
        """All that are kept, or those of one run."""
        return [entry for entry in self._entries if run is None or entry.call.run == run]


def entry_of(call: Call, request: Request, at_s: float) -> Entry:
    """The entry of a call that nothing has been decided about."""
    return Entry(call, at_s, request.headers, request.body)


def _cut(text: str | None) -> str | None:
    # A lone surrogate can go out to a client, escaped; the log is read by tools that would choke on it.
    return None if text is None else text[:ANSWER_CHARS].encode("utf-8", "replace").decode()
