"""The promises of `agent.webhooks`: what is to be told to whom, by whom it is sent, and what becomes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from agent.outcome import Bury, failure_of
from agent.webhooks import GIVE_UP_AFTER, NewEndpoint, Parcel, Receipt
from tests.contract.backends import Store
from tests.contract.real import RealStore
from tests.contract.toys import begun, finish, new_run, opened

LEASE_S = 40.0
ARRIVED, FAILED = Receipt(204, "", 12), Receipt(500, "status", 34)
SECRET = "whsec_MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0"
LATER = "whsec_" + "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4"


def endpoint(id: str = "wh_1", **more: object) -> NewEndpoint:
    given = {"project": "default", "url": "https://example.com/hook", "secret": SECRET, **more}
    return NewEndpoint(id, **given)  # type: ignore[arg-type]


async def ended(store: Store, name: str = "resp_1", *, stored: bool = True, project: str = "default") -> None:
    pointer = await opened(store, replace(new_run(name, project=project), store=stored))
    await store.ledger.commit(await begun(store, pointer), finish())


async def claim(store: Store, most: int = 100, each: int = 100, without: Sequence[str] = ()) -> Sequence[Parcel]:
    return await store.outgoing.claim(LEASE_S, most, each, without)


async def test_an_ending_is_to_be_told_to_every_endpoint_of_its_project_that_wants_it(store: Store) -> None:
    await store.project("acme")
    await store.webhooks.create(endpoint("wh_1"), "ann")
    await store.webhooks.create(endpoint("wh_2", events=("response.failed",)), "ann")
    await store.webhooks.create(endpoint("wh_3", events=("response.completed", "response.failed")), "ann")
    await ended(store)
    parcels = await claim(store)
    assert sorted(it.webhook for it in parcels) == ["wh_1", "wh_3"]
    assert {(it.event, it.run, it.type, it.url, it.secrets, it.number, it.tries) for it in parcels} == {
        ("evt_1_1", "resp_1", "response.completed", "https://example.com/hook", (SECRET,), 1, 1)
    }


async def test_every_way_to_end_is_told(store: Store) -> None:
    await store.webhooks.create(endpoint(), "ann")
    await opened(store, new_run("resp_c"))
    await store.cancels.cancel("resp_c", "default", "client")
    await store.ledger.commit(
        await begun(store, await opened(store, new_run("resp_b"))), Bury("bug", "x", failure_of("bug"))
    )
    await opened(store, new_run("resp_o"))
    await store.advance(1_000_000)
    assert await store.end_overdue() == ["resp_o"]
    told = {it.run: it.type for it in await claim(store)}
    assert told == {"resp_c": "response.cancelled", "resp_b": "response.failed", "resp_o": "response.failed"}


async def test_nothing_is_told_of_what_nobody_can_read_or_to_whom_it_does_not_belong(store: Store) -> None:
    await store.webhooks.create(endpoint(), "ann")
    await ended(store, "resp_1", stored=False)
    await store.project("acme")
    await ended(store, "resp_2", project="acme")
    pointer = await opened(store, new_run("resp_3"))
    await store.privacy.forget("resp_3", "default")
    await store.ledger.commit(await begun(store, pointer), finish())
    assert await claim(store) == []


async def test_what_is_being_sent_is_handed_to_nobody_else_until_its_lease_is_over(store: Store) -> None:
    await store.webhooks.create(endpoint(), "ann")
    await ended(store)
    first, second = await asyncio.gather(claim(store), claim(store))
    (sent,) = [*first, *second]
    assert await claim(store) == []
    await store.advance(LEASE_S + 1)
    (again,) = await claim(store)
    assert (again.event, again.number) == (sent.event, 2)
    attempts = await store.webhooks.attempts("wh_1", sent.event)
    assert [(it.number, it.ended_at, it.status) for it in attempts] == [(1, None, None), (2, None, None)]


async def test_what_arrived_is_never_sent_again(store: Store) -> None:
    await store.webhooks.create(endpoint(), "ann")
    await ended(store)
    (sent,) = await claim(store)
    assert await store.outgoing.record(sent, ARRIVED, 5) == "delivered"
    await store.advance(1_000_000)
    assert await claim(store) == []
    (look,) = await store.webhooks.deliveries("wh_1", 10)
    assert (look.state, look.attempts, look.status, look.error, look.due_at) == ("delivered", 1, 204, "", None)
    (attempt,) = await store.webhooks.attempts("wh_1", sent.event)
    assert (attempt.status, attempt.duration_ms, attempt.ended_at is not None) == (204, 12, True)


async def test_what_failed_is_due_again_after_its_delay_and_given_up_after_three_days(store: Store) -> None:
    await store.webhooks.create(endpoint(), "ann")
    await ended(store)
    (sent,) = await claim(store)
    assert await store.outgoing.record(sent, FAILED, 60) == "waiting"
    await store.advance(58)
    assert await claim(store) == []
    await store.advance(3)
    (sent,) = await claim(store)
    assert (sent.number, sent.tries, sent.failing) == (2, 2, True)
    assert await store.outgoing.record(sent, FAILED, GIVE_UP_AFTER.total_seconds() - 120) == "waiting"
    await store.advance(GIVE_UP_AFTER.total_seconds() - 100)
    (sent,) = await claim(store)
    assert await store.outgoing.record(sent, FAILED, 60) == "failed"
    await store.advance(1_000_000)
    assert await claim(store) == []
    found = await store.webhooks.endpoint("wh_1")
    assert found is not None and (found.waiting, found.failed) == (0, 1)


async def test_a_late_failure_changes_nothing_and_a_late_arrival_counts(store: Store) -> None:
    await store.webhooks.create(endpoint(), "ann")
    await ended(store)
    (frozen,) = await claim(store)
    await store.advance(LEASE_S + 1)
    (heir,) = await claim(store)
    assert await store.outgoing.record(frozen, FAILED, 0) is None
    assert await claim(store) == []
    assert await store.outgoing.record(frozen, ARRIVED, 0) == "delivered"
    assert await store.outgoing.record(heir, FAILED, 0) is None
    assert [it.status for it in await store.webhooks.attempts("wh_1", heir.event)] == [204, 500]


async def test_of_an_endpoint_a_few_are_taken_and_one_while_it_fails(store: Store) -> None:
    for id in ("wh_1", "wh_2"):
        await store.webhooks.create(endpoint(id), "ann")
    for number in range(5):
        await ended(store, f"resp_{number}")
    (one,) = await claim(store, most=1, without=["wh_2"])
    taken = await claim(store, each=2, without=["wh_1"])
    assert [it.webhook for it in taken] == ["wh_2", "wh_2"]
    await store.outgoing.record(one, FAILED, 0)
    assert [it.webhook for it in await claim(store, each=3, without=["wh_2"])] == ["wh_1"]
    assert await claim(store, most=0) == []


async def test_an_arrival_ends_a_time_of_failures(store: Store) -> None:
    await store.webhooks.create(endpoint(), "ann")
    await ended(store)
    (sent,) = await claim(store)
    await store.outgoing.record(sent, FAILED, 0)
    found = await store.webhooks.endpoint("wh_1")
    assert found is not None and found.failing_since is not None
    (sent,) = await claim(store)
    await store.outgoing.record(sent, ARRIVED, 0)
    found = await store.webhooks.endpoint("wh_1")
    assert found is not None and found.failing_since is None


async def test_an_endpoint_that_is_gone_is_told_nothing_until_an_operator_says_so(store: Store) -> None:
    await store.webhooks.create(endpoint(), "ann")
    await ended(store, "resp_1")
    await ended(store, "resp_2")
    sent, other = await claim(store)
    await store.outgoing.record(sent, Receipt(410, "status", 5), 0)
    await store.outgoing.record(other, FAILED, 0)
    await ended(store, "resp_3")
    assert await claim(store) == []
    assert [it.run for it in await store.webhooks.deliveries("wh_1", 10)] == ["resp_2", "resp_1"]
    assert await store.webhooks.again("wh_1", None, "ann") == ["evt_1_1", "evt_2_1"]
    found = await store.webhooks.endpoint("wh_1")
    assert found is not None and found.disabled_at is None
    assert [(it.number, it.tries) for it in await claim(store, each=1)] == [(2, 1)]


async def test_an_operator_can_have_one_event_sent_again_whatever_became_of_it(store: Store) -> None:
    await store.webhooks.create(endpoint(), "ann")
    await ended(store)
    (sent,) = await claim(store)
    await store.outgoing.record(sent, ARRIVED, 0)
    assert await store.webhooks.again("wh_1", None, "ann") == []
    assert await store.webhooks.again("wh_1", sent.event, "ann") == [sent.event]
    assert await store.webhooks.again("wh_1", "evt_nobody", "ann") == []
    assert await store.webhooks.again("wh_2", sent.event, "ann") == []
    (again,) = await claim(store)
    assert (again.event, again.number, again.tries) == (sent.event, 2, 1)


async def test_while_a_secret_is_replaced_both_sign(store: Store) -> None:
    await store.webhooks.create(endpoint(), "ann")
    await ended(store)
    found = await store.webhooks.rotate("wh_1", LATER, 2 * LEASE_S, "ann")
    assert found is not None and found.rotating_until is not None
    (sent,) = await claim(store)
    assert sent.secrets == (LATER, SECRET)
    await store.advance(2 * LEASE_S + 1)
    (sent,) = await claim(store)
    assert sent.secrets == (LATER,)
    assert await store.webhooks.rotate("wh_2", LATER, 60, "ann") is None


async def test_a_rotation_without_a_grace_ends_every_earlier_secret_at_once(store: Store) -> None:
    await store.webhooks.create(endpoint(), "ann")
    await ended(store)
    await store.webhooks.rotate("wh_1", LATER, 3_600, "ann")
    third, fourth = LATER[::-1].replace("_cesw", ""), "whsec_MDAw"
    await store.webhooks.rotate("wh_1", third, 60, "ann")
    await store.advance(61)
    (sent,) = await claim(store)
    assert sent.secrets == (third,), "a later rotation with a shorter grace cuts the earlier ones short"
    await store.webhooks.rotate("wh_1", fourth, 3_600, "ann")
    await store.webhooks.rotate("wh_1", SECRET, 0, "ann")
    await store.advance(LEASE_S)
    (sent,) = await claim(store)
    assert sent.secrets == (SECRET,)


async def test_a_deleted_endpoint_is_told_nothing_and_keeps_no_run_from_ending(store: Store) -> None:
    await store.webhooks.create(endpoint(), "ann")
    await ended(store)
    (sent,) = await claim(store)
    assert await store.webhooks.delete("wh_1", "ann")
    assert not await store.webhooks.delete("wh_1", "ann")
    assert await store.outgoing.record(sent, FAILED, 0) is None
    await ended(store, "resp_2")
    await store.advance(LEASE_S + 1)
    assert await claim(store) == []
    assert await store.webhooks.deliveries("wh_1", 10) == []
    assert await store.webhooks.endpoints() == []


async def test_endpoints_are_listed_by_project_and_no_secret_is(store: Store) -> None:
    await store.webhooks.create(endpoint("wh_1"), "ann")
    assert not await store.webhooks.create(endpoint("wh_1"), "ann")
    assert not await store.webhooks.create(endpoint("wh_9", project="nobody"), "ann")
    await store.webhooks.rotate("wh_1", LATER, 60, "ann")
    assert [it.id for it in await store.webhooks.endpoints("default")] == ["wh_1"]
    assert await store.webhooks.endpoints("nobody") == []
    await store.webhooks.delete("wh_1", "ann")
    told = await store.audit()
    assert [(it.action, it.subject) for it in told] == [
        ("create_webhook", "wh_1"),
        ("rotate_webhook", "wh_1"),
        ("delete_webhook", "wh_1"),
    ]
    await store.webhooks.create(made := endpoint("wh_2"), "ann")
    await ended(store)
    shown = repr((made, await store.webhooks.endpoints(), told, await claim(store)))
    assert SECRET not in shown and LATER not in shown


async def test_a_replayed_run_tells_of_its_new_ending_under_another_id(store: Store) -> None:
    await store.webhooks.create(endpoint(), "ann")
    pointer = await opened(store, new_run())
    await store.ledger.commit(await begun(store, pointer), Bury("bug", "x", failure_of("bug")))
    (verdict,) = await store.letters.replay(["resp_1/1/1"], "ann")
    assert verdict.pointer is not None
    await store.ledger.commit(await begun(store, verdict.pointer), finish())
    told = [(it.event, it.type) for it in await claim(store)]
    assert told == [("evt_1_1", "response.failed"), ("evt_1_2", "response.completed")]


async def test_the_texts_of_a_response_go_and_its_events_never_had_any(real_store: RealStore) -> None:
    store = real_store
    await store.webhooks.create(endpoint(), "ann")
    pointer = await opened(store, new_run(request='{"messages":[],"instructions":"marmalade"}'))
    await store.ledger.commit(await begun(store, pointer), Bury("bug", "marmalade", failure_of("bug")))
    (sent,) = await claim(store)
    await store.outgoing.record(sent, FAILED, 0)
    await store.privacy.forget("resp_1", "default")
    await store.feed()
    assert await store.privacy.purge(600, 10) == 1
    tables = ("webhook_deliveries", "webhook_attempts", "runs", "events", "dead_letters")
    for table in tables:
        rows = await real_store.pool.fetch(f"select it::text as whole from {table} it")  # noqa: S608
        assert rows and not any("marmalade" in row["whole"] for row in rows), table
    assert [it.event for it in await claim(store)] == [sent.event]


@pytest.mark.parametrize("settled", [True, False])
async def test_deliveries_are_kept_for_a_while_after_they_are_settled(real_store: RealStore, settled: bool) -> None:
    from agent.adapters.ledger.retention import PostgresRetention

    retention, keep = PostgresRetention(real_store.pool), {"webhook_deliveries": 10_000.0}
    await real_store.webhooks.create(endpoint(), "ann")
    await ended(real_store)
    (sent,) = await claim(real_store)
    await real_store.outgoing.record(sent, ARRIVED if settled else FAILED, 60)
    await real_store.advance(10_001)
    await real_store.pool.execute("update webhook_deliveries set happened_at = happened_at - interval '10001 s'")
    count = int(settled)
    assert await retention.expired(keep) == {"webhook_deliveries": count}
    assert await retention.forget("webhook_deliveries", 10_000.0, 10) == count
    assert len(await real_store.webhooks.deliveries("wh_1", 10)) == 1 - count


async def test_an_endpoint_that_is_deleted_while_a_run_ends_does_not_hold_it_up(real_store: RealStore) -> None:
    await real_store.webhooks.create(endpoint(), "ann")
    pointer = await opened(real_store, new_run())
    async with real_store.pool.acquire() as other, other.transaction():
        await other.execute("delete from webhooks")
        assert await real_store.ledger.commit(await begun(real_store, pointer), finish())
    assert await claim(real_store) == []


async def test_what_another_relay_is_taking_at_this_moment_is_passed_over(real_store: RealStore) -> None:
    await real_store.webhooks.create(endpoint(), "ann")
    await ended(real_store, "resp_1")
    await ended(real_store, "resp_2")
    async with real_store.pool.acquire() as other, other.transaction():
        await other.execute("select from webhook_deliveries where event_id = 'evt_1_1' for update")
        assert [it.event for it in await claim(real_store)] == ["evt_2_1"]
