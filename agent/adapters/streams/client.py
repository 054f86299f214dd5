"""The connection to Redis, and the one pipeline that many callers share."""

from __future__ import annotations

import asyncio
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.driver_info import DriverInfo
from redis.exceptions import RedisError, ResponseError

from agent.errors import Transient

BLOCK_MS = 1_000
"""The longest that a read waits for something new: a stopped process notices within that time."""

AWAY = (RedisError, OSError, TimeoutError, RuntimeError)
"""uvloop raises a bare `RuntimeError` where a connection that was just reset is written to."""

DRIVER = DriverInfo()
"""Each connection would look the library's version up again, which takes longer than everything else about it."""


def connect(url: str) -> Redis:
    """A client whose socket time-out is longer than any blocking read, and which never tries again by itself."""
    return Redis.from_url(
        url,
        decode_responses=True,
        encoding_errors="surrogateescape",  # what a stranger wrote comes back byte for byte
        socket_timeout=BLOCK_MS / 1000 + 4,
        socket_connect_timeout=5,
        health_check_interval=15,
        max_connections=256,
        retry=Retry(NoBackoff(), 0),
        driver_info=DRIVER,
    )


def away(error: BaseException) -> Transient:
    return Transient(f"the streams are not available: {type(error).__name__}: {error}", kind="streams")


class SharedPipeline:
    """Commands of the same moment travel together; each caller gets its own answer or its own `Transient`."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._waiting: list[tuple[tuple[Any, ...], asyncio.Future[Any]]] = []
        self._sender: asyncio.Task[None] | None = None

    async def do(self, *command: Any) -> Any:
        """The server's answer to one command. Raises `Transient`: it may or may not have been carried out."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((command, future))
        if self._sender is None:
            self._sender = asyncio.create_task(self._send())
        return await future

    async def _send(self) -> None:
        try:
            await asyncio.sleep(0)  # tasks that were started together have their commands here then
            while self._waiting:
                batch, self._waiting = self._waiting[:500], self._waiting[500:]
                for (_, future), answer in zip(batch, await self._answers([c for c, _ in batch]), strict=True):
                    if not future.done():
                        _settle(future, answer)
        finally:
            self._sender = None

    async def _answers(self, commands: list[tuple[Any, ...]]) -> list[Any]:
        """One write and one read on a connection of the client: half the work of its own pipeline objects."""
        pool = self._client.connection_pool
        try:
            connection = await pool.get_connection()  # type: ignore[no-untyped-call]  # redis has no type for it
            try:
                await connection.send_packed_command(connection.pack_commands(commands))
                return [await self._answer(connection, command) for command in commands]
            finally:
                await pool.release(connection)
        except Exception as error:  # whatever it is, nobody may be left waiting for an answer
            return [error] * len(commands)

    async def _answer(self, connection: Any, command: tuple[Any, ...]) -> Any:
        """What the server says to one command, its complaints too. A broken connection raises, and is closed."""
        try:
            return await self._client.parse_response(connection, command[0])
        except ResponseError as error:
            return error


def _settle(future: asyncio.Future[Any], answer: Any) -> None:
    if isinstance(answer, Exception):
        future.set_exception(away(answer))
    else:
        future.set_result(answer)
