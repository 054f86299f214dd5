"""The fake model as a process of its own, the scripts by which it misbehaves, and what it remembers of every call."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import httpx

from tests.chaos.children import Child

Line = dict[str, Any]

QUOTE = "a warranty of two years"
PAGE = f"# Warranty\n\nThe lamp comes with {QUOTE}. Repairs are free of charge during that time.\n"
KINDS = ("cut_json", "html", "wrong_types", "empty_choices", "null_content", "error_in_200")


def drafts(epoch: int) -> list[Line]:
    """What it answers on a good day. Every draft holds a mark that no other has, and says if it may be seen."""
    good, bad = f"SEEN-OK-{epoch}x{{{{n}}}}-END", f"REJECT-ME-{epoch}x{{{{n}}}}-END"
    lines: list[Line] = []
    for prompt, speak in (("answer", _cited), ("chat", _said)):
        lines += [
            {"prompt": prompt, "contains": "[reject-", "delay_ms": 60, "answer": speak(bad)},
            {"prompt": prompt, "contains": "[long]", "delay_ms": 7_000, "answer": speak(good)},
            {"prompt": prompt, "contains": "[slow]", "delay_ms": 1_500, "answer": speak(good)},
            {"prompt": prompt, "delay_ms": 120, "answer": speak(good)},
        ]
    return lines


def _said(mark: str) -> str:
    return f"Well: {mark} is what I say."


def _cited(mark: str) -> Line:
    words = f"The lamp has {QUOTE}, {mark}."
    return {"answer": words, "citations": [{"passage_id": "p1", "quote": QUOTE}], "no_answer": False}


def storm(epoch: int, kind: str) -> list[Line]:
    """A bad day of a given kind; some calls get through where a real endpoint would let some through."""
    faults: dict[str, list[Line]] = {
        "rate_limited": [{"fault": {"kind": "rate_limited", "retry_after": 1}}],
        "server_error": [{"fault": {"kind": "server_error", "status": 503}}],
        "malformed": [
            *({"fault": {"kind": each}, "times": 6} for each in KINDS),
            *({**line, "fault": "bad_characters", "times": 6} for line in drafts(epoch)),
        ],
        "hang": [{"fault": "hang"}],
        "slow": [{**line, "fault": {"kind": "slow", "chunk_ms": 150}} for line in drafts(epoch)],
        "drop": [{"fault": {"kind": "drop", "after_bytes": 40, "reset": True}, "times": 40}],
    }
    return [*faults[kind], *drafts(epoch)]


class Model(Child):
    """Its log is fetched before it is stopped, so that no call is forgotten. `epoch` counts its starts."""

    def __init__(self, home: Path, command: list[str], port: int) -> None:
        self.script = home / "script.json"
        self.port = port
        self.epoch = 0
        self.calls: list[dict[str, Any]] = []
        words = [*command, "fake-model", "--port", str(port), "--script", str(self.script)]
        super().__init__("model", words, os.environ, home / "model.log")

    def start(self) -> None:
        self.epoch += 1
        self.script.write_text(json.dumps(drafts(self.epoch)))
        super().start()

    async def play(self, lines: list[Line]) -> None:
        """Another script from now on."""
        await self._ask("PUT", "/script", json=lines)

    async def remember(self) -> None:
        """Fetch the log of this start, with times as seconds since 1970."""
        before = time.time()
        await self._ask("POST", "/v1/chat/completions", json={}, headers={"x-cuelight-run": "clock"})
        found = await self._ask("GET", "/log")
        zero = next(call["at"] for call in reversed(found) if call["run"] == "clock")
        self.calls += [told(call, self.epoch, before - zero) for call in found if call["run"] != "clock"]

    async def _ask(self, method: str, path: str, **options: Any) -> Any:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", trust_env=False, timeout=60) as client:
            return (await client.request(method, path, **options)).json()


def told(call: dict[str, Any], epoch: int, zero: float) -> dict[str, Any]:
    """A call as the auditor keeps it: the question is known by its words, whatever else stands in the body."""
    ended = call["ended_at"]
    kept = {name: call[name] for name in ("n", "run", "prompt", "fault", "answer", "status", "billed", "client_left")}
    question = json.dumps((call["body"] or {}).get("messages"), sort_keys=True)
    return {
        **kept,
        "epoch": epoch,
        "began": call["at"] + zero,
        "ended": None if ended is None else ended + zero,
        "question": question,
        "traceparent": call["headers"].get("traceparent", ""),
    }
