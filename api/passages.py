"""`/passages/{id}`: the page behind a citation. It shows what the library holds, with the cited words marked.

Nothing on it can run: every text is escaped, and its policy allows one style sheet, by hash, and nothing else.
"""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from agent.access import is_signed
from agent.ports import DEFAULT_PROJECT, StoredPassage
from api.access import known
from api.door import Door
from api.errors import ApiError, invalid, not_found, unknown
from api.keyring import Keyring
from api.links import is_web_address

_ID = re.compile(r"[!-~]{1,200}")
_NUMBER = re.compile(r"-?[0-9]{1,12}")

_STYLE = """
:root { color-scheme: light dark; --paper: #fbfaf7; --ink: #22211f; --quiet: #6b6861; --line: #e2dfd7;
  --mark: #ffe39a; --note: #fdf1d8; --link: #245a8d; }
@media (prefers-color-scheme: dark) { :root { --paper: #17181a; --ink: #e6e3dc; --quiet: #9c988f; --line: #323438;
  --mark: #6b5200; --note: #2c2617; --link: #8fc0ee; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 1.125rem/1.65 Charter, "Bitstream Charter", "Iowan Old Style", Georgia, Cambria, serif; }
main { max-width: 42rem; margin: 0 auto; padding: clamp(1.5rem, 6vw, 4.5rem) 1.25rem 4rem; }
header { border-bottom: 1px solid var(--line); padding-bottom: 1.25rem; margin-bottom: 1.75rem; }
h1 { font-size: clamp(1.5rem, 4vw, 2rem); line-height: 1.2; margin: 0 0 .5rem; text-wrap: balance; }
.quiet { color: var(--quiet); font: .875rem/1.5 system-ui, sans-serif; margin: 0; overflow-wrap: anywhere; }
.note { background: var(--note); border-radius: .4rem; padding: .7rem 1rem; font: .9375rem/1.5 system-ui, sans-serif; }
.text { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; }
mark { background: var(--mark); color: inherit; border-radius: .15em; padding: .06em 0;
  -webkit-box-decoration-break: clone; box-decoration-break: clone; }
a { color: var(--link); }
"""

_STYLE_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()
PAGE_HEADERS = {
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}
"""The other safe headers are on every reply."""


class Passages:
    """The call of a reader who wants to see for himself."""

    def __init__(self, door: Door, keyring: Keyring) -> None:
        self._shelf = door.shelf
        self._keyring = keyring

    async def show(self, request: Request) -> Response:
        """GET /passages/{id}: `start` and `end` are code points of the passage, half-open, clamped to its ends."""
        try:
            return await self._page(request)
        except ApiError as error:
            if "text/html" not in request.headers.get("accept", ""):
                raise
            return HTMLResponse(error_page(error.message), error.status, {**error.headers, **PAGE_HEADERS})

    async def _page(self, request: Request) -> Response:
        for name in request.query_params:
            if name not in ("start", "end", "project", "signature"):
                raise unknown(name)
        start, end = (_number(request, name) for name in ("start", "end"))
        wanted = request.path_params["id"]
        project = await self._project(request, wanted)
        passage = await self._shelf.passage(wanted, project) if project and _ID.fullmatch(wanted) else None
        if passage is None:
            raise not_found("There is no such passage", code="passage_not_found", param="id")
        return HTMLResponse(passage_page(passage, start, end), headers=PAGE_HEADERS)

    async def _project(self, request: Request, passage: str) -> str | None:
        """Whose passage may be shown: by the signature of the link, else by the key. None if the signature is wrong.

        Raises `ApiError` 401 without either, once there are keys.
        """
        signature = request.query_params.get("signature")
        if signature is None:
            return (await known(self._keyring, request.headers)).project
        name = request.query_params.get("project", DEFAULT_PROJECT)
        owner = await self._keyring.project(name)
        return name if is_signed(owner.link_secret if owner else b"", name, passage, signature) else None


def passage_page(passage: StoredPassage, start: int | None, end: int | None) -> str:
    """The page of a passage; without a span, or with an empty one, nothing is marked."""
    title = passage.title or passage.source
    parts = [f"<header><h1>{escape(title)}</h1>{_source(passage)}</header>"]
    if not passage.current:
        parts.append(
            '<p class="note" role="note">The document has changed since it was cited: '
            "this is the passage as it stood then.</p>"
        )
    parts.append(f'<article class="text" dir="auto">{_marked(passage.text, start, end)}</article>')
    return _document(title, "".join(parts))


def error_page(message: str) -> str:
    """A page that says what went wrong."""
    return _document("Not available", f'<h1>Not available</h1><p class="quiet">{escape(message)}.</p>')


def _document(title: str, inside: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><main>{inside}</main></body></html>"
    )


def _source(passage: StoredPassage) -> str:
    where = f"{escape(passage.source)} · collection {escape(passage.collection)}"
    if passage.url is not None and is_web_address(passage.url):
        link = f'<a href="{escape(passage.url)}" rel="noopener noreferrer">{escape(passage.url)}</a>'
        return f'<p class="quiet">{where}</p><p class="quiet">{link}</p>'
    return f'<p class="quiet">{where}</p>'


def _marked(text: str, start: int | None, end: int | None) -> str:
    first = _clamp(0 if start is None else start, len(text))
    last = _clamp(len(text) if end is None else end, len(text))
    if (start is None and end is None) or first >= last:
        return escape(text)
    return f"{escape(text[:first])}<mark>{escape(text[first:last])}</mark>{escape(text[last:])}"


def _clamp(value: int, most: int) -> int:
    return max(0, min(value, most))


def _number(request: Request, name: str) -> int | None:
    value = request.query_params.get(name)
    if value is None:
        return None
    if not _NUMBER.fullmatch(value):
        raise invalid(name, "must be a whole number")
    return int(value)
