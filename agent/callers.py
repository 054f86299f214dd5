"""Callers that come back: who waits for which run, what was delivered, and which run a repeated request means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Retry:
    """A request that was sent before, as its client says, and carries no idempotency key.

    It means a run with this fingerprint that is younger than `within_s`, whose ending was not delivered yet.
    """

    project: str
    fingerprint: bytes
    holder: str
    """Who waits for the run from now on."""
    within_s: float


@dataclass(frozen=True, slots=True)
class Claim:
    """What a retry found. A run that is `run`'s is held by the retry now, and by nobody else."""

    run: str | None
    more: bool
    """Whether there are such runs whose callers still seem to be there."""
    horizon: int
    """The oldest transaction that was still writing: what is newer was not seen."""
    newest: int
    """No transaction from here on had begun."""


class Callers(Protocol):
    """What the ledger knows of those who wait. Every method raises `Transient` if the store cannot be reached."""

    async def claim(self, retry: Retry, /) -> Claim:
        """Take over the oldest run that the retry may mean and whose caller is gone: one retry takes one run.

        A caller is gone once its connection was released, or its process is not alive.
        """

    async def known(self, project: str, key: str, body_hash: bytes, /) -> str | None:
        """The run that has this idempotency key, or None. Raises `KeyTaken` if it stands for another body."""

    async def release(self, holders: Mapping[str, str], /) -> frozenset[str]:
        """The callers of these runs are gone, given as holder by run; those of the runs that are there."""

    async def delivered(self, holders: Mapping[str, str], /) -> None:
        """The endings of these runs were sent whole; given as holder by run."""
