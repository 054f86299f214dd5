"""asyncpg's and the network's errors, by what the caller should do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from asyncpg import exceptions

from agent.errors import Transient

TRY_AGAIN = (
    exceptions.SerializationError,
    exceptions.DeadlockDetectedError,
    exceptions.LockNotAvailableError,
)
"""The whole transaction may succeed when it is simply run again."""

REFUSED = (
    asyncpg.DataError,
    exceptions.DataError,
    exceptions.IntegrityConstraintViolationError,
    exceptions.ProgramLimitExceededError,
    UnicodeError,
)
"""The rows themselves are at fault."""

AWAY = (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError, asyncpg.PostgresError)


def away(error: BaseException) -> Transient:
    """The store did not answer as it should: everybody who asked may try again."""
    return Transient(f"the ledger is not available: {type(error).__name__}: {error}", kind="ledger")


@contextmanager
def reached() -> Iterator[None]:
    """Turns the store's absence into `Transient`."""
    try:
        yield
    except AWAY as error:
        raise away(error) from error
