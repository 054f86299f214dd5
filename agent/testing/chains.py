"""What the fixture `chain` gives to tests: chains in memory, and cases run again, without a loop of the test's own."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import warnings
from collections.abc import Collection, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from agent.cases import Case
from agent.definition import Agent, BoundAgent
from agent.envelope import unseal
from agent.errors import Misconfigured
from agent.ports import RunView
from agent.testing.chain import Chain, Story
from agent.testing.replaying import again, as_recorded, bound_for
from agent.testing.rerun import Rerun
from agent.testing.script import Script, Unscripted

T = TypeVar("T")
SURVIVED = 86
"""The exit code of a process that ran a case again and is still there; no other code stands for that."""
LONGEST_S = 60.0


@dataclass(frozen=True, slots=True)
class Chains:
    """Makes chains as `Chain.of` does, and runs cases again; `agent` is that of cases which name none."""

    agent: str = ""

    def __call__(self, agent: Agent, script: Script, **more: Any) -> Chain:
        return Chain.of(agent, script, **more)

    def again(
        self,
        case: Case,
        script: Script | None = None,
        *,
        agent: Agent | str | None = None,
        real: Collection[str] = (),
        apart: bool = False,
    ) -> Rerun:
        """A case run again with the agent as it is now: see `agent.testing.replaying.again`, which is awaited here.

        With `apart` a process of its own runs it first. Raises `AssertionError` if that does not come back.
        """
        __tracebackhide__ = True
        named = agent or case.agent.spec or self.agent or None
        if apart:
            _survive(case, script, named, real)
        return _run(again(case, script, agent=named, real=real))

    def as_recorded(self, case: Case, agent: Agent | str | None = None) -> Rerun:
        """A case replayed as it was recorded, attempt by attempt: for what no step can meet here.

        Raises `AssertionError` if it does not come again.
        """
        __tracebackhide__ = True
        bound, book = bound_for(case, agent or case.agent.spec or self.agent or None)
        done = _run(as_recorded(case, bound, book))
        if not done.as_recorded:
            what = str(done.missing) if done.missing else done.difference.what if done.difference else ""
            raise AssertionError(f"the run does not come again as it was recorded: {what}")
        story = _story(done.now, bound)
        return Rerun(story.ending, story.events, story.view, case, bound)


def _run(work: Coroutine[Any, Any, T]) -> T:
    __tracebackhide__ = True
    if _in_a_loop():
        work.close()
        raise RuntimeError(
            "a test that runs a case again is a plain `def`; in a coroutine await agent.testing.replaying.again"
        )
    try:
        return asyncio.run(work)
    except (Unscripted, Misconfigured) as error:  # they say it all: who asked tells nobody more
        raise error.with_traceback(None) from None


def _in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _survive(case: Case, script: Script | None, agent: Agent | str | None, real: Collection[str]) -> None:
    """Raises `AssertionError` if running the case takes its process along. Where no process can be forked, it may."""
    __tracebackhide__ = True
    if not hasattr(os, "fork"):
        return
    process = multiprocessing.get_context("fork").Process(target=_apart, args=(case, script, agent, real))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads: the child starts afresh
        process.start()
    process.join(LONGEST_S)
    code = process.exitcode
    if code is None:
        process.kill()
        process.join()
        raise AssertionError(f"it stops its process as it did then: it did not come back within {LONGEST_S:g} s")
    if code != SURVIVED:
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        raise AssertionError(f"it stops its process as it did then: {how}")


def _apart(case: Case, script: Script | None, agent: Agent | str | None, real: Collection[str]) -> None:
    try:
        asyncio.run(again(case, script, agent=agent, real=real))
    except SystemExit:
        os._exit(1)
    except BaseException:  # noqa: S110  # the process that waits meets it as well, and tells it
        pass
    os._exit(SURVIVED)


def _story(case: Case, bound: BoundAgent) -> Story:
    events = tuple(unseal(event.sealed(case.run.trace), bound.catalogue) for event in case.events)
    run = case.run
    view = RunView(
        id=run.id,
        project=run.project,
        generation=run.generation,
        agent=bound.name,
        agent_version=bound.version,
        request="",
        status=run.status,  # type: ignore[arg-type]  # it was one of them
        created_at=run.created_at,
        deadline=run.deadline,
        store=run.store,
        trace=run.trace,
        ended_at=run.ended_at,
        ending=case.ending.sealed(run.trace),
        usage=case.cost.usage,
        cost_usd=case.cost.cost_usd,
        calls=case.cost.calls,
        attempts=case.cost.attempts,
    )
    return Story(events[-1], events, view)  # type: ignore[arg-type]  # the last event is the ending
