"""Who may reach the door: strangers only once it has a lock, which is an API key on record."""

from __future__ import annotations

import ipaddress
import re

import structlog

from agent.access import Access, NewKey, hashed
from agent.errors import Misconfigured
from agent.ports import DEFAULT_PROJECT
from agent.settings import Settings

log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

_KEY = re.compile(r"[!-~]{32,512}")
BY = "CUELIGHT_BOOTSTRAP_KEY"
WILDCARDS = ("0.0.0.0", "::")  # noqa: S104  # nothing is bound here


def is_exposed(settings: Settings) -> bool:
    """Whether other machines can reach the address that is listened on, and no door of the operator's own is there."""
    if settings.host == "localhost" or settings.allow_open_network:
        return False
    try:
        return not ipaddress.ip_address(settings.host).is_loopback
    except ValueError:
        return True


async def lock(settings: Settings, access: Access) -> None:
    """Put the key of the settings on record, and make sure that there is one where strangers can reach the door.

    Raises `Misconfigured` if there is none, and `Transient`.
    """
    if settings.bootstrap_key is not None:
        await _bootstrap(settings.bootstrap_key.get_secret_value(), access)
    if is_exposed(settings) and not (await access.book()).locked:
        raise unlocked(settings)


def unlocked(settings: Settings) -> Misconfigured:
    """Why the service does not start."""
    return Misconfigured(
        f"{settings.host} can be reached from other machines and there are no API keys yet: make one with "
        f"`cuelight keys create`, set {BY}, or bind to 127.0.0.1 "
        "(CUELIGHT_ALLOW_OPEN_NETWORK=true is for a door of your own in front)"
    )


def warn_of_no_address(settings: Settings) -> None:
    """Tell whoever runs the service that the links in its answers lead nowhere for other machines."""
    if settings.host in WILDCARDS and settings.public_url is None:
        log.warning("public_url_missing", advice="set CUELIGHT_PUBLIC_URL to the address that clients use")


async def _bootstrap(key: str, access: Access) -> None:
    """One that is there already stays as it is: revoked, if somebody has revoked it."""
    if not _KEY.fullmatch(key):
        raise Misconfigured(f"{BY} must have 32 to 512 printable characters without spaces, drawn at random")
    digest = hashed(key)
    new = NewKey(f"key_{digest.hex()[:12]}", DEFAULT_PROJECT, BY, "operator", "", digest)
    if await access.create_key(new, BY):
        log.info("bootstrap_key_added", key=new.id, project=new.project)
