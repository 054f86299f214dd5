"""Nobody calls out: whatever opens a connection to another machine, or calls a model, fails at once."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from ipaddress import ip_address
from types import ModuleType
from typing import Any
from unittest import mock


class LiveCall(BaseException):
    """Something wanted to call out. Like the failures of test runners it is no `Exception`: no retry swallows it."""


CALLERS = (
    ("agent.adapters.model.book", "ModelBook", "call"),
    ("openai._base_client", "AsyncAPIClient", "request"),
    ("openai._base_client", "SyncAPIClient", "request"),
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
    started: list[Any] = []

    def hold_back(module: str) -> None:
        for patch in (_patched(*it, loopback) for it in (*CALLERS, *TRANSPORTS) if it[0] == module):
            if patch is not None:
                patch.start()
                started.append(patch)

    with (
        mock.patch.multiple(
            socket.socket,
            connect=_watched(socket.socket.connect, loopback),
            connect_ex=_watched(socket.socket.connect_ex, loopback),
        ),
        mock.patch.object(socket, "getaddrinfo", _looked_up(socket.getaddrinfo)),
        _imported([it[0] for it in (*CALLERS, *TRANSPORTS)], hold_back),
    ):
        try:
            yield
        finally:
            for patch in reversed(started):
                patch.stop()


@contextmanager
def _imported(names: Sequence[str], tell: Callable[[str], None]) -> Iterator[None]:
    """Tells of each of these modules that is there, and of the others once they are imported."""
    for name in dict.fromkeys(names):
        if name in sys.modules:
            tell(name)
    finder = _Finder({name for name in names if name not in sys.modules}, tell)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _Finder(MetaPathFinder):
    """Leaves finding to the others, and tells when what they found has been run, as long as it is asked."""

    def __init__(self, names: set[str], tell: Callable[[str], None]) -> None:
        self._names, self._tell = names, tell

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name not in self._names:
            return None
        self._names.remove(name)
        spec = find_spec(name)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def run_and_tell(module: ModuleType) -> None:
                run(module)
                if self in sys.meta_path:
                    self._tell(name)

            spec.loader.exec_module = run_and_tell  # type: ignore[method-assign]
        return spec


def _looked_up(lookup: Any) -> Any:
    def watching(host: Any, *args: Any, **more: Any) -> Any:
        name = host.decode(errors="replace") if isinstance(host, bytes) else host
        if name and not (_is_number(name) or is_here(name) or name == socket.gethostname()):
            raise LiveCall(f"something looks up {name}, and nothing may call out here")
        return lookup(host, *args, **more)

    return watching


def _watched(connect: Any, loopback: bool) -> Any:
    def watching(self: socket.socket, address: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not (loopback and is_here(str(address[0]))):
            self.close()  # whoever opened it expects no such error
            raise LiveCall(f"something connects to {address[0]}:{address[1]}, and nothing may call out here")
        return connect(self, address)

    return watching


def _patched(module: str, owner: str, name: str, loopback: bool) -> Any:
    found = getattr(sys.modules[module], owner, None)
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
    if _is_number(host):
        return ip_address(host.partition("%")[0]).is_loopback
    return host == "localhost" or host.endswith(".localhost")


def _is_number(host: str) -> bool:
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
