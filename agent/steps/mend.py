"""Mends a draft that is to be JSON, where that costs nothing, before a model is paid to do it."""

from __future__ import annotations

from functools import partial

from anyio import to_thread

from agent.checks.lenient import lenient
from agent.checks.mending import Mended, is_json, unwrapped
from agent.events import AnswerDrafted


async def mended(event: AnswerDrafted) -> Mended:
    """The JSON that a draft holds and what was mended; its words as they are where they cannot be.

    Nothing is mended in words that the model did not end itself.
    """
    if event.finish_reason != "stop":
        return Mended(event.draft)
    found = unwrapped(event.draft)
    if is_json(found.text):
        return found
    # In a thread, because it may take seconds and the worker has other runs; the answer is the same wherever it runs.
    slips = await to_thread.run_sync(partial(lenient, event.draft), abandon_on_cancel=True)
    return slips or found
