"""A small run of the fault machine with nothing wrong in it, for tests that plant something."""

from __future__ import annotations

import json
from typing import Any

from tests.chaos.evidence import Evidence, Row, event_id

STORY = ("request.received", "answer.drafted", "answer.accepted")
RUNS = ("resp_a", "resp_b", "resp_c")
FAILED = "resp_c"


def sound() -> Evidence:
    """Three runs, each read twice and fed; the last one failed on its endpoint and left a dead letter."""
    evidence = Evidence(
        order=[{"seed": 1, "seconds": 100, "rate": 1, "can": ["keys", "cancel", "doctor"]}],
        span=[{"began": 0.0, "load_until": 100.0, "ended": 100.0}],
        sizes=[_size("before"), _size("after")],
        doctor=[{"code": 0, "said": '{"status": "ok", "findings": []}', "errors": ""}],
        faults=[fault("kill_worker", 30.0, strikes="worker", pid=7)],
    )
    for place, run in enumerate(RUNS):
        _add(evidence, run, place * 30.0, place + 1)
    evidence.letters.append(
        {
            "id": "l",
            "run": FAILED,
            "seq": 1,
            "route": "generate",
            "attempt": 14,
            "kind": "transport",
            "text": "",
            "at": 0,
        }
    )
    return evidence


def fault(kind: str, began: float, *, strikes: str, loses: bool = False, **told: Any) -> Row:
    """One that took a second."""
    return {"kind": kind, "began": began, "ended": began + 1, "strikes": strikes, "loses": loses, "told": told}


def reply(run: str, at: float, how: str = "get", **changes: Any) -> Row:
    """What a client saw of a run that ended."""
    body = {**response(run), **changes}
    return {
        "marker": marker(run),
        "how": how,
        "began": at,
        "ended": at + 0.1,
        "status": 200,
        "whole": True,
        "body": json.dumps(body),
        "headers": {},
    }


def response(run: str) -> Row:
    """As the API would show it."""
    failed = run == FAILED
    text = f"Well: SEEN-OK-1x{RUNS.index(run) + 1}-END is what I say."
    return {
        "id": run,
        "object": "response",
        "status": "failed" if failed else "completed",
        "output": [] if failed else [{"content": [{"text": text}]}],
        "error": {"code": "server_error"} if failed else None,
        "incomplete_details": None,
        "metadata": {"chaos": marker(run)},
    }


def marker(run: str) -> str:
    return f"ask-1-{RUNS.index(run)}-end"


def _add(evidence: Evidence, run: str, at: float, n: int) -> None:
    failed = run == FAILED
    story = ("request.received", "run.failed") if failed else STORY
    evidence.asks.append({"marker": marker(run), "sort": "plain", "key": None, "store": True, "began": at})
    evidence.replies += [reply(run, at + 3.5, "create"), reply(run, at + 5.0)]
    evidence.runs.append(
        {
            "id": run,
            "status": "failed" if failed else "completed",
            "store": True,
            "generation": 1,
            "marker": marker(run),
        }
        | {
            "created": at,
            "deadline": at + 60,
            "ended": at + 3,
            "code": "transport" if failed else None,
            "purged": False,
        }
    )
    for seq, kind in enumerate(story, start=1):
        event = {
            "run": run,
            "generation": 1,
            "seq": seq,
            "type": kind,
            "version": 1,
            "hash": f"{run}{seq}",
            "at": at + seq,
        }
        fields = {"id": event_id(event), "run": run, "generation": "1", "seq": str(seq), "type": kind}
        evidence.events.append(event)
        evidence.caught_up.append({"id": event_id(event)})
        evidence.feed.append({"entry": f"{run}-{seq}", "seen": at + seq, "fields": fields})
    evidence.attempts.append(attempt(run, at + 0.5))
    evidence.calls.append(call(run, "failed" if failed else "answered"))
    evidence.model.append(asked(run, at + 1, n, "server_error" if failed else None))


def attempt(run: str, began: float, *, delivery: int = 1, settled: bool = True) -> Row:
    named = {"token": f"t-{run}", "run": run, "generation": 1, "seq": 1, "route": "generate", "attempt": 1}
    return {**named, "delivery": delivery, "worker": "h:1:x", "outcome": "advance", "settled": settled, "began": began}


def call(run: str, status: str) -> Row:
    """A call as the ledger has it."""
    return {"token": f"t-{run}", "run": run, "generation": 1, "seq": 1, "hash": "h", "status": status}


def asked(run: str, began: float, n: int, fault: str | None = None) -> Row:
    """A call as the model logged it."""
    seen = {"n": n, "epoch": 1, "run": run, "began": began, "ended": began + 0.1, "question": f"q-{run}"}
    return {**seen, "fault": fault, "billed": fault is None, "client_left": False, "answer": "x", "status": 200}


def _size(when: str) -> Row:
    streams = {"generate": {"length": 0, "pending": 0}}
    return {"when": when, "used_bytes": 1_000_000, "feed_bytes": 0, "streams": streams, "key_count": 5}
