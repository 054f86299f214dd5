"""I6: the same key is the same response, and one question starts one run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from tests.chaos.evidence import Evidence, Finding

ATTACHED = frozenset({"create", "hangup"})


def i6_same_key_same_response(evidence: Evidence) -> Iterator[Finding]:
    """Also for clients that retry as OpenAI's does, where the release knows how; a changed body is refused.

    With `store: false` it is refused as long as the text is there, which may be gone as soon as the answer has come.
    """
    sorts = {ask["marker"]: ask for ask in evidence.asks}
    runs: dict[str, set[str]] = defaultdict(set)
    for run in evidence.runs:
        if run["marker"] is not None:
            runs[run["marker"]].add(run["id"])
    for marker, ids in runs.items():
        if len(ids) > 1 and marker in sorts:
            yield Finding("I6", f"the {sorts[marker]['sort']} client {marker} started {len(ids)} runs", min(ids))
    told: dict[str, set[str]] = defaultdict(set)
    for reply, response in evidence.responses():
        if reply["how"] in ATTACHED:
            told[reply["marker"]].add(response["id"])
    for marker, ids in told.items():
        if len(ids) > 1 and len(runs[marker]) <= 1:
            yield Finding("I6", f"the client {marker} was given {len(ids)} different responses", min(ids))
    kept = {marker for marker, ask in sorts.items() if ask["store"]}  # the others' keys go with their text
    for reply in evidence.replies:
        if (
            reply["how"] == "conflict"
            and reply["marker"] in kept
            and reply["status"] is not None
            and reply["status"] < 300
        ):
            yield Finding("I6", f"the key of {reply['marker']} was taken for another question")
