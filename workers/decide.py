"""From an open attempt to its outcome: read the run, find its step, take it, and turn every failure into an outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

import orjson
import structlog
from pydantic import ValidationError

from agent.definition import BoundAgent
from agent.effects import Ask
from agent.envelope import seal, unseal
from agent.errors import Gone, Misconfigured, Permanent, Undecodable, Unfamiliar, Unroutable
from agent.events import Ending, Event
from agent.outcome import Advance, Bury, Outcome, Postpone, RetryPolicy, failure_of, given_up
from agent.ports import Archive, Begun, Ledger
from agent.prompting import Prompt, PromptBook
from agent.request import Request
from agent.run import Run
from workers.pacing import Pacing
from workers.perform import Perform, Recording, paced
from workers.spending import within_budget
from workers.watch import Watch, Watched

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Decider:
    """What a worker knows: its agents, its doors to the world, and what to do about failures."""

    agents: Mapping[str, BoundAgent]
    perform: Perform
    ledger: Ledger
    book: PromptBook
    archive: Archive
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    watch: Watch = field(default_factory=Watch)
    pacing: Pacing = field(default_factory=Pacing)
    max_deliveries: int = 8

    async def __call__(self, begun: Begun) -> Outcome:
        """What becomes of the attempt. Raises nothing but cancellation."""
        if begun.remaining_s <= 0:  # a step that never waits would outrun the limit
            return _late(begun)
        limit = asyncio.timeout(begun.remaining_s)
        watched = Watched(begun, limit)
        try:
            async with limit:
                with self.watch.over(watched):
                    return await self._go_on(begun)
        except Exception as error:
            if watched.gone or isinstance(error, Gone):
                return GONE
            if isinstance(error, TimeoutError) and limit.expired():
                return _late(begun)
            outcome = self._settle(begun, error)
            level = log.exception if not hasattr(error, "kind") else log.warning
            level("attempt_failed", outcome=type(outcome).__name__.lower(), error=f"{type(error).__name__}: {error}")
            return outcome

    async def _go_on(self, begun: Begun) -> Outcome:
        if begun.deliveries > self.max_deliveries:
            raise Permanent(f"handed out {begun.deliveries} times without an outcome", kind="deliveries")
        agent = self._agent(begun)
        run = read(begun, agent)
        await self._fetch_prompts(run)
        event = run.events[-1]
        events = await agent.router.route(event).step(event, run, self._ask(begun, agent))
        self.pacing.saw(run, event, events)
        route = agent.router.next(events)
        check_known(events, agent)
        sealed = tuple(seal(new, agent=agent.id, prompts=begun.prompts, trace=begun.trace) for new in events)
        return Advance(sealed, route, _status(events[-1]), events[-1].rest_s)

    def _settle(self, begun: Begun, error: Exception) -> Postpone | Bury:
        outcome = self.policy.settle(begun.pointer.attempt, error, chance(begun), begun.number)
        agent, failures = self.agents.get(begun.agent), begun.failures + 1
        if isinstance(outcome, Postpone) and outcome.counted and agent and failures >= agent.agent.budget.failures:
            return given_up(outcome, failures)
        return outcome

    def _agent(self, begun: Begun) -> BoundAgent:
        try:
            return self.agents[begun.agent]
        except KeyError:
            raise Unfamiliar(f"agent {begun.agent!r} is not configured in this worker") from None

    def _ask(self, begun: Begun, agent: BoundAgent) -> Ask:
        ask = paced(self.perform.bind(begun), self.pacing, begun)
        careful = within_budget(ask, self.perform, begun, agent.agent.budget)
        return Recording(careful, self.perform, begun, self.ledger, self.pacing)

    async def _fetch_prompts(self, run: Run) -> None:
        """Bring the prompt versions that this run started with, wherever they have gone since."""
        for name, version in run.prompts.items():
            if not self.book.has(name, version):
                kept = await self.archive.kept_prompt(name, version)
                if kept is None:
                    raise Unfamiliar(f"{self.book.missing(name, version)}; nor is it in the archive")
                self.book.add(archived(name, version, kept))


GONE = Postpone(0.0, "gone", "the run ended or went on while it was worked on", counted=False)
"""The ledger takes the bills and refuses the rest. A run that is still there, out of time, is looked at once more."""


def read(begun: Begun, agent: BoundAgent) -> Run:
    """The run so far. Raises `Undecodable` or `Unfamiliar`."""
    if not begun.events:
        raise Undecodable("the run has no event")
    try:
        request = Request.model_validate_json(begun.request)
    except ValidationError as error:
        raise Undecodable(f"the request of the run cannot be read: {error.error_count()} problems") from error
    return Run(
        id=begun.pointer.run,
        generation=begun.pointer.generation,
        project=begun.pointer.project,
        agent=begun.agent,
        request=request,
        deadline=begun.deadline,
        prompts=begun.prompts,
        events=tuple(unseal(envelope.sealed, agent.catalogue) for envelope in begun.events),
        spent_usd=begun.spent_usd,
        trace=begun.trace,
    )


def archived(name: str, version: str, kept: str) -> Prompt:
    """A prompt as it was kept. Raises `Undecodable` if it is not the one that its row is called after."""
    try:
        prompt = Prompt.from_sources(orjson.loads(kept), where=f"archived prompt {name}@{version}")
    except (ValueError, Misconfigured) as error:
        raise Undecodable(f"the archive's prompt {name}@{version} cannot be read: {error}") from error
    if (prompt.name, prompt.version) != (name, version):
        raise Undecodable(f"the archive's prompt {name}@{version} is {prompt.id}: it was changed there")
    return prompt


def check_known(events: Sequence[Event], agent: BoundAgent) -> None:
    """Raises `Unroutable` for an event that no later step could read."""
    for event in events:
        if agent.catalogue.get(event.type) is not type(event):
            raise Unroutable(f"agent {agent.name!r} does not know {event.type!r}: name it where it is produced")


def chance(begun: Begun) -> float:
    """A number in [0, 1) for the jitter of this delivery: spread over runs, and the same when it is asked again.

    An attempt that is not used up comes again under its own number, and must not meet the same company each time.
    """
    pointer = begun.pointer
    digest = sha256(f"{pointer.key}/{pointer.attempt}/{begun.number}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def _status(event: Event) -> str:
    return event.status if isinstance(event, Ending) else "in_progress"


def _late(begun: Begun) -> Outcome:
    """An ending and no dead letter, as where the relay finds the run overdue: no operator can bring time back."""
    failure = failure_of("deadline_exceeded")
    sealed = seal(failure, agent=begun.agent_id, prompts=begun.prompts, trace=begun.trace)
    return Advance((sealed,), None, failure.status)
