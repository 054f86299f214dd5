"""Group commit: what many callers want to write at the same moment shares one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from agent.adapters.ledger.errors import AWAY, REFUSED, TRY_AGAIN, away
from agent.errors import Refused

T = TypeVar("T")
R = TypeVar("R")

Apply = Callable[[Sequence[T]], Awaitable[Sequence[R]]]


class GroupCommit(Generic[T, R]):
    """Gathers items while a transaction is under way and applies them together in the next.

    `apply` writes a batch in one transaction and gives a result per item. A deadlock or a lost race runs the batch
    again; rows that the database refuses are found by halving the batch, and only their callers get `Refused`;
    whatever else goes wrong is `Transient` to every caller of the batch, and nothing of it is written.
    """

    def __init__(self, apply: Apply[T, R], *, most: int = 256, most_bytes: int = 8_000_000, again: int = 5) -> None:
        self._apply = apply
        self._most = most
        self._most_bytes = most_bytes
        self._again = again
        self._waiting: list[tuple[T, int, asyncio.Future[R]]] = []
        self._flusher: asyncio.Task[None] | None = None

    async def submit(self, item: T, size: int = 0) -> R:
        """The item's result, once the transaction it was in has been committed. `size` is in bytes."""
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, size, future))
        self._start()
        return await future

    def _start(self) -> None:
        if self._flusher is None:
            self._flusher = asyncio.create_task(self._flush())

    async def drain(self) -> None:
        """Wait until nothing is waiting."""
        while self._flusher is not None:
            await asyncio.shield(self._flusher)

    async def _flush(self) -> None:
        try:
            while self._waiting:
                batch = self._take()
                await self._write([item for item, _ in batch], [future for _, future in batch])
        finally:
            self._flusher = None

    def _take(self) -> list[tuple[T, asyncio.Future[R]]]:
        count = total = 0
        for _, size, _ in self._waiting[: self._most]:
            total += size
            if count and total > self._most_bytes:
                break
            count += 1
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        return [(item, future) for item, _, future in batch]

    async def _write(self, items: Sequence[T], futures: Sequence[asyncio.Future[R]]) -> None:
        try:
            for future, result in zip(futures, await self._patiently(items), strict=True):
                _settle(future, result)
        except REFUSED as error:
            if len(items) == 1:
                _fail(futures, Refused(f"{type(error).__name__}: {str(error)[:300]}"))
                return
            middle = len(items) // 2
            await self._write(items[:middle], futures[:middle])
            await self._write(items[middle:], futures[middle:])
        except AWAY as error:
            _fail(futures, away(error))
        except BaseException as error:
            _fail(futures, error)
            if not isinstance(error, Exception):
                raise

    async def _patiently(self, items: Sequence[T]) -> Sequence[R]:
        for tries_left in range(self._again, 0, -1):
            try:
                return await self._apply(items)
            except TRY_AGAIN:
                if tries_left == 1:
                    raise
        raise AssertionError("unreachable")


def _settle(future: asyncio.Future[R], result: R) -> None:
    if not future.done():
        future.set_result(result)


def _fail(futures: Sequence[asyncio.Future[R]], error: BaseException) -> None:
    for future in futures:
        if not future.done():
            future.set_exception(error)
