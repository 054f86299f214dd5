"""Citations as annotations of a text."""

from __future__ import annotations

from typing import Any

from agent.events import AnswerAccepted, Citation
from agent.request import Request
from api.links import Links


def annotated(answer: AnswerAccepted, request: Request, links: Links) -> list[dict[str, Any]]:
    """One annotation per citation, in the shape that the request asked for."""
    if "file_citation" in request.include:
        return [_file_citation(citation) for citation in answer.citations]
    return [_url_citation(citation, links) for citation in answer.citations]


def _url_citation(citation: Citation, links: Links) -> dict[str, Any]:
    """Half-open, in code points: `text[start_index:end_index]` is what the citation supports."""
    return {
        "type": "url_citation",
        "start_index": citation.answer_start,
        "end_index": citation.answer_end,
        "url": links.address(citation),
        "title": citation.title or citation.source,
    }


def _file_citation(citation: Citation) -> dict[str, Any]:
    """OpenAI's shape, which the specification does not have: only for those who asked for it."""
    return {
        "type": "file_citation",
        "file_id": citation.document_id,
        "filename": citation.source.rstrip("/").rpartition("/")[2] or citation.title,
        "index": citation.answer_end,
    }
