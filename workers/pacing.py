"""A worker's side of pacing: a turn for each paid call, a copy of the holds, and routes that wait for their models.

While the store is away a worker goes by what it knows itself: calls are made, and only the pauses that it was told of
are kept. The store is no truth; it saves calls that would be turned away.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import structlog
from pydantic import BaseModel

from agent.effects import CallModel, ModelAnswer
from agent.errors import AgentError, Gone, Held, Overloaded, Permanent, Transient
from agent.events import AnswerAccepted, AnswerDrafted, DraftRejected, Event, Usage
from agent.failures import FINAL, UNBILLED, follows
from agent.pacing import LEASE_S, SHORT_S, Board, Came, Hold, Pacer, Paid, Target, Turn, Wanted, judged_by
from agent.ports import Begun, Call
from agent.run import Run
from agent.telemetry import metrics

log = structlog.get_logger(__name__)

WITHIN_S = 0.5
"""A store that takes longer to answer is as good as away."""
AWAY_S = 1.0
"""How long a store that did not answer is left alone."""
LOOK_S = 1.0
"""How long a hold, or its end, may go unseen where the message that told of it was lost."""
MOST_WAIT_S = 8.0
"""The longest that a run waits before it asks again whether a place is free."""
ASK_AGAIN_S = 5.0
"""A longer hold is asked about so often: an operator may end it, or it may have been forgotten."""
KNOCK_S = 2.0
"""So often a route whose models are all on hold takes what its slots hold all the same: then that work has on record
why it waits, and nobody takes the route for one that has no workers."""


@dataclass(slots=True)
class Pacing:
    """Gives turns. Without a pacer every call has its turn, and only this process' own pauses are kept."""

    pacer: Pacer | None = None
    board: Board = field(default_factory=Board)
    models: Mapping[str, Paid] = field(default_factory=dict)
    """Every model that is paid for, by its name."""
    clock: Callable[[], float] = time.monotonic
    _turns: dict[str, Turn] = field(default_factory=dict)
    _settling: set[asyncio.Task[None]] = field(default_factory=set)
    _names: dict[tuple[str, str], str] = field(default_factory=dict)
    _away_until: float = 0.0

    @asynccontextmanager
    async def turn(self, begun: Begun, call: Call) -> AsyncIterator[None]:
        """Around a call, from before it goes on record to after it ended.

        Raises `Held` where the model is on hold, or `Permanent` (`quota`) where no waiting would help: then nothing was
        done, and nothing need be put on record.
        """
        if (wanted := self._wanted(begun, call)) is None:
            yield
            return
        turn = await self._enter(wanted, begun.number)
        kind, wait_s = "unmade", None
        try:
            yield
            kind = "ok"
        except AgentError as error:
            kind = "unmade" if isinstance(error, Gone | Held) or error.kind == "budget" else error.kind
            wait_s = error.retry_after_s if isinstance(error, Overloaded) else None
            raise
        except BaseException:
            kind = "unknown" if call.intended else "unmade"
            raise
        finally:
            self._settle(wanted, turn, _came(call, kind, wait_s))

    def check(self, effect: CallModel, begun: Begun) -> None:
        """Look once more right before the call is made: it may have been on its way to the ledger for a while.

        Raises as `turn`.
        """
        paid = self.models.get(effect.model)
        who = judged_by(begun.agent, begun.pointer.project)
        hold = self.board.held(paid.target, who) if paid else None
        if hold is not None and not hold.probing:
            refusal = _refusal(hold, 0)
            refusal.usage, refusal.cost_usd = Usage(), Decimal(0)
            raise refusal

    def saw(self, run: Run, event: Event, events: Sequence[Event]) -> None:
        """A step has judged a draft, perhaps: its verdict counts for its model, for this agent and project.

        A form or a function that a client brought says nothing about the model when the draft does not fit it.
        """
        valid = next((isinstance(it, AnswerAccepted) for it in events if isinstance(it, VERDICTS)), None)
        if not isinstance(event, AnswerDrafted) or valid is None or self.pacer is None:
            return
        own = run.request.text.format.type == "text" and not run.request.tools
        if own and (target := self._writer(event)):
            self._later(self.pacer.judge(target, judged_by(run.agent, run.project), valid))

    def answered(self, model: str, answer: BaseModel) -> None:
        """A model has answered, under whatever name its endpoint gives it."""
        if isinstance(answer, ModelAnswer) and model != answer.model and model in self.models:
            self._names[answer.endpoint, answer.model] = model

    def _writer(self, event: AnswerDrafted) -> Target | None:
        """Who wrote a draft. Endpoints report names of their own, which another worker may have met and we have not."""
        name = self._names.get((event.endpoint, event.model), event.model)
        here = {it.target.model: it.target for it in self.models.values() if it.target.endpoint == event.endpoint}
        return here.get(name) or (next(iter(here.values())) if len(here) == 1 else None)

    def waiting(self, models: Iterable[str]) -> bool:
        """Whether all of these models are on hold, for every agent, and will be free by themselves."""
        found = [self.models.get(model) for model in models]
        holds = [self.board.held(paid.target) if paid else None for paid in found]
        return bool(holds) and all(hold is not None and hold.kind not in FINAL for hold in holds)

    async def run(self, stop: asyncio.Event) -> None:
        """Keep the copy of the holds fresh, and the places of calls under way, until told to stop."""
        if self.pacer is None or not self.models:
            return
        chores = [asyncio.create_task(chore(self.pacer)) for chore in (self._listen, self._look, self._renew)]
        try:
            await stop.wait()
        finally:
            for chore in chores:
                chore.cancel()
            await asyncio.gather(*chores, return_exceptions=True)
            await self.drain()

    async def drain(self) -> None:
        """Wait until what was to be settled has been, or could not be."""
        while self._settling:
            await asyncio.wait(set(self._settling))

    def _wanted(self, begun: Begun, call: Call) -> Wanted | None:
        paid = self.models.get(call.model)
        if paid is None or not isinstance(call.effect, CallModel):
            return None
        tokens = 0
        if paid.allowance.tokens_per_min is not None:
            tokens = call.effect.prompt_tokens() + call.effect.max_output_tokens
        return Wanted(
            paid.target,
            judged_by(begun.agent, begun.pointer.project),
            call.id,
            tokens,
            call.worst_case_usd,
            paid.allowance,
        )

    async def _enter(self, wanted: Wanted, tries: int) -> Turn | None:
        given = self.board.held(wanted.target, wanted.agent) or await self._asked(wanted)
        if isinstance(given, Hold):
            self.board.extend(replace(given, wait_s=None))  # the others have to ask for times of their own
            metrics.CALLS_HELD.labels(wanted.target.model, wanted.target.endpoint, given.kind).inc()
            raise _refusal(given, tries)
        if given is not None:
            self._turns[wanted.call] = given
        return given

    async def _asked(self, wanted: Wanted) -> Turn | Hold | None:
        """None if the store is away."""
        if self.pacer is None or self.clock() < self._away_until:
            return None
        try:
            async with asyncio.timeout(WITHIN_S):
                return await self.pacer.reserve(wanted)
        except (Transient, TimeoutError) as error:
            self._away(error)
            return None

    def _settle(self, wanted: Wanted, turn: Turn | None, came: Came) -> None:
        self._turns.pop(wanted.call, None)
        if came.wait_s is not None and follows(came.kind).pauses:
            told = Hold(wanted.target, came.kind, came.wait_s)
            _log(told, self.board.held(wanted.target))
            self.board.extend(told)
        if self.pacer is not None:
            self._later(self.pacer.settle(turn or Turn(wanted, 0), came))

    def _later(self, telling: Coroutine[Any, Any, None]) -> None:
        """Nobody waits for it: the answer goes on its way."""
        if self.clock() < self._away_until:
            telling.close()
            return
        task = asyncio.create_task(self._told(telling))
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)

    async def _told(self, telling: Coroutine[Any, Any, None]) -> None:
        try:
            async with asyncio.timeout(WITHIN_S):
                await telling
        except (Transient, TimeoutError) as error:
            self._away(error)

    def _away(self, error: Exception) -> None:
        if self.clock() >= self._away_until:
            log.warning("pacing_away", error=f"{type(error).__name__}: {error}")
        self._away_until = self.clock() + AWAY_S

    async def _listen(self, pacer: Pacer) -> None:
        while True:
            try:
                async for hold in pacer.heard():
                    self._hear(hold)
            except Transient as error:
                log.debug("holds_unheard", error=str(error))
            await asyncio.sleep(AWAY_S)

    def _hear(self, hold: Hold) -> None:
        _log(hold, self.board.held(hold.target, hold.agent))
        self.board.put(hold)

    async def _look(self, pacer: Pacer) -> None:
        """A message may be lost. What was heard while the look was under way is newer than it, and is heard again."""
        targets = sorted({paid.target for paid in self.models.values()})
        while True:
            try:
                self.board.replace(await pacer.holds(targets))
            except Transient as error:
                log.debug("holds_unread", error=str(error))
            await asyncio.sleep(LOOK_S)

    async def _renew(self, pacer: Pacer) -> None:
        while True:
            await asyncio.sleep(LEASE_S / 3)
            try:
                await pacer.renew(tuple(self._turns.values()))
            except Transient as error:
                log.warning("places_not_renewed", error=str(error))


VERDICTS = (AnswerAccepted, DraftRejected)


class Knocking:
    """Whether a route should be left unread: while its models are on hold, but for a knock every two seconds."""

    def __init__(self, waiting: Callable[[], bool], clock: Callable[[], float] = time.monotonic) -> None:
        self._waiting = waiting
        self._clock = clock
        self._knocked = 0.0

    def __call__(self) -> bool:
        now = self._clock()
        if not self._waiting():
            self._knocked = now
            return False
        if now - self._knocked < KNOCK_S:
            return True
        self._knocked = now
        return False


def _log(hold: Hold, known: Hold | None) -> None:
    """What begins or ends, and not what goes on: a pause is told by each call that it meets."""
    if (known is None) is (hold.left_s <= 0) or hold.probing:
        return
    told: dict[str, Any] = {"model": hold.target.model, "endpoint": hold.target.endpoint}
    if hold.agent:
        told["agent"] = hold.agent
    if hold.left_s > 0:
        log.warning("model_held", kind=hold.kind, seconds=round(hold.left_s, 1), **told)
    else:
        log.info("model_free", **told)


def _came(call: Call, kind: str, wait_s: float | None) -> Came:
    """What nobody told stays reserved, unless nobody bills it."""
    tokens = call.usage.input_tokens + call.usage.output_tokens
    if kind in UNBILLED:
        return Came(kind, tokens, call.cost_usd or Decimal(0), wait_s)
    return Came(kind, tokens or None, call.cost_usd, wait_s)


def _refusal(hold: Hold, tries: int) -> Held | Permanent:
    """What the step is told. Who waits for others' calls to end asks less often the more often it asked in vain."""
    message = f"the model {hold.target.model!r} is on hold for {hold.left_s:.1f} s: {hold.kind}"
    if hold.kind in FINAL:
        return Permanent(message, kind="quota")
    if hold.probing:
        wait_s = min(SHORT_S * 2 ** min(tries, 5), MOST_WAIT_S)
    else:
        wait_s = min(hold.left_s, ASK_AGAIN_S) if hold.wait_s is None else hold.wait_s
    return Held(message, wait_s=wait_s, kind=hold.kind)
