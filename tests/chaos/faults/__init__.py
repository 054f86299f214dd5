"""The table of faults: how each is made. An act ends when its fault is over, not when the service has recovered."""

from __future__ import annotations

from tests.chaos.faults.kind import Kind
from tests.chaos.faults.model import bad_day, outage
from tests.chaos.faults.network import reset, weather
from tests.chaos.faults.processes import (
    freeze_api,
    freeze_postgres,
    freeze_relay,
    freeze_worker,
    kill_api,
    kill_heartbeat,
    kill_postgres,
    kill_relay,
    kill_worker,
    ledger_full,
    roll_api,
    roll_workers,
)
from tests.chaos.faults.redis import (
    aof_damage,
    aof_old,
    aof_truncate,
    del_stream,
    flushall,
    freeze_redis,
    garbage,
    kill_redis,
    misconf,
    xgroup_destroy,
)

__all__ = ["TABLE", "Kind"]

TABLE: dict[str, Kind] = {
    "kill_worker": Kind(kill_worker, "worker"),
    "kill_heartbeat": Kind(kill_heartbeat, "worker"),
    "kill_api": Kind(kill_api, "api"),
    "kill_relay": Kind(kill_relay, "relay", needs="relay"),
    "kill_redis": Kind(kill_redis, "redis", loses=True),
    "kill_postgres": Kind(kill_postgres, "ledger"),
    "freeze_worker": Kind(freeze_worker, "worker"),
    "freeze_api": Kind(freeze_api, "api"),
    "freeze_relay": Kind(freeze_relay, "relay", needs="relay"),
    "freeze_redis": Kind(freeze_redis, "redis"),
    "freeze_postgres": Kind(freeze_postgres, "ledger"),
    "flushall": Kind(flushall, "redis", loses=True),
    "del_stream": Kind(del_stream, "redis"),
    "xgroup_destroy": Kind(xgroup_destroy, "redis"),
    "aof_truncate": Kind(aof_truncate, "redis", loses=True),
    "aof_damage": Kind(aof_damage, "redis", loses=True),
    "aof_old": Kind(aof_old, "redis", loses=True),
    "misconf": Kind(misconf, "redis"),
    "redis_half_open": Kind(weather("redis", 1.0, 4.0, silent=True), "redis"),
    "redis_reset": Kind(reset("redis"), "redis"),
    "redis_delay": Kind(weather("redis", 2.0, 6.0, delay_s=0.15), "redis"),
    "redis_cut": Kind(weather("redis", 1.0, 5.0, refuse=True), "redis"),
    "ledger_full": Kind(ledger_full, "ledger", needs="disk"),
    "ledger_half_open": Kind(weather("ledger", 1.0, 4.0, silent=True), "ledger"),
    "ledger_reset": Kind(reset("ledger"), "ledger"),
    "ledger_delay": Kind(weather("ledger", 2.0, 6.0, delay_s=0.1), "ledger"),
    "ledger_cut": Kind(weather("ledger", 1.0, 5.0, refuse=True), "ledger"),
    "model_half_open": Kind(weather("model", 1.0, 4.0, silent=True), "model"),
    "model_reset": Kind(reset("model"), "model"),
    "model_slow_network": Kind(weather("model", 2.0, 6.0, bytes_per_s=2_000.0), "model"),
    "model_outage": Kind(outage, "model"),
    "model_429": Kind(bad_day("rate_limited", 2.0, 8.0), "model"),
    "model_503": Kind(bad_day("server_error", 1.0, 5.0), "model"),
    "model_malformed": Kind(bad_day("malformed", 1.0, 4.0), "model"),
    "model_hang": Kind(bad_day("hang", 1.0, 3.0), "model"),
    "model_slow": Kind(bad_day("slow", 2.0, 6.0), "model"),
    "model_drop": Kind(bad_day("drop", 1.0, 4.0), "model"),
    "roll_workers": Kind(roll_workers, "worker"),
    "roll_api": Kind(roll_api, "api"),
    "garbage": Kind(garbage, "redis"),
}
"""Clients that hang up, retry and cancel are part of the load: they come all the time."""
