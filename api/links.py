"""Where a citation leads: to the document's own address on the web, or to this service's page of the passage."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import quote

from agent.access import sign
from agent.events import Citation
from agent.ports import RunView
from agent.request import Request


@dataclass(frozen=True, slots=True)
class Links:
    """Links to the passages of a project; with a secret they are signed, and open without a key."""

    base_url: str
    project: str
    secret: bytes = field(default=b"", repr=False)

    def address(self, citation: Citation) -> str:
        """Where the cited words can be read."""
        if citation.url is not None and is_web_address(citation.url):
            return citation.url
        passage, start, end = quote(citation.passage_id, safe=""), citation.passage_start, citation.passage_end
        page = f"{self.base_url}/passages/{passage}?start={start}&end={end}"
        return f"{page}&{self._signature(citation.passage_id)}" if self.secret else page

    def _signature(self, passage: str) -> str:
        return f"project={quote(self.project, safe='')}&signature={sign(self.secret, self.project, passage)}"


def links_of(view: RunView, request: Request) -> Links:
    """The links in a run's answer. Runs of releases that did not sign keep the links that they had."""
    return Links(request.base_url, view.project, view.link_secret if request.signed_links else b"")


def is_web_address(url: str) -> bool:
    """Whether a link may point there: a document's own `javascript:` address must not."""
    return url.lower().startswith(("https://", "http://"))
