"""Cases out of the in-memory ledger: a rehearsal can be kept as a file, as a run of the real service can."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from agent.cases.making import Rows
from agent.envelope import Envelope
from agent.events import Usage
from agent.prompting import PromptBook
from agent.testing.memory import MemoryLedger
from agent.testing.rows import AttemptRow, CallRow, RunRow


def case_rows(ledger: MemoryLedger, run: str, book: PromptBook) -> Rows | None:
    """As `agent.adapters.ledger.cases.case_rows`; the files of prompts come from `book`."""
    row = ledger.runs.get(run)
    if row is None:
        return None
    return Rows(
        run=_run(row),
        events=[_event(it) for it in ledger.events[run]],
        attempts=[_attempt(it) for it in ledger.attempts.values() if it.key.run == run],
        calls=[_call(it) for it in sorted(ledger.calls.values(), key=lambda it: it.order) if it.key.run == run],
        sources={
            (name, version): orjson.dumps(dict(book.get(name, version).sources)).decode()
            for name, version in row.new.prompts.items()
            if book.has(name, version)
        },
    )


def _run(row: RunRow) -> Mapping[str, Any]:
    new = row.new
    return {
        **{"id": new.id, "project_id": new.project, "generation": row.generation, "agent": new.agent},
        **{"agent_version": new.agent_version, "prompts": orjson.dumps(dict(new.prompts)).decode()},
        **{"request": new.request, "status": row.status, "store": new.store, "trace": new.trace},
        **{"created_at": row.created_at, "reopened_at": row.reopened_at, "deadline": row.deadline},
        **{"ended_at": row.ended_at, "purge_asked_at": row.created_at if row.purge_asked else None},
        **{"purged_at": row.created_at if row.purged else None},
    }


def _event(it: Envelope) -> Mapping[str, Any]:
    sealed = it.sealed
    return {
        **{"generation": it.key.generation, "seq": it.key.seq, "at": it.at, "type": sealed.type},
        **{name: getattr(sealed, name) for name in ("version", "data", "agent", "prompt", "trace")},
    }


ATTEMPT = ("token", "route", "attempt", "delivery", "begins", "outcome", "settled", "error_kind", "error", "delay_s")


def _attempt(it: AttemptRow) -> Mapping[str, Any]:
    more = {name: getattr(it, name) for name in (*ATTEMPT, "refusals", "began_at", "ended_at")}
    return {**more, "generation": it.key.generation, "seq": it.key.seq}


CALL = ("token", "effect_type", "effect_hash", "occurrence", "effect", "status", "model", "endpoint", "worst_case_usd")
ANSWER = ("answer", "error_kind", "error", "fault", "cost_usd", "duration_ms", "asked_at", "ended_at")


def _call(it: CallRow) -> Mapping[str, Any]:
    told = {name: getattr(it, name) for name in CALL + ANSWER}
    usage = {name: getattr(it.usage, name) for name in Usage.model_fields}
    return {**told, **usage, "generation": it.key.generation, "seq": it.key.seq}
