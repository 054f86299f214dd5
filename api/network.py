"""Who may reach the door: decided from the settings alone, before anything is started."""

from __future__ import annotations

import ipaddress

from agent.errors import Misconfigured
from agent.settings import Settings


def refuse_open_network(settings: Settings) -> None:
    """Raises `Misconfigured` where strangers could reach a door that has no lock yet."""
    if settings.host == "localhost" or settings.allow_open_network:
        return
    try:
        loopback = ipaddress.ip_address(settings.host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise Misconfigured(
            f"{settings.host} can be reached from other machines and there are no API keys yet: "
            "bind to 127.0.0.1, or set CUELIGHT_ALLOW_OPEN_NETWORK=true behind a door of your own"
        )
