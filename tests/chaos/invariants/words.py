"""I4: no word that was not accepted leaves the service, and nobody gets the words of another's run."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.chaos.evidence import Evidence, Finding, text_of

FORBIDDEN = "REJECT-ME"
MARK = re.compile(r"SEEN-OK-(\d+)x(\d+)-END")
ANY_WORD = re.compile(r"SEEN-OK|REJECT-ME|ask-\d+-\d+-end")
"""The feed carries no text at all: neither an answer's nor a question's."""


def i4_only_accepted_words(evidence: Evidence) -> Iterator[Finding]:
    """Every byte of every reply and of the feed is looked at."""
    for reply in evidence.replies:
        if FORBIDDEN in reply["body"]:
            yield Finding("I4", f"the client {reply['marker']} was sent words that no check accepted")
    for entry in evidence.feed:
        if ANY_WORD.search(str(entry["fields"])):
            yield Finding("I4", f"the feed entry {entry['entry']} holds text", entry["fields"].get("run", ""))
    yield from _own_words(evidence)


def _own_words(evidence: Evidence) -> Iterator[Finding]:
    said = {(call["epoch"], call["n"]): call["run"] for call in evidence.model}
    for reply, response in evidence.responses():
        marks = MARK.findall(text_of(response))
        if response["status"] in ("completed", "incomplete") and not marks:
            yield Finding("I4", "an answer has no word of any call of the model", response["id"])
        for epoch, n in marks:
            if said.get((int(epoch), int(n))) != response["id"]:
                yield Finding("I4", f"the answer holds words of call {epoch}/{n}, which is another's", response["id"])
        marker = (response.get("metadata") or {}).get("chaos")
        if marker is not None and marker != reply["marker"]:
            yield Finding("I4", f"the client {reply['marker']} was given the run of {marker}", response["id"])
