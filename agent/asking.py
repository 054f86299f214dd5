"""Asking several things at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from agent.effects import Answer, Ask, Effect


async def gathered(ask: Ask, effects: Sequence[Effect[Answer]]) -> list[Answer]:
    """The answers in the order of the effects, which are all asked at once.

    If some fail, the others are waited for all the same, so that their answers go on record; then the first failure in
    that order is raised. Which of equal effects is which follows from their order, and not from who answers first.
    """
    asked = [asyncio.ensure_future(ask(effect)) for effect in effects]
    try:
        brought = await asyncio.gather(*asked, return_exceptions=True)
    except asyncio.CancelledError:
        await asyncio.gather(*asked, return_exceptions=True)  # they were cancelled too: let them write it down
        raise
    answers: list[Answer] = []
    for each in brought:
        if isinstance(each, BaseException):
            raise each
        answers.append(each)
    return answers
