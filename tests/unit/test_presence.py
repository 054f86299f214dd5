"""Being there: the first word, the words after it, and the last; time is held by the test."""

from __future__ import annotations

import pytest

from agent.errors import Transient
from agent.presence import ALIVE_S, EVERY_S, present
from agent.testing import MemoryLedger, MemoryPresence
from tests.naps import Naps


def there(presence: MemoryPresence) -> bool:
    return presence.lives("here")


async def test_a_process_is_there_from_the_beginning_to_the_end() -> None:
    presence = MemoryPresence(MemoryLedger())
    async with present(presence, "here", "api", "1.0", Naps()):
        assert there(presence)
    assert not there(presence)
    assert presence.rows == {}


async def test_it_says_so_again_and_again() -> None:
    ledger, naps = MemoryLedger(), Naps()
    presence = MemoryPresence(ledger)
    async with present(presence, "here", "api", "1.0", naps):
        for _ in range(5):
            ledger.clock.advance(ALIVE_S - 1)
            await naps.end(EVERY_S)
            await naps.begun(EVERY_S)
            assert there(presence)


async def test_it_goes_on_after_the_ledger_was_away() -> None:
    ledger, naps = MemoryLedger(), Naps()
    presence = MemoryPresence(ledger)
    async with present(presence, "here", "api", "1.0", naps):
        ledger.reachable = False
        ledger.clock.advance(ALIVE_S)
        await naps.end(EVERY_S)
        await naps.begun(EVERY_S)
        assert not there(presence)
        ledger.reachable = True
        await naps.end(EVERY_S)
        await naps.begun(EVERY_S)
        assert there(presence)


async def test_who_cannot_say_the_first_word_does_not_begin() -> None:
    ledger = MemoryLedger()
    ledger.reachable = False
    with pytest.raises(Transient):
        async with present(MemoryPresence(ledger), "here", "api", "1.0", Naps()):
            raise AssertionError("never reached")


async def test_a_ledger_that_is_away_at_the_end_keeps_nobody() -> None:
    ledger = MemoryLedger()
    async with present(MemoryPresence(ledger), "here", "api", "1.0", Naps()):
        ledger.reachable = False
