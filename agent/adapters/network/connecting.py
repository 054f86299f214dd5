"""Connections to hosts that strangers have named. What was checked is what is connected to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import httpcore

from agent.adapters.network.addresses import Unresolved, addresses_of


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Connects to the addresses that were checked, and to nothing that a second look at the name would bring."""

    def __init__(self, allow_private: bool) -> None:
        self._allow_private = allow_private
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Raises `Forbidden`, `Unresolved`, or what the last address brought."""
        failed: Exception = Unresolved(host)
        for address in await addresses_of(host, port, allow_private=self._allow_private):
            try:
                return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
        raise failed
