"""Which addresses may be listened on, with and without keys."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from agent.access import NewKey, hashed
from agent.errors import Misconfigured
from agent.settings import Settings
from agent.testing import MemoryAccess, MemoryLedger
from api.network import is_exposed, lock

KEY = "x" * 40
EVERYWHERE = "0.0.0.0"  # noqa: S104  # that is the point


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "::1", "localhost"])
async def test_this_machine_may_come_in_without_a_key(host: str) -> None:
    access = MemoryAccess(MemoryLedger())
    await lock(Settings(host=host), access)
    assert not (await access.book()).locked


@pytest.mark.parametrize("host", [EVERYWHERE, "::", "192.0.2.7", "my-host"])
async def test_an_address_that_strangers_reach_is_refused_until_there_is_a_key(host: str) -> None:
    access, settings = MemoryAccess(MemoryLedger()), Settings(host=host)
    assert is_exposed(settings)
    with pytest.raises(Misconfigured, match="keys create"):
        await lock(settings, access)
    await access.create_key(NewKey("key_1", "default", "", "user", "", hashed("k")), "ann")
    await lock(settings, access)
    await lock(Settings(host=host, allow_open_network=True), MemoryAccess(MemoryLedger()))


async def test_the_key_of_the_settings_is_put_on_record_once_and_stays_revoked() -> None:
    access, settings = MemoryAccess(MemoryLedger()), Settings(host=EVERYWHERE, bootstrap_key=SecretStr(KEY))
    await lock(settings, access)
    (key,) = (await access.book()).keys
    assert (key.project, key.role, key.hash) == ("default", "operator", hashed(KEY))
    await lock(settings, access)
    assert len(await access.keys()) == 1
    await access.revoke_key(key.id, 0, "ann")
    await lock(settings, access)
    assert not (await access.book()).keys


@pytest.mark.parametrize("key", ["short", "x" * 31, "x" * 513, "with spaces " * 5, "ü" * 40])
async def test_a_key_that_could_be_guessed_or_not_be_sent_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        await lock(Settings(bootstrap_key=SecretStr(key)), MemoryAccess(MemoryLedger()))
    assert key not in str(caught.value)
