"""The promises of `agent.approvals.Approvals`: the first decision moves the run on, and the others change nothing."""

from __future__ import annotations

import asyncio

import pytest

from agent.approvals import APPROVED, Decided, Decision
from agent.cancels import Cancelled
from agent.envelope import seal
from agent.errors import Transient
from agent.events import ApprovalRequested
from agent.items import FunctionCall
from agent.outcome import Advance
from tests.contract.backends import Store
from tests.contract.real import RealStore
from tests.contract.toys import begun, delivered, new_run, opened

CALLS = tuple(FunctionCall(call_id=f"call_{n}", name="pay", arguments=f'{{"usd":{n}}}') for n in (1, 2))
YES, NO = Decision(True, "ann"), Decision(False, "bob", "too much")


async def resting(store: Store, name: str = "resp_1", deadline_s: float = 7_200) -> None:
    """A run whose newest event asks for an approval within an hour."""
    pointer = await opened(store, new_run(name, deadline_s=deadline_s))
    asked = seal(ApprovalRequested(calls=CALLS, round=1, wait_s=3_600))
    assert await store.ledger.commit(await begun(store, pointer), Advance((asked,), "approval", delay_s=3_600))


async def test_a_run_that_waits_is_not_due_until_its_time_has_come(store: Store) -> None:
    await resting(store)
    assert await store.due() == []
    work = await store.work("resp_1")
    assert work is not None and await store.ledger.begin(delivered(work.pointer)) is None
    await store.advance(3_601)
    assert [pointer.route for pointer in await store.due()] == ["approval"]


async def test_a_decision_moves_the_run_on_at_once_and_is_on_record(store: Store) -> None:
    await resting(store)
    (waiting,) = await store.approvals.waiting("default")
    assert (waiting.run, waiting.calls) == ("resp_1", CALLS)
    assert round((waiting.until - waiting.since).total_seconds()) == 3_600
    decision = Decision(frozenset({"call_2"}), "ann", "fine")
    assert await store.approvals.decide("resp_1", "default", decision) is Decided.DONE
    last = (await store.events("resp_1"))[-1]
    assert last.sealed.type == "approval.decided"
    assert last.sealed.data == '{"approved":["call_2"],"denied":["call_1"],"by":"ann","reason":"fine","round":1}'
    assert [(pointer.route, pointer.seq) for pointer in await store.due()] == [(APPROVED, 3)]
    assert await store.approvals.waiting(None) == []
    (line,) = await store.audit()
    assert (line.actor, line.action, line.subject) == ("ann", "approve", "resp_1")


async def test_a_decision_whose_line_the_audit_does_not_take_was_not_made(real_store: RealStore) -> None:
    await resting(real_store)
    await real_store.pool.execute("alter table audit rename to away")
    with pytest.raises(Transient):
        await real_store.approvals.decide("resp_1", "default", YES)
    await real_store.pool.execute("alter table away rename to audit")
    assert [it.run for it in await real_store.approvals.waiting(None)] == ["resp_1"]
    assert await real_store.approvals.decide("resp_1", "default", NO) is Decided.DONE
    assert [line.action for line in await real_store.audit()] == ["deny"]


async def test_of_two_decisions_one_counts(store: Store) -> None:
    await resting(store)
    done = await asyncio.gather(*(store.approvals.decide("resp_1", None, each) for each in (YES, NO)))
    assert sorted(it.value for it in done) == ["done", "over"]
    assert len(await store.events("resp_1")) == 3
    assert len(await store.audit()) == 1


async def test_a_decision_and_a_cancel_race_for_one_row(store: Store) -> None:
    await resting(store)
    assert await store.cancels.cancel("resp_1", None, "operator") is Cancelled.DONE
    assert await store.approvals.decide("resp_1", None, YES) is Decided.OVER
    assert await store.approvals.waiting(None) == []


async def test_a_run_whose_deadline_has_passed_waits_for_nothing(store: Store) -> None:
    await resting(store, deadline_s=1_800)
    (waiting,) = await store.approvals.waiting(None)
    assert round((waiting.until - waiting.since).total_seconds()) == 1_800, "nobody waits beyond the run's own end"
    await store.advance(1_801)
    assert await store.approvals.waiting(None) == []
    assert await store.approvals.decide("resp_1", None, YES) is Decided.OVER
    assert await store.audit() == [], "no call would be made, whatever was decided"


async def test_a_decision_that_comes_too_late_is_none_though_no_worker_has_denied_the_calls_yet(store: Store) -> None:
    await resting(store)
    await store.advance(3_601)
    assert await store.approvals.waiting(None) == []
    assert await store.approvals.decide("resp_1", None, YES) is Decided.OVER
    assert await store.audit() == []
    assert [pointer.route for pointer in await store.due()] == ["approval"]


async def test_a_run_that_was_deleted_is_not_there(store: Store) -> None:
    await resting(store)
    assert await store.privacy.forget("resp_1", "default")
    assert await store.approvals.waiting(None) == []
    assert await store.approvals.decide("resp_1", "default", YES) is Decided.UNKNOWN


async def test_a_run_of_another_project_is_not_there(store: Store) -> None:
    await resting(store)
    assert await store.approvals.waiting("other") == []
    assert await store.approvals.decide("resp_1", "other", YES) is Decided.UNKNOWN
    assert await store.approvals.decide("resp_2", None, YES) is Decided.UNKNOWN


async def test_a_run_that_wants_no_approval_stays_as_it_is(store: Store) -> None:
    await opened(store, new_run())
    assert await store.approvals.decide("resp_1", None, YES) is Decided.OVER
    assert len(await store.events("resp_1")) == 1


async def test_a_call_that_does_not_wait_is_named(store: Store) -> None:
    await resting(store)
    with pytest.raises(ValueError, match="no call 'call_9' waits"):
        await store.approvals.decide("resp_1", None, Decision(frozenset({"call_9"}), "ann"))
    assert len(await store.approvals.waiting(None)) == 1
