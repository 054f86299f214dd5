"""From a run as the ledger holds it to the Response object that a client sees.

Pure: the same `RunView` gives the same bytes, on every replica. Which fields are there, and which of them may be
null, is the Open Responses specification's (2026-04-24); what is ours stands in `metadata` under `cuelight.`.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from agent.envelope import index, unseal
from agent.events import ENDINGS, AnswerAccepted, Event, RunFailed
from agent.outcome import MESSAGES
from agent.ports import RunView
from agent.request import Request
from api import verdicts
from api.echo import echo
from api.fields.options import RESERVED
from api.items import output_items
from api.links import links_of
from api.trace import trace_id

_ENDINGS = index(ENDINGS)


def project(view: RunView) -> dict[str, Any]:
    """The Response object of a run, ended or not.

    Raises:
        Unfamiliar: a newer release wrote the ending.
        Undecodable: the ending is not what its type promises.
    """
    request = Request.model_validate_json(view.request)
    ending = unseal(view.ending, _ENDINGS) if view.ending is not None else None
    return {
        "id": view.id,
        "object": "response",
        "created_at": _unix(view.created_at),
        "completed_at": _unix(view.ended_at) if view.ended_at and view.status == "completed" else None,
        "status": "queued" if _is_queued(view, request) else view.status,
        "incomplete_details": _incomplete(ending),
        "model": request.model or view.agent,
        "previous_response_id": request.previous_response_id,
        "instructions": request.caller_instructions,
        "output": output_items(view.id, request, ending, links_of(view, request))
        if isinstance(ending, AnswerAccepted)
        else [],
        "error": _error(ending) if isinstance(ending, RunFailed) else None,
        **echo(request),
        "usage": _usage(view) if ending is not None else None,
        "store": view.store,
        "metadata": {**request.metadata, **_facts(view, ending)},
    }


def _is_queued(view: RunView, request: Request) -> bool:
    """Only a run in the background is ever shown so: what its client waits for is the first sign of work on it."""
    return request.background and view.status == "in_progress" and not view.begun


def _incomplete(ending: Event | None) -> dict[str, str] | None:
    if isinstance(ending, AnswerAccepted) and ending.incomplete:
        return {"reason": ending.incomplete}
    return None


def _error(failure: RunFailed) -> dict[str, str]:
    code, _ = MESSAGES.get(failure.code, ("server_error", ""))
    return {"code": code, "message": failure.message}


def _usage(view: RunView) -> dict[str, Any]:
    usage = view.usage
    return {
        "input_tokens": usage.input_tokens,
        # OpenAI's client wants the second number; no endpoint reports it to us.
        "input_tokens_details": {"cached_tokens": usage.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }


def _facts(view: RunView, ending: Event | None) -> dict[str, str]:
    facts = {"agent": view.agent, "agent_version": view.agent_version, "trace_id": trace_id(view.trace)}
    if ending is not None:
        facts |= {
            "attempts": str(view.attempts),
            "model_calls": str(view.calls),
            "cost_usd": _dollars(view.cost_usd),
        }
        facts |= verdicts.facts(view.verdicts, ending)
    if isinstance(ending, AnswerAccepted):
        facts |= _facts_of_answer(ending)
    if isinstance(ending, RunFailed):
        facts |= {"repairs": str(ending.repairs), "error_code": ending.code}
    return {f"{RESERVED}{name}": fact for name, fact in facts.items()}


def _facts_of_answer(answer: AnswerAccepted) -> dict[str, str]:
    facts = {
        "model": answer.model,
        "repairs": str(answer.repairs),
        "checks": ",".join(answer.checks),
        "no_answer": str(answer.no_answer).lower(),
    }
    facts |= {"mends": ",".join(answer.mends)} if answer.mends else {}
    return facts | {"offline": "true"} if answer.offline else facts


def _dollars(cost: Decimal | None) -> str:
    return "unknown" if cost is None else f"{cost.normalize():f}"


def _unix(at: datetime) -> int:
    return int(at.timestamp())
