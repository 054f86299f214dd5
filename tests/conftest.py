"""Fixtures for every test."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import certifi
import pytest
import structlog
from hypothesis import HealthCheck, settings
from xdist.remote import Producer  # type: ignore[import-untyped]
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

from tests.engines import data_dir, database_url, engines, redis_prefix, redis_url
from tests.sent import everything_sent_is_as_promised

__all__ = ["data_dir", "database_url", "engines", "everything_sent_is_as_promised", "redis_prefix", "redis_url"]

# Hundreds of clients and processes of tests would each read all authorities of the world, and plugins that nobody has.
NOBODY = str(Path(__file__).parent / "data/tls/nobody.example.pem")
os.environ["SSL_CERT_FILE"] = NOBODY
certifi.where = lambda: NOBODY  # for clients that read no environment
os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"

# The usual form of an exception in a log takes seconds to render, with every local variable of every frame.
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(),
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)

# Hypothesis' own limits of 200 ms an example and of the time that drawing takes are timed assertions: they fail on a
# busy machine.
settings.register_profile(
    "untimed",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    max_examples=int(os.environ.get("EXAMPLES", "50")),
)
settings.load_profile("untimed")


@pytest.fixture
def kept_port() -> Iterator[int]:
    """A port that refuses connections until somebody listens there by its number; nobody is given it by chance."""
    with socket.socket() as keeper:
        keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        keeper.bind(("127.0.0.1", 0))
        port: int = keeper.getsockname()[1]
        yield port


TOGETHER = frozenset({"tests/e2e/test_up.py", "tests/e2e/test_cli.py", "tests/traces/test_traces.py"})
"""Each of these starts a whole service once, in the one test process that runs all of it."""

PATIENT = "tests/crash/"
"""Tests that wait most of their time, for processes that die and leases that lapse."""


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Test by test to whichever process is free, the large modules first. `--dist loadgroup` would do, had its
    groups an effect with this release of pytest."""

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0]
        return module if module in TOGETHER else nodeid


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What waits is spread among what computes, or all test processes wait at once, and then all compete."""
    patient = [it for it in items if it.nodeid.startswith(PATIENT)]
    others = [it for it in items if not it.nodeid.startswith(PATIENT)]
    if patient and others:
        places = {id(it): n * len(others) / len(patient) for n, it in enumerate(patient)}
        places |= {id(it): float(n) for n, it in enumerate(others)}
        items.sort(key=lambda it: places[id(it)])


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    """Asked by `pytest -n`."""
    return Scheduling(config, log)
