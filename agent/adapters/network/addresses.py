"""Which addresses may be connected to: none that only this machine, its network or its cloud can reach."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

NEVER_V4 = (
    IPv4Network("192.0.0.0/24"),  # protocol assignments: some of them count as global, none is a web server
    IPv4Network("192.88.99.0/24"),  # relays of 6to4
    IPv4Network("168.63.129.16/32"),  # a public number under which Azure's machines reach their host
)
PUBLIC_V6 = IPv6Network("2000::/3")
NEVER_V6 = (
    IPv6Network("2001::/23"),  # protocol assignments, with Teredo, which holds an IPv4 address
    IPv6Network("2002::/16"),  # 6to4, which holds one too
)


class Forbidden(Exception):
    """A host has an address that must not be connected to."""


class Unresolved(Exception):
    """A host has no address."""


async def addresses_of(host: str, port: int, *, allow_private: bool) -> Sequence[str]:
    """The addresses of a host, each of which may be connected to. Raises `Forbidden` or `Unresolved`.

    Names and numbers of every spelling go through the resolver, so `127.1` is judged as what it means. One bad
    address is enough: a name that has both is not used by anybody honest.
    """
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    except (OSError, UnicodeError) as error:
        raise Unresolved(host) from error
    addresses = list(dict.fromkeys(str(it[4][0]) for it in found))
    if not addresses:
        raise Unresolved(host)
    if not allow_private and not all(map(is_public, addresses)):
        raise Forbidden(host)
    return addresses


def is_public(address: str) -> bool:
    """Whether an address is everybody's: not private, loopback, link-local or for metadata, and no way to one."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return _is_public_v4(found) if isinstance(found, IPv4Address) else _is_public_v6(found)


def _is_public_v4(address: IPv4Address) -> bool:
    return address.is_global and not address.is_multicast and not any(address in it for it in NEVER_V4)


def _is_public_v6(address: IPv6Address) -> bool:
    return address in PUBLIC_V6 and address.is_global and not any(address in it for it in NEVER_V6)
