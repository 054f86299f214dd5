"""From a run as the ledger holds it to the Response object that a client sees.

Pure: the same `RunView` gives the same bytes, on every replica. Which fields are there, and which of them may be
null, is the Open Responses specification's (2026-04-24); what is ours stands in `metadata` under `cuelight.`.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from agent.envelope import index, unseal
from agent.events import ENDINGS, AnswerAccepted, Citation, Event, RunFailed
from agent.outcome import MESSAGES
from agent.ports import RunView
from agent.request import Request
from api.admission import RESERVED
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
        "status": view.status,
        "incomplete_details": _incomplete(ending),
        "model": view.agent,
        "previous_response_id": None,
        "instructions": request.caller_instructions,
        "output": [_message(view, request, ending)] if isinstance(ending, AnswerAccepted) else [],
        "error": _error(ending) if isinstance(ending, RunFailed) else None,
        **_settings(request),
        "usage": _usage(view) if ending is not None else None,
        "store": view.store,
        "metadata": {**request.metadata, **_facts(view, ending)},
    }


def _settings(request: Request) -> dict[str, Any]:
    """The echo of what was asked for; the specification wants a value where nothing was."""
    return {
        "tools": [],
        "tool_choice": "auto",
        "truncation": "disabled",
        "parallel_tool_calls": True,
        "text": {"format": {"type": "text"}},
        "top_p": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "top_logprobs": 0,
        "temperature": 1.0 if request.temperature is None else request.temperature,
        "reasoning": None,
        "max_output_tokens": request.max_output_tokens,
        "max_tool_calls": None,
        "background": False,
        "service_tier": "default",
        "safety_identifier": None,
        "prompt_cache_key": None,
    }


def _message(view: RunView, request: Request, answer: AnswerAccepted) -> dict[str, Any]:
    note = _file_citation if "file_citation" in request.include else _url_citation
    annotations = [note(citation, request) for citation in answer.citations]
    return {
        "type": "message",
        "id": f"msg_{view.id.removeprefix('resp_')}",
        "status": "incomplete" if answer.incomplete else "completed",
        "role": "assistant",
        "content": [{"type": "output_text", "text": answer.text, "annotations": annotations}],
    }


def _url_citation(citation: Citation, request: Request) -> dict[str, Any]:
    """Half-open, in code points: `text[start_index:end_index]` is what the citation supports."""
    return {
        "type": "url_citation",
        "start_index": citation.answer_start,
        "end_index": citation.answer_end,
        "url": _address(citation, request.base_url),
        "title": citation.title or citation.source,
    }


def _file_citation(citation: Citation, request: Request) -> dict[str, Any]:
    """OpenAI's shape, which the specification does not have: only for those who asked for it."""
    return {
        "type": "file_citation",
        "file_id": citation.document_id,
        "filename": citation.source.rstrip("/").rpartition("/")[2] or citation.title,
        "index": citation.answer_end,
    }


def _address(citation: Citation, base_url: str) -> str:
    if citation.url is not None and is_web_address(citation.url):
        return citation.url
    passage, start, end = quote(citation.passage_id, safe=""), citation.passage_start, citation.passage_end
    return f"{base_url}/passages/{passage}?start={start}&end={end}"


def is_web_address(url: str) -> bool:
    """Whether a link may point there: a document's own `javascript:` address must not."""
    return url.lower().startswith(("https://", "http://"))


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
    return facts | {"offline": "true"} if answer.offline else facts


def _dollars(cost: Decimal | None) -> str:
    return "unknown" if cost is None else f"{cost.normalize():f}"


def _unix(at: datetime) -> int:
    return int(at.timestamp())
