"""The promises of `agent.callers.Callers`, on the twin and on PostgreSQL: a retry finds the run that lost a caller."""

from __future__ import annotations

import asyncio

import pytest

from agent.callers import Retry
from agent.ports import NewRun
from agent.presence import ALIVE_S
from tests.contract.backends import Store
from tests.contract.toys import begun, finish, new_run

WITHIN_S = 600.0
MARK = b"same caller, same body"


def asked(name: str, holder: str | None = "here/1", mark: bytes = MARK) -> NewRun:
    return new_run(name, fingerprint=mark, holder=holder)


async def claimed(store: Store, by: str = "there/1", mark: bytes = MARK, project: str = "default") -> str | None:
    return (await store.callers.claim(Retry(project, mark, by, WITHIN_S))).run


async def living(store: Store, *instances: str) -> None:
    for instance in instances:
        await store.presence.here(instance, "api", "1.0")


async def test_a_run_whose_caller_was_released_is_the_retrys(store: Store) -> None:
    await living(store, "here", "there")
    await store.ledger.open(asked("resp_1"))
    assert await claimed(store) is None
    assert await store.callers.release({"resp_1": "here/1"}) == {"resp_1"}
    assert await claimed(store) == "resp_1"


async def test_a_run_whose_process_died_is_the_retrys(store: Store) -> None:
    await living(store, "here")
    await store.ledger.open(asked("resp_1"))
    await store.advance(ALIVE_S)
    assert await claimed(store) == "resp_1"


async def test_a_run_that_somebody_waits_for_is_told_and_not_given(store: Store) -> None:
    await living(store, "here")
    await store.ledger.open(asked("resp_1"))
    claim = await store.callers.claim(Retry("default", MARK, "there/1", WITHIN_S))
    assert (claim.run, claim.more) == (None, True)
    nothing = await store.callers.claim(Retry("default", b"other", "there/1", WITHIN_S))
    assert (nothing.run, nothing.more) == (None, False)


async def test_one_retry_takes_one_run_and_the_oldest_first(store: Store) -> None:
    await living(store, "there")
    for name in ("resp_1", "resp_2", "resp_3"):
        await store.ledger.open(asked(name, holder=None))
    assert await claimed(store, "there/1") == "resp_1"
    assert await claimed(store, "there/2") == "resp_2"


async def test_many_retries_at_once_take_different_runs(store: Store) -> None:
    await living(store, "there")
    names = {f"resp_{n}" for n in range(4)}
    await asyncio.gather(*(store.ledger.open(asked(name, holder=None)) for name in names))
    taken: list[str] = []

    async def insist(by: str) -> None:
        while (run := await claimed(store, by)) is None:
            continue
        taken.append(run)

    await asyncio.gather(*(insist(f"there/{n}") for n in range(4)))
    assert sorted(taken) == sorted(names)
    assert await claimed(store, "there/9") is None


async def test_a_retry_that_hangs_up_makes_room_for_the_next(store: Store) -> None:
    await living(store, "here", "there")
    await store.ledger.open(asked("resp_1", holder=None))
    assert await claimed(store, "there/1") == "resp_1"
    assert await claimed(store, "there/2") is None
    await store.callers.release({"resp_1": "there/1"})
    assert await claimed(store, "there/2") == "resp_1"


async def test_a_late_word_of_an_earlier_caller_does_not_part_the_new_one_from_its_run(store: Store) -> None:
    await living(store, "there")
    await store.ledger.open(asked("resp_1", "dead/1"))
    assert await claimed(store, "there/1") == "resp_1"
    await store.callers.release({"resp_1": "dead/1"})
    assert await claimed(store, "there/2") is None


async def test_an_ended_run_is_given_until_its_ending_was_delivered(store: Store) -> None:
    await living(store, "there")
    new = asked("resp_1", holder=None)
    await store.ledger.open(new)
    assert await store.ledger.commit(await begun(store, new.pointer), finish())
    assert await claimed(store, "there/1") == "resp_1"
    await store.callers.delivered({"resp_1": "there/1"})
    assert await claimed(store, "there/2") is None


@pytest.mark.parametrize(("mark", "project"), [(b"another body", "default"), (MARK, "other")])
async def test_only_the_same_caller_with_the_same_body_gets_the_run(store: Store, mark: bytes, project: str) -> None:
    await store.ledger.open(asked("resp_1", holder=None))
    assert await claimed(store, mark=mark, project=project) is None
    assert await claimed(store) == "resp_1"


async def test_a_run_without_a_fingerprint_is_nobodys(store: Store) -> None:
    await store.ledger.open(new_run("resp_1"))
    assert await claimed(store) is None


async def test_an_old_run_is_not_what_a_retry_means(store: Store) -> None:
    await store.ledger.open(asked("resp_1", holder=None))
    await store.advance(WITHIN_S + 1)
    assert await claimed(store) is None


async def test_a_run_whose_text_is_gone_is_not_given(store: Store) -> None:
    await store.ledger.open(asked("resp_1", holder=None))
    await store.purge("resp_1")
    assert await claimed(store) is None


async def test_releasing_says_which_runs_are_there(store: Store) -> None:
    await store.ledger.open(asked("resp_1"))
    assert await store.callers.release({"resp_1": "other/1", "resp_9": "here/1"}) == {"resp_1"}
    assert await store.callers.release({}) == frozenset()
