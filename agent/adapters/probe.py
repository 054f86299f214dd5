"""Whether the servers in the settings are ones that this service can work with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, BusyLoadingError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from agent.errors import Absent, Misconfigured

PATIENCE_S = 5.0
OLDEST_POSTGRES = 14
OLDEST_REDIS = (7, 0)
CLIENT: dict[str, Any] = {
    "decode_responses": True,
    "socket_timeout": PATIENCE_S,
    "socket_connect_timeout": PATIENCE_S,
    "retry": Retry(NoBackoff(), 0),
}

MAY_YET_COME = (
    OSError,
    TimeoutError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.ConnectionDoesNotExistError,
    RedisConnectionError,
    RedisTimeoutError,
    BusyLoadingError,
)
"""What a server says, or does not say, while it is being started."""


@dataclass(frozen=True, slots=True)
class RedisFacts:
    """What a Redis says of itself. `version` is the product's own; an empty `maxmemory_policy` is kept from us."""

    version: str
    flavour: str
    """`redis`, `valkey`, or the name that another server goes by."""
    run_id: str
    """Changes whenever the server starts again."""
    maxmemory_policy: str


async def probe_database(url: str) -> str:
    """The server's version, such as `18.4`. Raises `Misconfigured` if it is too old or cannot be reached."""
    where = _where(url)
    try:
        connection = await asyncpg.connect(url, timeout=PATIENCE_S)
        version = str(connection.get_settings().server_version)
        major = connection.get_server_version().major
        await connection.close(timeout=PATIENCE_S)
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise _unreachable("database", where, error, "CUELIGHT_DATABASE_URL") from None
    refuse_old_database(major, version)
    return version


def refuse_old_database(major: int, version: str) -> None:
    """Raises `Misconfigured` below `OLDEST_POSTGRES`."""
    if major < OLDEST_POSTGRES:
        raise Misconfigured(f"the database is PostgreSQL {version}; it must be {OLDEST_POSTGRES} or newer")


async def probe_redis(url: str) -> RedisFacts:
    """What the server says of itself. Raises `Misconfigured` if it is too old, may evict or cannot be reached."""
    where = _where(url)
    try:
        client = Redis.from_url(url, **CLIENT)
        async with client:
            info = await client.info("server")
            policy = await _policy(client)
    except (OSError, ValueError, RedisError) as error:
        raise _unreachable("Redis", where, error, "CUELIGHT_REDIS_URL") from None
    refuse_old_redis(str(info.get("redis_version", "")))
    refuse_eviction(policy)
    flavour = str(info.get("server_name", "redis"))
    version = str(info.get(f"{flavour}_version", info["redis_version"]))
    return RedisFacts(version, flavour, str(info.get("run_id", "")), policy)


async def _policy(client: Redis) -> str:
    """Managed servers forbid CONFIG and say it in INFO."""
    try:
        found = (await client.config_get("maxmemory-policy")).get("maxmemory-policy")
    except ResponseError:
        found = None
    return str(found or (await client.info("memory")).get("maxmemory_policy", ""))


def refuse_old_redis(version: str) -> None:
    """`version` is `redis_version`; Valkey and others say there which Redis they are like.

    Raises `Misconfigured` below `OLDEST_REDIS`: before it, deleted entries could never be claimed again.
    """
    parts = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if parts < OLDEST_REDIS:
        raise Misconfigured(f"the Redis server has version {version or 'unknown'}; it must be 7.0 or newer, or Valkey")


def refuse_eviction(policy: str) -> None:
    """Raises `Misconfigured` if the server may evict."""
    if policy not in ("noeviction", ""):
        raise Misconfigured(
            f"the Redis server has maxmemory-policy {policy}: when its memory is full it silently deletes queued work; "
            "set maxmemory-policy to noeviction"
        )


def _unreachable(what: str, where: str, error: Exception, setting: str) -> Misconfigured:
    """A malformed URL is not quoted, not even the part a library complains about: that may be of the password."""
    if isinstance(error, ValueError) and not isinstance(error, OSError):
        return Misconfigured(f"{setting} is not a URL of a server; percent-encode what is special in its password")
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    kind = Absent if isinstance(error, MAY_YET_COME) and not isinstance(error, AuthenticationError) else Misconfigured
    return kind(f"the {what} at {where} cannot be reached ({reason}); check {setting}")


def _where(url: str) -> str:
    """Host and port or the socket's path of a URL: never its user, password or anything that might be of them."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "the given URL"
    if "@" in parts.path + parts.query + parts.fragment:  # the password has a slash in it that is not encoded
        return "the given URL"
    if host:
        return f"{host}:{port}" if port else host
    return parse_qs(parts.query).get("host", [parts.path])[0]
