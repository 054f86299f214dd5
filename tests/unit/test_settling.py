"""Ending tasks that do not want to end."""

from __future__ import annotations

import asyncio

from api.patience import settle


async def test_a_loop_whose_driver_swallowed_the_cancellation_is_cancelled_again() -> None:
    swallowed = 0

    async def stubborn() -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                swallowed += 1
                if swallowed == 3:
                    raise

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    await settle([task], again_s=0.0)
    assert (task.cancelled(), swallowed) == (True, 3)


async def test_what_a_task_raised_on_its_way_out_is_nobodys_concern() -> None:
    async def fails() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise RuntimeError("on the way out")

    task = asyncio.create_task(fails())
    await asyncio.sleep(0)
    await settle([task])
    assert isinstance(task.exception(), RuntimeError)
