"""Nobody calls out: whatever opens a connection to another machine, or calls a model, fails at once."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from ipaddress import ip_address
from typing import Any
from unittest import mock


class LiveCall(BaseException):
    """Something wanted to call out. Like the failures of test runners it is no `Exception`: no retry swallows it."""


CALLERS = (
    ("agent.adapters.model.book", "ModelBook", "call"),
    ("openai", "AsyncAPIClient", "request"),
    ("openai", "SyncAPIClient", "request"),
)
"""What calls models, whichever way it gets there."""
TRANSPORTS = (
    ("httpx", "HTTPTransport", "handle_request"),
    ("httpx", "AsyncHTTPTransport", "handle_async_request"),
)


@contextmanager
def forbid_live_calls(*, loopback: bool = True) -> Iterator[None]:
    """Raises `LiveCall` where something connects to another machine or calls a model, for as long as the block lasts.

    This machine's own addresses may be reached with `loopback`; a model may not be called there either. Libraries that
    bring network code of their own, not Python's, are not held back.
    """
    with mock.patch.multiple(
        socket.socket,
        connect=_watched(socket.socket.connect, loopback),
        connect_ex=_watched(socket.socket.connect_ex, loopback),
    ):
        patched = [_patched(*it, loopback) for it in (*CALLERS, *TRANSPORTS) if it[0] in sys.modules]
        started = [it for it in patched if it is not None]
        for patch in started:
            patch.start()
        try:
            yield
        finally:
            for patch in started:
                patch.stop()


def _watched(connect: Any, loopback: bool) -> Any:
    def watching(self: socket.socket, address: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not (loopback and is_here(str(address[0]))):
            self.close()  # whoever opened it expects no such error
            raise LiveCall(f"something connects to {address[0]}:{address[1]}, and nothing may call out here")
        return connect(self, address)

    return watching


def _patched(module: str, owner: str, name: str, loopback: bool) -> Any:
    found = getattr(import_module(module), owner, None)
    if found is None or not hasattr(found, name):
        return None
    real, calls_models = getattr(found, name), (module, owner, name) in CALLERS

    def watching(self: Any, *args: Any, **more: Any) -> Any:
        host = "" if calls_models or not args else str(args[0].url.host)
        if calls_models or not (loopback and is_here(host)):
            raise LiveCall(f"{owner}.{name} calls {host or 'a model'}, and nothing may call out here")
        return real(self, *args, **more)

    return mock.patch.object(found, name, watching)


def is_here(host: str) -> bool:
    """Whether a host is this machine by its loopback."""
    try:
        return ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
