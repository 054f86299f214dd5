"""
Every way a delivery can fail, by what its caller should do:

* AgentError
  x Transient        the same work may succeed later: tried again
    + Overloaded     the far side named a time to wait
    + Held           the model is on hold for everybody: no call was made
  x Permanent        trying again cannot help: buried as a dead letter
    + Undecodable    the bytes are not an event, or not this version of it
    + Unroutable     no step takes this event
  x Unfamiliar       a newer release wrote this: parked until one comes by
  x Gone             the run ended or went on meanwhile: nothing is left to do
* Misconfigured      the process cannot do its job and refuses to start
  x Absent           ... because an engine does not answer: it may yet come
* Refused            the store refuses this very row; the others are fine
* KeyTaken           the caller's idempotency key stands for another request
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any


class AgentError(Exception):
    """Base class of the errors a step or an effect may raise on purpose.

    `kind` is the failure class that is recorded and counted (`transport`, `rate_limited`, `quota`, `server`,
    `malformed`, `empty`, `rejected`, ...). It is data: never rename one.
    """

    kind = "error"
    usage: Any = None
    """An `agent.events.Usage`: the tokens that the failed call used all the same; None where nobody knows."""
    cost_usd: Decimal | None = None
    """What the failed call cost all the same; None where nobody knows."""

    def __init__(self, message: str, *, kind: str | None = None) -> None:
        super().__init__(message)
        if kind is not None:
            self.kind = kind


class Transient(AgentError):
    """The same work may succeed later."""

    kind = "transient"


class Overloaded(Transient):
    """The far side asked us to wait `retry_after_s` seconds."""

    kind = "rate_limited"

    def __init__(self, message: str, *, retry_after_s: float, kind: str | None = None) -> None:
        super().__init__(message, kind=kind)
        self.retry_after_s = retry_after_s


class Held(Transient):
    """The model is not to be called now, and was not: it may be free in `wait_s` seconds.

    `kind` says why: the class of failure that it is on hold for, or the limit that is used up.
    """

    kind = "held"

    def __init__(self, message: str, *, wait_s: float, kind: str | None = None) -> None:
        super().__init__(message, kind=kind)
        self.wait_s = wait_s


class Permanent(AgentError):
    """Trying again cannot help."""

    kind = "permanent"


class Undecodable(Permanent):
    """The bytes are not an event we know."""

    kind = "undecodable"


class Unroutable(Permanent):
    """No step takes this event."""

    kind = "unroutable"


class Unfamiliar(AgentError):
    """Well-formed, but of a type, version, agent or prompt that this release does not have."""

    kind = "unfamiliar"


class Gone(AgentError):
    """The run has ended, went on, or has no time left: whoever was at work on it stops."""

    kind = "gone"


class Misconfigured(Exception):
    """The process refuses to start; the message is one sentence that says why and what to do."""


class Absent(Misconfigured):
    """An engine does not answer. Whoever starts may wait for it a while before it refuses."""


class Refused(Exception):
    """The store refuses this row and would refuse it again; it harms no other."""


class KeyTaken(Exception):
    """This idempotency key was used for another body before."""
