"""What was used, and the counters that enforce limits: on the twins, on PostgreSQL and on Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from agent.access import Limits, Project
from agent.adapters.ledger.metering import PostgresMeter
from agent.metering import OPENING_S, STALE_S, WINDOW_S, Scope, Used, Verdict
from agent.pacing import Target
from agent.ports import Pointer
from tests.contract.backends import Counting, Store
from tests.contract.toys import delivered, finish, model_call, new_run


async def opened(store: Store, name: str, project: str = "default", key: str | None = None) -> Pointer:
    run = replace(new_run(name, project=project), key=key)
    await store.ledger.open(run)
    return run.pointer


async def paid(store: Store, pointer: Pointer, *calls: Any, ends: bool = True) -> None:
    begun = await store.ledger.begin(delivered(pointer))
    assert begun is not None
    begun.calls.extend(calls)
    if ends:
        await store.ledger.commit(begun, finish())
    else:
        await store.ledger.record(begun)


# ------------------------------------------------------------------------------------------------ the ledger


async def test_what_a_model_has_cost_today_is_counted_for_all_projects_with_calls_under_way(real_store: Store) -> None:
    meter = real_store.meter
    assert isinstance(meter, PostgresMeter)
    calls = [model_call("a"), model_call("b", "asked"), model_call("c", "failed", cost_usd=None), model_call("d")]
    for call in calls:
        call.model, call.endpoint = "m", "near"
    calls[3].model = "other"
    await paid(real_store, await opened(real_store, "resp_1"), *calls, ends=False)
    assert await meter.spent_today(Target("near", "m")) == Decimal("5.25")
    assert await meter.spent_today(Target("far", "m")) == 0
    await real_store.advance(2 * 86_400)
    assert await meter.spent_today(Target("near", "m")) == 0


async def test_a_project_that_asked_nothing_has_used_nothing(store: Store) -> None:
    assert await store.meter.used("default") == {None: Used()}


async def test_runs_tokens_and_dollars_are_counted_for_the_project_and_for_each_key(store: Store) -> None:
    await store.access.create_project(Project("acme"), "ann")
    await paid(store, await opened(store, "resp_1", "acme", "key_1"), model_call("a"), model_call("b"))
    await paid(store, await opened(store, "resp_2", "acme", "key_2"), model_call("c"))
    await opened(store, "resp_3", "acme", "key_2")
    await paid(store, await opened(store, "resp_4", "default", "key_3"), model_call("d"))
    used = await store.meter.used("acme")
    assert used.keys() == {None, "key_1", "key_2"}
    told = {key: (sum(it.began.values()), sum(it.tokens.values()), it.usd) for key, it in used.items()}
    assert told == {
        None: (3, 45, Decimal("0.75")),
        "key_1": (1, 30, Decimal("0.50")),
        "key_2": (2, 15, Decimal("0.25")),
    }
    assert used[None].open == {"resp_3"} and used[None].ended == {"resp_1", "resp_2"}
    assert used["key_2"].open == {"resp_3"} and used["key_2"].ended == {"resp_2"}


async def test_a_minute_later_only_the_dollars_count_and_what_is_still_open(store: Store) -> None:
    await paid(store, await opened(store, "resp_1"), model_call())
    await opened(store, "resp_2")
    await store.advance(WINDOW_S + 1)
    used = (await store.meter.used("default"))[None]
    assert (used.began, used.tokens, used.ended) == ({}, {}, frozenset())
    assert used.open == {"resp_2"}


async def test_a_call_that_nobody_knows_the_outcome_of_counts_with_the_most_that_it_may_have_cost(store: Store) -> None:
    pointer = await opened(store, "resp_1")
    begun = await store.ledger.begin(delivered(pointer))
    assert begun is not None
    await store.ledger.intend(begun, model_call("a", "asked"))
    assert (await store.meter.used("default"))[None].usd == Decimal("2.5")
    await store.ledger.begin(delivered(pointer))
    assert (await store.meter.used("default"))[None].usd == Decimal("2.5")


async def test_a_call_whose_cost_nobody_told_counts_with_the_most_that_it_may_have_cost(store: Store) -> None:
    calls = [model_call("no usage", cost_usd=None), model_call("hung", "failed", cost_usd=None)]
    calls.append(model_call("turned away", "failed", cost_usd="0"))
    calls.append(model_call("no price", cost_usd=None))
    calls[-1].worst_case_usd = None
    await paid(store, await opened(store, "resp_1"), *calls)
    assert (await store.meter.used("default"))[None].usd == 5


async def test_a_call_that_goes_on_is_counted_once_with_its_last_cost_however_often_it_is_asked(store: Store) -> None:
    pointer = await opened(store, "resp_1")
    begun = await store.ledger.begin(delivered(pointer))
    assert begun is not None
    call = model_call("a", "asked")
    await store.ledger.intend(begun, call)
    await store.meter.used("default")
    call.status, call.answer, call.cost_usd = "answered", "{}", Decimal("0.1")
    begun.calls.append(call)
    await store.ledger.record(begun)
    assert (await store.meter.used("default"))[None].usd == Decimal("0.1")
    assert (await store.meter.used("default"))[None].usd == Decimal("0.1")


# ------------------------------------------------------------------------------------------------ the counters


def scope(key: str | None = None, project: str = "acme", **limits: Any) -> Scope:
    return Scope(project, key, Limits(**limits))


async def filled(counting: Counting, scopes: Sequence[Scope], **used: Any) -> None:
    await counting.counters.fill(scopes, {it.key: Used(**used) for it in scopes})


async def entered(counting: Counting, scopes: Sequence[Scope], *runs: str) -> list[Verdict]:
    return [await counting.counters.enter(run, scopes) for run in runs]


async def test_counters_that_were_never_filled_or_were_wiped_say_that_they_know_nothing(counting: Counting) -> None:
    scopes = [scope(requests_per_min=2)]
    assert not (await counting.counters.enter("resp_1", scopes)).known
    await filled(counting, scopes)
    assert (await counting.counters.enter("resp_1", scopes)).passed
    await counting.wipe()
    assert not (await counting.counters.enter("resp_2", scopes)).known


async def test_what_the_ledger_counted_before_a_wipe_counts_after_it(counting: Counting) -> None:
    scopes = [scope(requests_per_min=3)]
    await filled(counting, scopes, began={10: 2})
    verdicts = await entered(counting, scopes, "resp_1", "resp_2")
    assert [it.refused for it in verdicts] == [None, "requests_per_min"]
    assert 49 <= verdicts[1].wait_s <= 50


async def test_requests_are_let_in_up_to_the_limit_and_again_when_the_minute_is_over(counting: Counting) -> None:
    scopes = [scope(requests_per_min=2)]
    await filled(counting, scopes)
    first, second, third = await entered(counting, scopes, "resp_1", "resp_2", "resp_3")
    assert first.passed and second.passed
    assert (third.refused, third.by) == ("requests_per_min", 0)
    assert 1 <= third.wait_s <= WINDOW_S
    assert [it.rooms[0].requests for it in (first, second, third)] == [1, 2, 2]
    await counting.advance(WINDOW_S)
    assert (await counting.counters.enter("resp_4", scopes)).passed


async def test_a_request_that_one_scope_refuses_is_counted_in_none(counting: Counting) -> None:
    project, key = scope(requests_per_min=10), scope("key_1", requests_per_min=1)
    await filled(counting, [project, key])
    verdicts = await entered(counting, [project, key], "resp_1", "resp_2", "resp_3")
    assert [it.refused for it in verdicts] == [None, "requests_per_min", "requests_per_min"]
    assert [it.by for it in verdicts[1:]] == [1, 1]
    assert verdicts[2].rooms[0].requests == 1
    assert (await counting.counters.enter("resp_4", [project])).passed


async def test_one_projects_counts_are_nothing_to_another(counting: Counting) -> None:
    acme, other = [scope(requests_per_min=1)], [scope(project="other", requests_per_min=1)]
    await filled(counting, acme)
    await filled(counting, other)
    assert (await counting.counters.enter("resp_1", acme)).passed
    assert (await counting.counters.enter("resp_2", other)).passed


async def test_of_many_requests_of_the_same_moment_no_more_come_in_than_may(counting: Counting) -> None:
    scopes = [scope(requests_per_min=5, concurrent_runs=9)]
    await filled(counting, scopes)
    verdicts = await asyncio.gather(*(counting.counters.enter(f"resp_{n}", scopes) for n in range(20)))
    assert sum(it.passed for it in verdicts) == 5


async def test_tokens_refuse_once_the_limit_is_reached_until_enough_of_them_are_a_minute_old(
    counting: Counting,
) -> None:
    scopes = [scope(tokens_per_min=100)]
    await filled(counting, scopes, tokens={40: 60, 5: 50})
    verdict = await counting.counters.enter("resp_1", scopes)
    assert (verdict.refused, verdict.rooms[0].tokens) == ("tokens_per_min", 110)
    assert 19 <= verdict.wait_s <= 20
    await filled(counting, scopes, tokens={5: 50})
    assert (await counting.counters.enter("resp_2", scopes)).passed


async def test_dollars_refuse_once_they_are_spent_and_no_longer_than_that_day(counting: Counting) -> None:
    scopes = [scope(usd_per_day=Decimal("1.5"))]
    await filled(counting, scopes, usd=Decimal("1.499999"))
    assert (await counting.counters.enter("resp_1", scopes)).passed
    await counting.counters.leave("resp_1", scopes)
    await filled(counting, scopes, usd=Decimal("1.5"))
    verdict = await counting.counters.enter("resp_2", scopes)
    assert verdict.refused == "usd_per_day" and 0 < verdict.wait_s <= 86_400
    await counting.advance(86_400)
    assert (await counting.counters.enter("resp_3", scopes)).passed


async def test_runs_that_are_under_way_hold_their_places_until_they_leave(counting: Counting) -> None:
    scopes = [scope(concurrent_runs=2)]
    await filled(counting, scopes)
    verdicts = await entered(counting, scopes, "resp_1", "resp_2", "resp_3")
    assert [it.refused for it in verdicts] == [None, None, "concurrent_runs"]
    await counting.counters.leave("resp_1", scopes)
    assert (await counting.counters.enter("resp_3", scopes)).passed


async def test_places_of_runs_that_ended_or_were_never_opened_are_free_when_the_ledger_says_so(
    counting: Counting,
) -> None:
    scopes = [scope(concurrent_runs=3)]
    await filled(counting, scopes)
    await entered(counting, scopes, "resp_ended", "resp_open", "resp_lost")
    assert await counting.counters.fill(
        scopes, {None: Used(open=frozenset({"resp_open"}), ended=frozenset({"resp_ended"}))}
    )
    assert (await counting.counters.enter("resp_4", scopes)).passed
    assert (await counting.counters.enter("resp_5", scopes)).refused, "resp_lost may yet be opened"
    await counting.advance(OPENING_S + 1)
    await counting.counters.fill(scopes, {None: Used(open=frozenset({"resp_open"}))})
    verdicts = await entered(counting, scopes, "resp_6", "resp_7", "resp_8")
    assert [it.passed for it in verdicts] == [True, True, False]


async def test_runs_that_the_ledger_has_open_hold_their_places_after_a_wipe(counting: Counting) -> None:
    scopes = [scope(concurrent_runs=2)]
    await filled(counting, scopes, open=frozenset({"resp_1", "resp_2"}))
    assert (await counting.counters.enter("resp_3", scopes)).refused == "concurrent_runs"


@pytest.mark.parametrize("limits", [{"tokens_per_min": 9}, {"usd_per_day": Decimal(9)}])
async def test_counters_are_not_believed_when_nobody_filled_them_while_runs_went_on(
    counting: Counting, limits: dict[str, Any]
) -> None:
    scopes = [scope(**limits)]
    await filled(counting, scopes)
    await counting.advance(STALE_S + 1)
    assert (await counting.counters.enter("resp_1", scopes)).passed, "nothing had been under way"
    await counting.advance(STALE_S + 1)
    assert not (await counting.counters.enter("resp_2", scopes)).known


async def test_counting_requests_alone_needs_no_filling_again(counting: Counting) -> None:
    scopes = [scope(requests_per_min=9)]
    await filled(counting, scopes)
    await entered(counting, scopes, "resp_1")
    await counting.advance(STALE_S + 1)
    assert (await counting.counters.enter("resp_2", scopes)).passed


async def test_filling_again_keeps_what_was_counted_here(counting: Counting) -> None:
    scopes = [scope(requests_per_min=2, tokens_per_min=100)]
    await filled(counting, scopes)
    await entered(counting, scopes, "resp_1", "resp_2")
    await filled(counting, scopes, began={0: 1})
    assert (await counting.counters.enter("resp_3", scopes)).refused == "requests_per_min"
