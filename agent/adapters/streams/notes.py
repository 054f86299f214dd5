"""Short texts that all workers share, in Redis."""

from __future__ import annotations

from redis.asyncio import Redis
from redis.exceptions import RedisError

from agent.adapters.streams.keys import Keys
from agent.errors import Transient


class RedisNotes:
    """See `agent.ports.Notes`."""

    def __init__(self, client: Redis, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def read(self, place: str, /) -> str | None:
        try:
            found = await self._client.get(self._keys.note(place))
        except (RedisError, OSError) as error:
            raise Transient(f"the notes cannot be read: {type(error).__name__}", kind="streams") from error
        return found.decode("utf-8", "replace") if isinstance(found, bytes) else found

    async def write(self, place: str, text: str, lives_s: float, /) -> None:
        try:
            await self._client.set(self._keys.note(place), text, px=max(1, int(lives_s * 1000)))
        except (RedisError, OSError) as error:
            raise Transient(f"the notes cannot be written: {type(error).__name__}", kind="streams") from error
