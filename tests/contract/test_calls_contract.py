"""The promises of `agent.ports.Ledger` about questions to the world: intents, answers and bills."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal

import orjson
import pytest

from agent.errors import Gone, Held, Overloaded, Permanent
from agent.events import Usage
from agent.faults import Fault
from agent.outcome import BUDGET, Postpone
from agent.ports import Begun, Call, Pointer, Refusal, RunView
from tests.contract.backends import Store
from tests.contract.toys import advance, answered, begun, finish, model_call, new_run, opened, standing

Happens = Callable[[Store, Begun], Awaitable[None]]


async def recorded(store: Store, attempt: Begun, *calls: Call) -> None:
    attempt.calls.extend(calls)
    await store.ledger.record(attempt)


async def ended(store: Store, pointer: Pointer) -> RunView:
    """The run's view after it was finished from `pointer`."""
    assert await store.ledger.commit(await begun(store, pointer), finish())
    view = await store.ledger.view(pointer.run, pointer.project)
    assert view is not None
    return view


async def test_a_recorded_answer_is_given_back_by_the_next_beginning(store: Store) -> None:
    pointer = await opened(store, new_run())
    first, second = model_call("a", answer='{"text":"1"}'), model_call("a", answer='{"text":"2"}', occurrence=1)
    attempt = await begun(store, pointer)
    await recorded(store, attempt, first, second)
    assert attempt.calls == []
    again = await begun(store, pointer)
    assert again.answers == {(first.hash, 0): '{"text":"1"}', (first.hash, 1): '{"text":"2"}'}


async def test_an_answer_recorded_with_a_postponement_is_given_back_by_the_next_attempt(store: Store) -> None:
    pointer = await opened(store, new_run())
    attempt = await begun(store, pointer)
    call = model_call(answer='{"text":"1"}')
    attempt.calls.append(call)
    await store.ledger.commit(attempt, Postpone(0, "transport", "the search failed"))
    assert (await begun(store, await standing(store))).answers == {(call.hash, 0): '{"text":"1"}'}


async def test_an_answer_is_given_to_its_own_event_and_run_only(store: Store) -> None:
    pointer, other = await opened(store, new_run()), await opened(store, new_run("resp_2"))
    attempt = await begun(store, pointer)
    await recorded(store, attempt, model_call("same question", answer='{"text":"mine"}'))
    assert (await begun(store, other)).answers == {}
    await store.ledger.commit(attempt, advance())
    assert (await begun(store, await standing(store))).answers == {}


async def test_only_answers_are_given_back(store: Store) -> None:
    pointer = await opened(store, new_run())
    attempt = await begun(store, pointer)
    await recorded(store, attempt, model_call("a", "failed", answer="{}"), model_call("b", "asked"))
    assert (await begun(store, pointer)).answers == {}


async def test_of_two_answers_to_one_question_the_first_on_record_is_given_back(store: Store) -> None:
    pointer = await opened(store, new_run())
    slow, quick = await begun(store, pointer), await begun(store, pointer)
    slow_call, quick_call = model_call(answer='{"text":"slow"}'), model_call(answer='{"text":"quick"}')
    await recorded(store, quick, quick_call)
    await recorded(store, slow, slow_call)
    assert (await begun(store, pointer)).answers == {(quick_call.hash, 0): '{"text":"quick"}'}


async def test_an_intent_is_on_record_before_its_answer_and_is_one_row_with_it(store: Store) -> None:
    pointer = await opened(store, new_run())
    attempt = await begun(store, pointer)
    call = model_call(status="asked")
    await store.ledger.intend(attempt, call)
    assert call.intended
    (row,) = await store.calls(pointer.run)
    assert (row.status, row.worst_case_usd, row.effect_type) == ("asked", Decimal("2.5"), "call_model")
    await recorded(store, attempt, answered(call, '{"text":"1"}'))
    (row,) = await store.calls(pointer.run)
    assert (row.status, row.answer, row.cost_usd) == ("answered", '{"text":"1"}', Decimal("0.25"))
    assert (row.token, row.effect_hash) == (attempt.token, call.hash)


async def test_an_intent_without_an_answer_becomes_unknown_at_the_next_beginning_and_is_counted(store: Store) -> None:
    pointer = await opened(store, new_run())
    await store.ledger.intend(await begun(store, pointer), model_call(status="asked"))
    again = await begun(store, pointer)
    assert [call.status for call in await store.calls(pointer.run)] == ["unknown"]
    assert again.spent_usd == Decimal("2.5"), "a budget reckons with the most that it may have cost"
    view = await ended(store, pointer)
    assert (view.calls, view.cost_usd) == (1, None)


async def test_an_intent_without_an_answer_becomes_unknown_at_the_next_attempt_too(store: Store) -> None:
    pointer = await opened(store, new_run())
    attempt = await begun(store, pointer)
    await store.ledger.intend(attempt, model_call(status="asked"))
    await store.ledger.commit(attempt, Postpone(0, "transport", "cut off"))
    await begun(store, await standing(store))
    assert [call.status for call in await store.calls(pointer.run)] == ["unknown"]


async def test_an_intent_that_nobody_came_back_for_is_unknown_once_the_run_ended(store: Store) -> None:
    pointer = await opened(store, new_run())
    attempt = await begun(store, pointer)
    await store.ledger.intend(attempt, model_call(status="asked"))
    assert await store.ledger.commit(attempt, finish())
    assert [call.status for call in await store.calls(pointer.run)] == ["unknown"]


async def test_a_late_answer_to_an_unknown_call_is_kept_and_used(store: Store) -> None:
    pointer = await opened(store, new_run())
    zombie = await begun(store, pointer)
    call = model_call(status="asked")
    await store.ledger.intend(zombie, call)
    await begun(store, pointer)
    await recorded(store, zombie, answered(call, '{"text":"late"}'))
    assert (await begun(store, pointer)).answers == {(call.hash, 0): '{"text":"late"}'}
    assert [row.status for row in await store.calls(pointer.run)] == ["answered"]


async def test_what_came_of_a_call_is_not_forgotten_by_a_late_intent(store: Store) -> None:
    pointer = await opened(store, new_run())
    attempt = await begun(store, pointer)
    call = model_call(status="asked")
    late = model_call(status="asked")
    late.id = call.id
    await recorded(store, attempt, answered(call, '{"text":"1"}'))
    with pytest.raises(Gone):
        await store.ledger.intend(attempt, late)
    assert [(row.status, row.answer) for row in await store.calls(pointer.run)] == [("answered", '{"text":"1"}')]


async def test_a_lost_commit_keeps_its_bill(store: Store) -> None:
    pointer = await opened(store, new_run())
    zombie, quick = await begun(store, pointer), await begun(store, pointer)
    quick.calls.append(model_call("quick", answer="{}"))
    zombie.calls.append(model_call("zombie", answer="{}"))
    assert await store.ledger.commit(quick, advance())
    assert not await store.ledger.commit(zombie, advance())
    rows = {row.token: row for row in await store.calls(pointer.run)}
    assert set(rows) == {quick.token, zombie.token}
    assert rows[zombie.token].usage.input_tokens == 10 and rows[zombie.token].cost_usd == Decimal("0.25")


async def test_the_totals_of_a_run_hold_every_call_of_every_attempt(store: Store) -> None:
    pointer = await opened(store, new_run())
    zombie, attempt = await begun(store, pointer), await begun(store, pointer)
    attempt.calls += [model_call("a", "failed"), model_call("b", answer="{}")]
    await store.ledger.commit(attempt, Postpone(0, "transport", "no"))
    zombie.calls.append(model_call("zombie", answer="{}"))
    await store.ledger.commit(zombie, advance())
    view = await ended(store, await standing(store))
    assert (view.calls, view.attempts, view.cost_usd) == (3, 3, Decimal("0.75"))
    assert (view.usage.input_tokens, view.usage.output_tokens) == (30, 15)


async def test_the_result_of_a_run_counts_the_calls_that_are_written_with_its_ending(store: Store) -> None:
    pointer = await opened(store, new_run())
    attempt = await begun(store, pointer)
    attempt.calls.append(model_call("the last"))
    assert await store.ledger.commit(attempt, finish())
    view = await store.ledger.view(pointer.run, pointer.project)
    assert view is not None
    assert (view.calls, view.usage.input_tokens, view.cost_usd) == (1, 10, Decimal("0.25"))


async def test_a_call_that_a_budget_did_not_let_pass_is_none(store: Store) -> None:
    pointer = await opened(store, new_run())
    attempt = await begun(store, pointer)
    attempt.calls += [model_call("made"), model_call("refused", "failed", cost_usd="0")]
    attempt.calls[-1].error_kind = BUDGET
    assert await store.ledger.commit(attempt, finish())
    view = await store.ledger.view(pointer.run, pointer.project)
    assert view is not None and view.calls == 1


async def test_a_call_under_way_is_not_given_up_because_another_run_ends_in_the_same_moment(store: Store) -> None:
    goes_on = await begun(store, await opened(store, new_run("resp_1")))
    await store.ledger.intend(goes_on, model_call(status="asked"))
    ends = await begun(store, await opened(store, new_run("resp_2")))
    commits = store.ledger.commit(goes_on, advance(1)), store.ledger.commit(ends, finish())
    assert all(await asyncio.gather(*commits))
    assert [call.status for call in await store.calls("resp_1")] == ["asked"]


async def test_the_cost_is_unknown_where_one_price_is(store: Store) -> None:
    pointer = await opened(store, new_run())
    attempt = await begun(store, pointer)
    await recorded(store, attempt, model_call("a", answer="{}"), model_call("b", answer="{}", cost_usd=None))
    view = await ended(store, pointer)
    assert (view.calls, view.cost_usd) == (2, None)


async def test_a_run_that_asked_nothing_cost_nothing(store: Store) -> None:
    view = await ended(store, await opened(store, new_run()))
    assert (view.calls, view.attempts, view.cost_usd) == (0, 1, Decimal(0))


async def test_bills_that_come_after_the_ending_stay_on_record_and_leave_the_result_alone(store: Store) -> None:
    pointer = await opened(store, new_run())
    zombie = await begun(store, pointer)
    view = await ended(store, pointer)
    zombie.calls.append(model_call("late", answer="{}"))
    assert not await store.ledger.commit(zombie, finish(2))
    assert len(await store.calls(pointer.run)) == 1
    assert await store.ledger.view(pointer.run, pointer.project) == view


async def test_a_call_that_arrives_while_others_are_being_recorded_is_not_lost(store: Store) -> None:
    pointer = await opened(store, new_run())
    attempt = await begun(store, pointer)
    attempt.calls.append(model_call("a", answer="{}"))
    recording = asyncio.create_task(store.ledger.record(attempt))
    await asyncio.sleep(0)  # the recording is under way
    attempt.calls.append(model_call("b", answer="{}"))
    await recording
    await store.ledger.record(attempt)
    assert len(await store.calls(pointer.run)) == 2


async def moves_on(store: Store, attempt: Begun) -> None:
    await store.ledger.commit(attempt, advance())


async def is_tried_again(store: Store, attempt: Begun) -> None:
    await store.ledger.commit(attempt, Postpone(0, "transport", "no"))


async def is_cancelled(store: Store, attempt: Begun) -> None:
    await store.cancels.cancel(attempt.pointer.run, None, "client")


async def is_taken_over(store: Store, attempt: Begun) -> None:
    await begun(store, attempt.pointer)


async def is_late(store: Store, attempt: Begun) -> None:
    await store.advance(61)


@pytest.mark.parametrize("happens", [moves_on, is_tried_again, is_cancelled, is_taken_over, is_late])
async def test_a_paid_call_is_refused_once_the_work_is_somebody_elses_or_over(store: Store, happens: Happens) -> None:
    attempt = await begun(store, await opened(store, new_run(deadline_s=60)))
    await happens(store, attempt)
    late = model_call(status="asked")
    with pytest.raises(Gone):
        await store.ledger.intend(attempt, late)
    assert not late.intended and await store.calls("resp_1") == []


async def test_intents_of_many_runs_are_let_in_or_refused_each_by_itself(store: Store) -> None:
    attempts = [await begun(store, await opened(store, new_run(f"resp_{n:02}"))) for n in range(12)]
    for attempt in attempts[::3]:
        await is_cancelled(store, attempt)
    calls = [model_call(status="asked") for _ in attempts]
    intents = [store.ledger.intend(*pair) for pair in zip(attempts, calls, strict=True)]
    others = [store.ledger.commit(attempt, advance()) for attempt in attempts[1::3]]
    told = await asyncio.gather(*intents, *others, return_exceptions=True)
    assert [isinstance(it, Gone) for it in told[:12]] == [number % 3 == 0 for number in range(12)]
    assert [call.intended for call in calls] == [number % 3 != 0 for number in range(12)]
    assert told[12:] == [True] * 4


async def test_what_moved_on_is_told_of_those_that_are_held(store: Store) -> None:
    attempts = [await begun(store, await opened(store, new_run(f"resp_{n}"))) for n in range(5)]
    for attempt, happens in zip(attempts, (moves_on, is_tried_again, is_cancelled, is_taken_over), strict=False):
        await happens(store, attempt)
    assert await store.ledger.moved_on(attempts) == {attempt.token for attempt in attempts[:4]}
    assert await store.ledger.moved_on([]) == frozenset()


async def test_a_beginning_brings_what_the_run_has_used_up(store: Store) -> None:
    pointer = await opened(store, new_run())
    first = await begun(store, pointer)
    assert (first.spent_tokens, first.unknown_calls, first.model_calls, first.failures) == (0, 0, 0, 0)
    await store.ledger.intend(first, model_call("unknown", "asked"))
    first.calls += [model_call("a", "failed"), model_call("b", answer="{}")]
    first.calls.append(replace(model_call("lost", "failed", cost_usd=None), error_kind="transport", usage=Usage()))
    for error in (
        Overloaded("slow", retry_after_s=1),
        Held("wait", wait_s=1, kind="server"),
        Permanent("no", kind="budget"),
    ):
        fault = Fault.of(error)
        call = replace(model_call(fault.error, "failed"), error_kind=fault.kind, fault=fault.columns(), usage=Usage())
        first.calls.append(replace(call, cost_usd=Decimal(0)))
    await store.ledger.commit(first, Postpone(0, "transport", "no"))
    await store.ledger.commit(await begun(store, await standing(store)), Postpone(0, "unfamiliar", "?", counted=False))
    await store.ledger.commit(await begun(store, await standing(store)), advance())
    await store.ledger.commit(await begun(store, at := await standing(store)), Postpone(0, "server", "no"))
    again = await begun(store, await standing(store))
    assert at.seq == 2 and (again.spent_tokens, again.unknown_calls, again.failures) == (30, 2, 2)
    assert again.model_calls == 4, "those that came too early, or were not made, are none"


async def test_an_attempt_keeps_what_it_was_given_and_what_it_was_refused(store: Store) -> None:
    pointer = await opened(store, new_run())
    attempt = await begun(store, pointer)
    attempt.refusals.append(Refusal("call_model", "ab12", 0, "m", "Held", "rate_limited", "on hold", 2.5))
    await store.ledger.commit(attempt, Postpone(0.25, "rate_limited", "on hold", counted=False))
    await store.advance(1)
    again = await begun(store, await standing(store))
    await store.ledger.commit(again, finish())
    first, last = await store.attempts(pointer.run)
    assert (first.begins, first.delay_s, last.begins, last.delay_s) == (1, 0.25, 2, None)
    assert [it["wait_s"] for it in orjson.loads(first.refusals or "")] == [2.5]
    assert last.refusals is None


async def test_a_call_keeps_all_that_is_known_of_its_error(store: Store) -> None:
    pointer = await opened(store, new_run())
    attempt = await begun(store, pointer)
    call = model_call()
    call.status, call.error_kind, call.fault = "failed", "rate_limited", '{"error":"Overloaded","wait_s":7.5}'
    await recorded(store, attempt, call)
    assert [it.fault for it in await store.calls(pointer.run)] == ['{"error":"Overloaded","wait_s":7.5}']


async def test_what_an_attempt_was_refused_goes_with_the_texts_of_its_run(store: Store) -> None:
    pointer = await opened(store, replace(new_run(), store=False))
    attempt = await begun(store, pointer)
    attempt.refusals.append(Refusal("call_model", "ab12", 0, "m", "Held", "rate_limited", "on hold", 2.5))
    await store.ledger.commit(attempt, finish())
    await store.feed()
    await store.advance(10)
    assert await store.privacy.purge(1.0, 10) == 1
    assert [it.refusals for it in await store.attempts(pointer.run)] == [None]
