"""When a model may be called, for all workers together: on the twin and on Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from itertools import count, pairwise
from typing import Any

import pytest

from agent.failures import FAILING, INVALID, QUOTA_S
from agent.pacing import LEASE_S, PATIENCE_S, PROBE_S, SHORT_S, Allowance, Came, Hold, Pacer, Target, Turn, Wanted
from tests.contract.backends import PacingUnderTest

MODEL = Target("near {1}", "large/v2")
OTHER = Target("far", "small")
numbers = count(1)


def wanted(target: Target = MODEL, agent: str = "ann", tokens: int = 100, usd: str = "0.01", **limits: Any) -> Wanted:
    allowance = Allowance(**limits)
    return Wanted(target, agent, f"call-{next(numbers)}", tokens, Decimal(usd), allowance)


async def turn(pacer: Pacer, of: Wanted | None = None) -> Turn:
    given = await pacer.reserve(of or wanted())
    assert isinstance(given, Turn), given
    return given


async def hold(pacer: Pacer, of: Wanted | None = None) -> Hold:
    given = await pacer.reserve(of or wanted())
    assert isinstance(given, Hold), given
    return given


async def fail(pacer: Pacer, kind: str, times: int = 1, wait_s: float | None = None) -> None:
    """So many calls under way at once, all of which end in this."""
    for given in [await turn(pacer) for _ in range(times)]:
        await pacer.settle(given, Came(kind, wait_s=wait_s))


async def succeed(pacer: Pacer, times: int = 1) -> None:
    for given in [await turn(pacer) for _ in range(times)]:
        await pacer.settle(given, Came("ok", 10, Decimal("0.001")))


# ------------------------------------------------------------------------------------------------ pauses


async def test_without_limits_and_failures_calls_go_at_once(pacing: PacingUnderTest) -> None:
    await succeed(pacing.pacer, 20)
    assert await pacing.pacer.holds([MODEL, OTHER]) == []


async def test_a_time_to_wait_holds_the_model_for_every_agent_and_no_other_model(pacing: PacingUnderTest) -> None:
    await fail(pacing.pacer, "rate_limited", wait_s=30)
    held = await hold(pacing.pacer, wanted(agent="bob"))
    assert (held.kind, held.agent, held.probing) == ("rate_limited", "", False)
    assert 29 < held.left_s <= 30
    await turn(pacing.pacer, wanted(OTHER))
    (told,) = await pacing.pacer.holds([MODEL, OTHER])
    assert (told.target, told.kind) == (MODEL, "rate_limited")


async def test_whoever_meets_a_pause_asks_again_before_long_for_it_may_be_ended_by_hand(
    pacing: PacingUnderTest,
) -> None:
    await fail(pacing.pacer, "rate_limited", wait_s=600)
    assert (await hold(pacing.pacer)).wait_s is None
    await pacing.pacer.resume(MODEL)
    await turn(pacing.pacer)


@pytest.mark.parametrize("later", [5.0, 60.0])
async def test_another_time_to_wait_makes_the_pause_longer_and_never_shorter(
    pacing: PacingUnderTest, later: float
) -> None:
    first, second = await turn(pacing.pacer), await turn(pacing.pacer)
    await pacing.pacer.settle(first, Came("rate_limited", wait_s=30))
    await pacing.pacer.settle(second, Came("rate_limited", wait_s=later))
    held = await hold(pacing.pacer)
    assert max(30, later) - 1 < held.left_s <= max(30, later)


async def test_a_server_that_names_a_time_is_left_alone_for_as_long(pacing: PacingUnderTest) -> None:
    await fail(pacing.pacer, "server", wait_s=20)
    held = await hold(pacing.pacer)
    assert held.kind == "server"
    assert 19 < held.left_s <= 20


async def test_after_a_pause_one_call_goes_first_and_its_answer_sets_the_others_free(pacing: PacingUnderTest) -> None:
    await fail(pacing.pacer, "rate_limited", wait_s=5)
    await pacing.advance(5)
    probe = await turn(pacing.pacer)
    held = await hold(pacing.pacer)
    assert (held.probing, held.wait_s) == (True, SHORT_S)
    assert held.left_s <= PATIENCE_S
    await pacing.pacer.settle(probe, Came("ok"))
    await succeed(pacing.pacer, 3)


async def test_a_call_after_a_pause_that_is_not_refused_within_a_second_sets_the_others_free(
    pacing: PacingUnderTest,
) -> None:
    await fail(pacing.pacer, "rate_limited", wait_s=5)
    await pacing.advance(5)
    await turn(pacing.pacer)
    await pacing.advance(1)
    await succeed(pacing.pacer, 3)


async def test_a_call_after_a_pause_that_is_refused_holds_the_model_again(pacing: PacingUnderTest) -> None:
    await fail(pacing.pacer, "rate_limited", wait_s=5)
    await pacing.advance(5)
    await fail(pacing.pacer, "rate_limited", wait_s=7)
    assert 6 < (await hold(pacing.pacer)).left_s <= 7


async def test_a_call_that_was_under_way_does_not_end_a_pause(pacing: PacingUnderTest) -> None:
    early = await turn(pacing.pacer)
    await fail(pacing.pacer, "rate_limited", wait_s=5)
    await pacing.pacer.settle(early, Came("ok"))
    assert (await hold(pacing.pacer)).kind == "rate_limited"


# ------------------------------------------------------------------------------------------------ breakers


@pytest.mark.parametrize("kind", ["transport", "server", "malformed", "empty"])
async def test_many_failures_open_the_breaker(pacing: PacingUnderTest, kind: str) -> None:
    await fail(pacing.pacer, kind, FAILING.failures - 1)
    await turn(pacing.pacer)
    await fail(pacing.pacer, kind)
    held = await hold(pacing.pacer)
    assert held.kind == kind
    assert 0 < held.left_s <= FAILING.first_s


@pytest.mark.parametrize("kind", ["rejected", "unauthorized", "context_length_exceeded", "unknown", "unmade", "what"])
async def test_failures_that_are_not_the_models_open_none(pacing: PacingUnderTest, kind: str) -> None:
    await fail(pacing.pacer, kind, 3 * FAILING.failures)
    await succeed(pacing.pacer)


async def test_failures_among_more_successes_open_none(pacing: PacingUnderTest) -> None:
    await fail(pacing.pacer, "server")
    await succeed(pacing.pacer, 2 * FAILING.failures)
    await fail(pacing.pacer, "server", FAILING.failures)
    await succeed(pacing.pacer)


async def test_failures_that_are_long_over_do_not_count(pacing: PacingUnderTest) -> None:
    await fail(pacing.pacer, "server", FAILING.failures - 1)
    await pacing.advance(int(FAILING.window_s))
    await fail(pacing.pacer, "server", FAILING.failures - 1)
    await succeed(pacing.pacer)


async def test_a_quota_that_is_used_up_opens_the_breaker_at_once(pacing: PacingUnderTest) -> None:
    await fail(pacing.pacer, "quota")
    held = await hold(pacing.pacer)
    assert (held.kind, held.probing) == ("quota", False)
    assert QUOTA_S - 1 < held.left_s <= QUOTA_S


async def test_an_open_breaker_lets_one_call_through_and_opens_for_twice_as_long_if_that_fails(
    pacing: PacingUnderTest,
) -> None:
    await fail(pacing.pacer, "server", FAILING.failures)
    for opening_s in (1, 2, 4, 8, FAILING.most_s, FAILING.most_s):
        held = await hold(pacing.pacer)
        assert opening_s - 1 < held.left_s <= opening_s
        await pacing.advance(int(opening_s))
        probe = await turn(pacing.pacer)
        assert (await hold(pacing.pacer)).probing
        await pacing.pacer.settle(probe, Came("transport"))


async def test_a_probe_that_is_answered_closes_the_breaker_and_forgets_what_was_counted(
    pacing: PacingUnderTest,
) -> None:
    await fail(pacing.pacer, "server", FAILING.failures)
    await pacing.advance(1)
    await succeed(pacing.pacer)
    await fail(pacing.pacer, "server", FAILING.failures - 1)
    await succeed(pacing.pacer)
    assert await pacing.pacer.holds([MODEL]) == []


@pytest.mark.parametrize("kind", ["unmade", "unknown"])
async def test_a_probe_that_tells_nothing_lets_another_one_go(pacing: PacingUnderTest, kind: str) -> None:
    await fail(pacing.pacer, "server", FAILING.failures)
    await pacing.advance(1)
    await pacing.pacer.settle(await turn(pacing.pacer), Came(kind))
    assert (await turn(pacing.pacer)).probes


async def test_a_probe_whose_worker_died_is_followed_by_another_one(pacing: PacingUnderTest) -> None:
    await fail(pacing.pacer, "server", FAILING.failures)
    await pacing.advance(1)
    await turn(pacing.pacer)
    await pacing.advance(int(PROBE_S))
    assert (await turn(pacing.pacer)).probes
    assert (await hold(pacing.pacer)).probing


async def test_of_many_that_find_an_open_breaker_over_in_the_same_moment_one_goes_through(
    pacing: PacingUnderTest,
) -> None:
    await fail(pacing.pacer, "quota")
    await judge(pacing.pacer, 0, INVALID.failures)
    await pacing.advance(int(QUOTA_S))
    told = await asyncio.gather(*(pacing.pacer.reserve(wanted()) for _ in range(50)))
    (turn_given,) = (it for it in told if isinstance(it, Turn))
    assert turn_given.probes == 3, "for the model, and for the agent"
    assert all(it.probing for it in told if isinstance(it, Hold))


async def test_failures_of_calls_that_were_under_way_do_not_open_the_breaker_twice(pacing: PacingUnderTest) -> None:
    late = [await turn(pacing.pacer) for _ in range(FAILING.failures)]
    await fail(pacing.pacer, "server", FAILING.failures)
    for given in late:
        await pacing.pacer.settle(given, Came("server"))
    assert (await hold(pacing.pacer)).left_s <= FAILING.first_s
    (told,) = await pacing.pacer.holds([MODEL])
    assert told.opened == 1


# ------------------------------------------------------------------------------------------------ invalid answers


async def judge(pacer: Pacer, valid: int, invalid: int) -> None:
    for number in range(valid + invalid):
        await pacer.judge(MODEL, "ann", number < valid)


async def test_many_invalid_answers_hold_the_model_for_the_agent_whose_checks_they_fail(
    pacing: PacingUnderTest,
) -> None:
    await judge(pacing.pacer, 0, INVALID.failures)
    held = await hold(pacing.pacer)
    assert (held.kind, held.agent) == ("invalid", "ann")
    assert 0 < held.left_s <= INVALID.first_s
    await turn(pacing.pacer, wanted(agent="bob"))
    (told,) = await pacing.pacer.holds([MODEL])
    assert (told.kind, told.agent) == ("invalid", "ann")


@pytest.mark.parametrize(("valid", "invalid"), [(0, 9), (5, 12)])
async def test_some_invalid_answers_hold_nothing(pacing: PacingUnderTest, valid: int, invalid: int) -> None:
    await judge(pacing.pacer, 0, 1)
    await judge(pacing.pacer, valid, invalid - 1)
    await turn(pacing.pacer)


@pytest.mark.parametrize("valid", [True, False])
async def test_the_verdict_on_one_answer_closes_the_breaker_of_invalid_ones_or_opens_it_for_longer(
    pacing: PacingUnderTest, valid: bool
) -> None:
    await judge(pacing.pacer, 0, INVALID.failures)
    await pacing.advance(int(INVALID.first_s))
    await pacing.pacer.settle(await turn(pacing.pacer), Came("ok"))
    assert (await hold(pacing.pacer)).probing
    await pacing.pacer.judge(MODEL, "ann", valid)
    if valid:
        await succeed(pacing.pacer, 3)
    else:
        held = await hold(pacing.pacer)
        assert INVALID.first_s < held.left_s <= 2 * INVALID.first_s


async def test_a_probe_that_brought_no_answer_to_judge_lets_another_one_go(pacing: PacingUnderTest) -> None:
    await judge(pacing.pacer, 0, INVALID.failures)
    await pacing.advance(int(INVALID.first_s))
    await fail(pacing.pacer, "rejected")
    assert (await turn(pacing.pacer)).probes


# ------------------------------------------------------------------------------------------------ limits


async def test_no_more_requests_begin_in_any_minute_than_the_limit_says(pacing: PacingUnderTest) -> None:
    limits: dict[str, Any] = {"requests_per_min": 3}
    for _ in range(2):
        await turn(pacing.pacer, wanted(**limits))
    await pacing.advance(30)
    await turn(pacing.pacer, wanted(**limits))
    held = await hold(pacing.pacer, wanted(**limits))
    assert held.kind == "requests_per_min"
    assert 28 < held.left_s <= 31
    await pacing.advance(31)
    for _ in range(2):
        await turn(pacing.pacer, wanted(**limits))
    assert isinstance(await pacing.pacer.reserve(wanted(**limits)), Hold)


async def test_those_who_wait_for_a_limit_are_told_different_times(pacing: PacingUnderTest) -> None:
    for _ in range(10):
        await turn(pacing.pacer, wanted(requests_per_min=10))
    waits = [(await hold(pacing.pacer, wanted(requests_per_min=10))).wait_s or 0 for _ in range(9)]
    assert 58 < waits[0] <= 61
    assert all(5 < later - earlier < 7 for earlier, later in pairwise(waits[:6])), "a request in six seconds"
    assert max(waits) < 100, "nobody is sent away for hours"


async def test_tokens_are_reserved_at_their_most_and_what_was_not_used_is_given_back(pacing: PacingUnderTest) -> None:
    limits: dict[str, Any] = {"tokens_per_min": 250}
    first, _ = await turn(pacing.pacer, wanted(**limits)), await turn(pacing.pacer, wanted(**limits))
    assert (await hold(pacing.pacer, wanted(**limits))).kind == "tokens_per_min"
    await pacing.pacer.settle(first, Came("ok", tokens=20))
    await turn(pacing.pacer, wanted(**limits))


async def test_a_call_of_more_tokens_than_the_limit_goes_alone(pacing: PacingUnderTest) -> None:
    await turn(pacing.pacer, wanted(tokens=900, tokens_per_min=250))
    assert (await hold(pacing.pacer, wanted(tokens=1, tokens_per_min=250))).kind == "tokens_per_min"


async def test_a_call_whose_tokens_nobody_knows_counts_in_full(pacing: PacingUnderTest) -> None:
    given = await turn(pacing.pacer, wanted(tokens=200, tokens_per_min=250))
    await pacing.pacer.settle(given, Came("transport"))
    assert (await hold(pacing.pacer, wanted(tokens_per_min=250))).kind == "tokens_per_min"


async def test_a_call_that_was_not_made_gives_all_of_it_back(pacing: PacingUnderTest) -> None:
    limits: dict[str, Any] = {"requests_per_min": 1, "tokens_per_min": 100, "concurrency": 1}
    limits["usd_per_day"] = Decimal("0.01")
    for _ in range(3):
        await pacing.pacer.settle(await turn(pacing.pacer, wanted(**limits)), Came("unmade"))


async def test_no_more_calls_are_under_way_than_the_limit_says(pacing: PacingUnderTest) -> None:
    given = [await turn(pacing.pacer, wanted(concurrency=2)) for _ in range(2)]
    held = await hold(pacing.pacer, wanted(concurrency=2))
    assert (held.kind, held.wait_s) == ("concurrency", SHORT_S)
    await pacing.pacer.settle(given[0], Came("ok"))
    await turn(pacing.pacer, wanted(concurrency=2))


async def test_the_place_of_a_crashed_worker_is_free_after_a_while_and_that_of_a_living_one_is_not(
    pacing: PacingUnderTest,
) -> None:
    dead, alive = [await turn(pacing.pacer, wanted(concurrency=2)) for _ in range(2)]
    await pacing.advance(int(LEASE_S) - 2)
    await pacing.pacer.renew([alive])
    await pacing.advance(3)
    await turn(pacing.pacer, wanted(concurrency=2))
    assert (await hold(pacing.pacer, wanted(concurrency=2))).kind == "concurrency"
    assert dead.wanted.call != alive.wanted.call


async def test_money_is_reserved_at_its_most_until_midnight_and_what_was_not_spent_is_given_back(
    pacing: PacingUnderTest,
) -> None:
    dear: dict[str, Any] = {"usd": "0.6", "usd_per_day": Decimal(1)}
    given = await turn(pacing.pacer, wanted(**dear))
    held = await hold(pacing.pacer, wanted(**dear))
    assert held.kind == "usd_per_day"
    assert 0 < held.left_s <= 60, "the limit may be raised meanwhile"
    await pacing.pacer.settle(given, Came("ok", usd=Decimal("0.4")))
    await turn(pacing.pacer, wanted(**dear))
    assert isinstance(await pacing.pacer.reserve(wanted(**dear)), Hold)
    await pacing.advance(86_400)
    await turn(pacing.pacer, wanted(**dear))


async def test_what_was_spent_today_comes_from_the_ledger_where_the_store_has_forgotten_it(
    pacing: PacingUnderTest,
) -> None:
    dear: dict[str, Any] = {"usd": "0.3", "usd_per_day": Decimal(1)}
    await turn(pacing.pacer, wanted(**dear))
    await pacing.wipe()
    pacing.spent[MODEL] = Decimal("0.6")
    await turn(pacing.pacer, wanted(**dear))
    assert (await hold(pacing.pacer, wanted(**dear))).kind == "usd_per_day"


async def test_of_many_that_want_the_last_place_in_the_same_moment_one_gets_it(pacing: PacingUnderTest) -> None:
    asked = (pacing.pacer.reserve(wanted(concurrency=1)) for _ in range(20))
    given = await asyncio.gather(*asked)
    assert sum(isinstance(it, Turn) for it in given) == 1


# ------------------------------------------------------------------------------------------------ telling, ending


async def heard(pacer: Pacer, act: Any, most: int) -> Sequence[Hold]:
    """What is told of holds while `act` is done."""
    found: list[Hold] = []

    async def listen() -> None:
        async for it in pacer.heard():
            found.append(it)  # noqa: PERF401  # whoever looks meanwhile wants to see each at once

    listening = asyncio.create_task(listen())
    await asyncio.sleep(0)
    while not found:  # a subscription says nothing of when it began
        await pacer.resume(OTHER)
        await asyncio.sleep(0)
    await act()
    async with asyncio.timeout(20):
        while len([it for it in found if it.target == MODEL]) < most:  # noqa: ASYNC110  # nothing else is told
            await asyncio.sleep(0)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    return [it for it in found if it.target == MODEL]


async def test_every_process_is_told_of_a_hold_and_of_its_end(pacing: PacingUnderTest) -> None:
    async def act() -> None:
        await fail(pacing.pacer, "rate_limited", wait_s=5)
        await pacing.pacer.resume(MODEL)

    made, ended = await heard(pacing.pacer, act, 2)
    assert (made.target, made.kind) == (MODEL, "rate_limited")
    assert 4 < made.left_s <= 5
    assert (ended.kind, ended.left_s) == ("", 0)


async def test_an_operator_ends_every_hold_of_a_model(pacing: PacingUnderTest) -> None:
    await judge(pacing.pacer, 0, INVALID.failures)
    assert await pacing.pacer.resume(MODEL)
    assert await pacing.pacer.holds([MODEL]) == []
    await fail(pacing.pacer, "quota")
    assert await pacing.pacer.resume(MODEL)
    assert not await pacing.pacer.resume(MODEL)
    await succeed(pacing.pacer, 2)


async def test_a_store_that_forgot_everything_lets_calls_go(pacing: PacingUnderTest) -> None:
    limited = wanted(concurrency=1, requests_per_min=1)
    given = await turn(pacing.pacer, limited)
    await pacing.wipe()
    await turn(pacing.pacer, limited)
    await pacing.pacer.settle(given, Came("ok", 10, Decimal("0.001")))
