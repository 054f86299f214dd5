"""Citations as annotations of a text."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from agent.events import AnswerAccepted, Citation
from agent.request import Request


def annotated(answer: AnswerAccepted, request: Request) -> list[dict[str, Any]]:
    """One annotation per citation, in the shape that the request asked for."""
    note = _file_citation if "file_citation" in request.include else _url_citation
    return [note(citation, request) for citation in answer.citations]


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
