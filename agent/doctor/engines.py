"""Checks of the two engines: whether they answer, which release they are, how they are set, and their clocks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from agent.doctor.facts import Facts
from agent.doctor.finding import Finding, Level, fault, warning
from agent.wording import counted

BAD_REDIS: tuple[tuple[tuple[int, ...], tuple[int, ...], Level, str], ...] = (
    ((8, 2, 0), (8, 2, 3), Level.FAULT, "XACKDEL can be made to run foreign code (CVE-2025-62507)"),
    (
        (8, 2, 3),
        (8, 2, 9),
        Level.WARNING,
        "streams can be misused by RESTORE and XREAD, and XTRIM ACKED deletes nothing",
    ),
    (
        (8, 4, 0),
        (8, 4, 6),
        Level.WARNING,
        "streams can be misused by RESTORE and XREAD, and XTRIM ACKED deletes nothing",
    ),
    ((8, 6, 0), (8, 6, 6), Level.WARNING, "streams can be misused by RESTORE and XREAD"),
)
"""From, up to but not including, and why: the release notes of Redis. Valkey has its own code there."""

OLDEST_REDIS = (7, 0)
OLDEST_POSTGRES = 140_000


def away(facts: Facts) -> Iterable[Finding]:
    if facts.ledger is None:
        advice = "start PostgreSQL, or mend CUELIGHT_DATABASE_URL; the checks of the ledger were left out"
        yield fault("ledger-away", "", f"the ledger cannot be read: {facts.ledger_error}", advice)
    if facts.streams is None:
        advice = "start Redis, or mend CUELIGHT_REDIS_URL; nothing is lost meanwhile; its checks were left out"
        yield fault("streams-away", "", f"the streams cannot be read: {facts.streams_error}", advice)


def migrations(facts: Facts) -> Iterable[Finding]:
    if facts.ledger is None:
        return
    if facts.ledger.missing_migrations:
        said = f"the ledger lacks {', '.join(facts.ledger.missing_migrations)}"
        yield fault("migrations", "", said, "run `cuelight migrate`; the other checks of the ledger were left out")
    if facts.ledger.newer_migration is not None:
        said = f"the ledger is at version {facts.ledger.newer_migration}, which this release does not know"
        yield warning("migrations", "", said, "a newer release migrated it: use that one's `cuelight doctor`")


def redis_release(facts: Facts) -> Iterable[Finding]:
    if facts.streams is None:
        return
    if version_of(facts.streams.redis_version)[:2] < OLDEST_REDIS:
        said = f"the Redis server has version {facts.streams.redis_version or 'unknown'}"
        yield fault("redis-version", "", said, "7.0 is the oldest that works: before it, deleted entries stay claimed")
    if facts.streams.flavour == "redis":
        yield from _known_bad(facts.streams.version)


def _known_bad(version: str) -> Iterable[Finding]:
    for first, mended, level, why in BAD_REDIS:
        if first <= version_of(version) < mended:
            advice = f"update it to {'.'.join(map(str, mended))} or newer"
            yield Finding("redis-version", level, "", f"Redis {version}: {why}", advice)


def version_of(text: str) -> tuple[int, ...]:
    """`8.2.1` as numbers, up to what is none."""
    parts = []
    for part in text.split("."):
        if not part.isdigit():
            break
        parts.append(int(part))
    return tuple(parts)


def redis_memory(facts: Facts) -> Iterable[Finding]:
    info = facts.streams.info if facts.streams else {}
    policy = info.get("maxmemory_policy", "")
    if policy not in ("", "noeviction"):
        said = f"Redis may evict: maxmemory-policy is {policy}"
        yield fault("redis-eviction", "", said, "CONFIG SET maxmemory-policy noeviction, and in its configuration")
    if (evicted := _number(info, "evicted_keys")) > 0:
        said = f"Redis has evicted {counted(evicted, 'key')} since it was started"
        yield warning("redis-evicted", "", said, "the work in them is published again; set maxmemory-policy noeviction")
    most, used = _number(info, "maxmemory"), _number(info, "used_memory")
    if most and used > most * facts.limits.memory_share:
        said = f"Redis uses {used / most:.0%} of its maxmemory; when it is full it refuses writes"
        yield fault("redis-memory", "", said, "raise maxmemory, or see with `cuelight streams` what piles up")


def redis_files(facts: Facts) -> Iterable[Finding]:
    info = facts.streams.info if facts.streams else {}
    if info.get("aof_enabled") == "0":
        said = "Redis keeps no append-only file: a restart forgets the streams, and all open work is published again"
        yield warning("redis-aof", "", said, "CONFIG SET appendonly yes, and in its configuration")
    fsync = info.get("appendfsync", "everysec") if info.get("aof_enabled") == "1" else "everysec"
    if fsync != "everysec":
        cost = "a full disk makes Redis exit" if fsync == "always" else "a power cut loses up to half a minute"
        yield warning("redis-fsync", "", f"appendfsync is {fsync}: {cost}", "CONFIG SET appendfsync everysec")
    failed = [name for name in ("aof_last_write_status", "rdb_last_bgsave_status") if info.get(name, "ok") != "ok"]
    if failed:
        said = f"Redis cannot write to its disk ({', '.join(failed)}) and may refuse writes (MISCONF)"
        yield fault("redis-disk", "", said, "free its disk; nothing is lost meanwhile")
    if info.get("role", "master") != "master":
        yield fault(
            "redis-role", "", "this Redis is a replica: it takes no writes", "set CUELIGHT_REDIS_URL to the primary"
        )


def postgres(facts: Facts) -> Iterable[Finding]:
    if facts.ledger is None:
        return
    settings = facts.ledger.settings
    if _number(settings, "server_version_num", OLDEST_POSTGRES) < OLDEST_POSTGRES:
        yield fault(
            "postgres-version", "", f"PostgreSQL {settings.get('server_version')}", "14 is the oldest that works"
        )
    for name, cost in UNSAFE.items():
        if settings.get(name) == "off":
            yield fault(
                "postgres-durability", name, f"{name} is off: {cost}", f"alter system set {name} = on; reload it"
            )
    if facts.ledger.in_recovery:
        said, advice = "this PostgreSQL is a standby: it takes no writes", "set CUELIGHT_DATABASE_URL to the primary"
        yield fault("postgres-role", "", said, advice)
    most = _number(settings, "max_connections")
    if most and facts.ledger.connections >= most * facts.limits.connections_share:
        said = f"{facts.ledger.connections} of {most} connections of PostgreSQL are taken"
        yield warning("postgres-connections", "", said, "raise max_connections, or put a pooler before it")


UNSAFE = {
    "fsync": "a power cut can destroy the whole ledger",
    "full_page_writes": "a power cut can destroy the whole ledger",
    "synchronous_commit": "a crash of PostgreSQL can lose requests that were accepted",
}


def clocks(facts: Facts) -> Iterable[Finding]:
    """Due times are PostgreSQL's, ids and the feed's age are the hosts', leases are Redis'."""
    ahead = {"PostgreSQL": facts.ledger, "Redis": facts.streams}
    for name, engine in ahead.items():
        if engine is not None and abs(engine.clock_ahead_s) > facts.limits.clock_s:
            way = "ahead of" if engine.clock_ahead_s > 0 else "behind"
            said = f"the clock of {name} is {abs(engine.clock_ahead_s):.0f} s {way} this host's"
            yield warning("clock", name, said, "let NTP set the clocks of all hosts")


def disk(facts: Facts) -> Iterable[Finding]:
    free = facts.disk_free_bytes
    if free is None or free >= facts.limits.disk_low_bytes:
        return
    said = f"{free / 1e6:.0f} MB are free where the engines keep their files"
    judge = fault if free < facts.limits.disk_out_bytes else warning
    yield judge("disk", "", said, "free some: a full disk stops PostgreSQL, and new requests get 503 then")


def _number(values: Mapping[str, str], name: str, default: int = 0) -> int:
    value = values.get(name, "")
    return int(value) if value.isdigit() else default
