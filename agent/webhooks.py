"""Webhooks: who is told of endings, what they are told, and how it is signed (Standard Webhooks, as OpenAI does)."""

from __future__ import annotations

import hmac
import json
import re
import secrets
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, Protocol
from urllib.parse import urlsplit

TYPES = ("response.completed", "response.failed", "response.incomplete", "response.cancelled")
SECRET_BEGINS = "whsec_"  # noqa: S105  # how every secret begins, which is none
SECRET_BYTES = 32
MOST_URL_CHARS = 2_000

GIVE_UP_AFTER = timedelta(hours=72)
"""From the ending on, or from when an operator had it sent again."""
FIRST_DELAY_S = 5.0
MOST_DELAY_S = 6 * 3_600.0

DeliveryState = Literal["waiting", "delivered", "failed"]


@dataclass(frozen=True, slots=True)
class NewEndpoint:
    """An endpoint to put on record. `events` is what it is told of; None for all of `TYPES`."""

    id: str
    project: str
    url: str
    secret: str = field(repr=False)
    events: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint as everybody may see it: its secret stands nowhere but in the ledger, and in what signs."""

    id: str
    project: str
    url: str
    events: tuple[str, ...] | None
    created_at: datetime
    disabled_at: datetime | None = None
    """When it answered that it is gone; nothing is sent from then on."""
    failing_since: datetime | None = None
    rotating_until: datetime | None = None
    """Until when an earlier secret signs too."""
    waiting: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class DeliveryLook:
    """One ending and how far telling it has come. `status` and `error` are those of the last attempt."""

    event: str
    run: str
    type: str
    state: DeliveryState
    happened_at: datetime
    attempts: int
    status: int | None = None
    error: str = ""
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AttemptLook:
    """One attempt. Without `ended_at` it is under way, or its sender died and nobody knows what came of it."""

    number: int
    began_at: datetime
    ended_at: datetime | None = None
    status: int | None = None
    duration_ms: int | None = None
    error: str = ""


class Webhooks(Protocol):
    """What operators do with endpoints. Every method raises `Transient` if the store cannot be reached."""

    async def create(self, new: NewEndpoint, by: str, /) -> bool:
        """Put an endpoint on record, and that on the audit; False if its id is taken or there is no such project."""

    async def endpoints(self, project: str | None = None, /) -> Sequence[Endpoint]:
        """The endpoints of a project, or all, the oldest first."""

    async def endpoint(self, id: str, /) -> Endpoint | None:
        """The endpoint of this id."""

    async def rotate(self, id: str, secret: str, grace_s: float, by: str, /) -> Endpoint | None:
        """Sign with another secret from now on; every earlier one signs too, for `grace_s` more at most."""

    async def delete(self, id: str, by: str, /) -> bool:
        """Remove an endpoint with all that was to be sent to it; False if there is none."""

    async def deliveries(self, id: str, most: int, /) -> Sequence[DeliveryLook]:
        """What it was told or is to be told, the newest first."""

    async def attempts(self, id: str, event: str, /) -> Sequence[AttemptLook]:
        """Every attempt at telling it of an event, the first one first."""

    async def again(self, id: str, event: str | None, by: str, /) -> Sequence[str]:
        """Have an event sent now, whatever became of it, or all that did not arrive; their ids.

        They have all their time before them, and an endpoint that was gone is told again.
        """


@dataclass(frozen=True, slots=True)
class Parcel:
    """A delivery that was taken to be sent. `number` counts its attempts from 1, and `tries` those of the delay."""

    webhook: str
    event: str
    run: str
    type: str
    happened_at: datetime
    url: str
    secrets: tuple[str, ...] = field(repr=False)
    """What signs it: the endpoint's own, then earlier ones."""
    number: int = 1
    tries: int = 1
    token: str = ""
    failing: bool = False
    """Whether the endpoint's last attempt failed: one at a time is enough then."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What came of an attempt. `error` is a word of ours, empty if it arrived."""

    status: int | None
    error: str
    duration_ms: int

    @property
    def arrived(self) -> bool:
        return not self.error

    @property
    def gone(self) -> bool:
        """Whether the endpoint said that it wants nothing more, ever."""
        return self.status == 410


class Outgoing(Protocol):
    """What the one who sends asks of the ledger. Every method raises `Transient` if the store cannot be reached."""

    async def claim(self, lease_s: float, most: int, each: int, without: Sequence[str], /) -> Sequence[Parcel]:
        """Take deliveries that are due, so that nobody else sends them within the lease; each attempt is on record.

        At most `each` of an endpoint, one if its last attempt failed, and none of those named in `without`.
        """

    async def record(self, parcel: Parcel, receipt: Receipt, delay_s: float, /) -> DeliveryState | None:
        """Put on record what came of it; how the delivery stands now, or None if it is another's by now.

        What did not arrive is due again after `delay_s`, or given up where that would be too late.
        """


def backoff_s(tries: int, draw: float) -> float:
    """How long to wait after so many tries that failed, counted from 1: doubled each time.

    `draw`, between 0 and 1, says where in the upper half of that.
    """
    bound: float = min(FIRST_DELAY_S * 2.0 ** min(tries - 1, 30), MOST_DELAY_S)
    return bound * (0.5 + draw / 2)


def event_id(run: str, generation: int) -> str:
    """The id of a run's ending, the same for every endpoint and at every attempt."""
    return f"evt_{run.replace('resp_', '')}_{generation}"


def mint_endpoint() -> str:
    """A new endpoint's id."""
    return f"wh_{secrets.token_hex(8)}"


def mint_secret() -> str:
    """A new secret of 256 random bits."""
    return SECRET_BEGINS + b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def body(parcel: Parcel) -> bytes:
    """What is sent: ids and no text, the same bytes at every attempt."""
    told = {
        "id": parcel.event,
        "object": "event",
        "created_at": int(parcel.happened_at.timestamp()),
        "type": parcel.type,
        "data": {"id": parcel.run},
    }
    return json.dumps(told, separators=(",", ":")).encode()


def signed(parcel: Parcel, content: bytes, now_s: int) -> dict[str, str]:
    """The headers of Standard Webhooks: one signature for each secret that is good, so that either one verifies."""
    text = f"{parcel.event}.{now_s}.".encode() + content
    signatures = (hmac.digest(b64decode(it.removeprefix(SECRET_BEGINS)), text, "sha256") for it in parcel.secrets)
    return {
        "webhook-id": parcel.event,
        "webhook-timestamp": str(now_s),
        "webhook-signature": " ".join(f"v1,{b64encode(it).decode()}" for it in signatures),
    }


def complaint(url: str, allow_private: bool) -> str | None:
    """Why no endpoint can have this URL, as far as the URL itself tells; None if it can."""
    if len(url) > MOST_URL_CHARS or not re.fullmatch(r"[!-\[\]-~]+", url):
        return f"a URL has at most {MOST_URL_CHARS} characters, all of them ASCII, without blanks and backslashes"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "it is no URL"
    if parts.scheme not in (("https", "http") if allow_private else ("https",)):
        return "only https is allowed"
    if not parts.hostname or port == 0:
        return "it names no host and port that can be reached"
    if "@" in parts.netloc or parts.fragment:
        return "it must not hold a user, a password or a fragment"
    return None
