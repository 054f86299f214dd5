"""What may come of a request that was made worse."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import anyio
import httpx
import orjson

from tests.fuzz.bodies import CHAT, COUNTING
from tests.fuzz.mutations import Sent

ERROR = {"message", "type", "param", "code"}
REFUSALS = {400, 404, 413, 415}
ENDS = {"no_valid_answer"}
"""How a run may fail here: the fake model says the same to everybody, also to those who want JSON or a call."""


@dataclass
class Verdict:
    """What was replied, and what should not have been."""

    statuses: Counter[int] = field(default_factory=Counter)
    opened: int = 0
    """Runs that the replies say there are."""
    wrong: list[str] = field(default_factory=list)

    def look(self, sent: Sent, reply: httpx.Response) -> None:
        """Add one reply."""
        self.statuses[reply.status_code] += 1
        accepted = reply.status_code == 200 or _is_end_of_run(sent, reply)
        self.opened += accepted and sent.path != COUNTING
        if not accepted and not _is_refusal(reply):
            self.wrong.append(
                f"{reply.status_code} {reply.text[:200]} to {sent.path} {sent.headers} {sent.body[:2_000]!r}"
            )


async def judged(requests: Iterable[Sent], http: httpx.AsyncClient, *, at_once: int = 1) -> Verdict:
    """All of these requests, sent and looked at."""
    verdict, rest = Verdict(), iter(requests)

    async def send_some() -> None:
        for sent in rest:
            try:
                reply = await http.post(sent.path, content=sent.body, headers=sent.headers)
            except httpx.TransportError as error:
                verdict.wrong.append(f"{error!r} instead of a reply to {len(sent.body)} bytes for {sent.path}")
            else:
                verdict.look(sent, reply)

    async with anyio.create_task_group() as group:
        for _ in range(at_once):
            group.start_soon(send_some)
    return verdict


def _is_refusal(reply: httpx.Response) -> bool:
    """One of ours, whole and with its type."""
    if reply.status_code not in REFUSALS or reply.headers["content-type"] != "application/json":
        return False
    error = orjson.loads(reply.content).get("error", {})
    wanted = "not_found" if reply.status_code == 404 else "invalid_request_error"
    return set(error) == ERROR and error["type"] == wanted and bool(error["message"]) and bool(error["code"])


def _is_end_of_run(sent: Sent, reply: httpx.Response) -> bool:
    """A chat whose run has failed has a status of an error; its code is the class of the failure."""
    if sent.path != CHAT or reply.headers["content-type"] != "application/json":
        return False
    return orjson.loads(reply.content).get("error", {}).get("code") in ENDS
