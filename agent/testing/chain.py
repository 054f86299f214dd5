"""A whole chain in memory: a question in, the ending and its story out, without an engine and without waiting."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import Protocol, cast

from agent.approvals import Decided, Decision
from agent.cases import Case, made
from agent.definition import Agent, BoundAgent
from agent.envelope import seal, unseal
from agent.events import Ending, Event, RequestReceived
from agent.ports import DEFAULT_PROJECT, Delivery, Ledger, NewRun, RunView, Streams, Unreadable
from agent.prompting import PromptBook
from agent.request import Message, Request
from agent.testing.approvals import MemoryApprovals
from agent.testing.cases import case_rows
from agent.testing.memory import MemoryLedger
from agent.testing.script import Script, Unscripted
from agent.testing.streams import MemoryStreams

BATCH = 100


class Handle(Protocol):
    """What a worker does with one delivery: `functools.partial(workers.handle.handle, decide=...)` is one."""

    async def __call__(self, delivery: Delivery, /, *, ledger: Ledger, streams: Streams) -> None: ...


@dataclass(frozen=True, slots=True)
class Story:
    """What became of a run: its events, oldest first, and what the door shows of it."""

    ending: Ending
    events: tuple[Event, ...]
    """The ending is the last of them."""
    view: RunView


class Chain:
    """Takes an agent's runs through `handle` to their endings.

    Due times are reached by turning the held clock, never by waiting. The ledger and the streams are in memory and
    open to tests, like the clock (`ledger.clock`). `decision` is made wherever calls of tools wait for an approval;
    where there is none, nobody approves anything in time.
    """

    def __init__(
        self,
        agent: BoundAgent,
        handle: Handle,
        decision: Decision | None = None,
        prompts: PromptBook | None = None,
    ) -> None:
        self.agent = agent
        self.prompts = prompts or PromptBook()
        self._decision = decision
        self.ledger = MemoryLedger()
        self.streams = MemoryStreams()
        self._handle = handle
        self._numbers = count(1)

    @classmethod
    def of(
        cls, agent: Agent, script: Script, *, prompts: PromptBook | None = None, approve: bool | None = None
    ) -> Chain:
        """The chain of an agent, whose questions to the world the script answers: see `agent.testing.rehearsal`."""
        from agent.testing.rehearsal import rehearse  # it brings a worker's own code, and this class

        return rehearse(agent, script, prompts=prompts, approve=approve)

    async def ask(self, question: str) -> Story:
        """Open a run with one question and take it to its ending. Raises as `run` does."""
        __tracebackhide__ = True
        return await self.run(Request(messages=(Message(role="user", content=question),)))

    async def run(self, request: Request) -> Story:
        """Open a run with a request and take it to its ending.

        Raises:
            RuntimeError: the run came to no ending: `handle` lost an outcome, or let the deadline pass.
            Unscripted: a step asked what the script does not know.
        """
        __tracebackhide__ = True
        new = self._new(request)
        return await self.go_on(await self.ledger.open(new))

    async def go_on(self, run: str) -> Story:
        """Take a run that was opened, or opened again, to its ending. Raises as `run` does."""
        __tracebackhide__ = True
        try:
            while run in self.ledger.work:
                await self._deliver_all()
                if not await self._decided(run):
                    self._turn_clock(run)
        except Unscripted as error:  # it says it all: which part of the chain asked tells nobody more
            raise error.with_traceback(None) from None
        view = cast(RunView, await self.ledger.view(run, self.ledger.runs[run].new.project))
        happened = await self.ledger.happened(run, view.generation)
        events = tuple(unseal(envelope.sealed, self.agent.catalogue) for envelope in happened)
        return Story(cast(Ending, events[-1]), events, view)

    def case(self, story: Story) -> Case:
        """The run as a case, as `cuelight export` writes it. Raises `Unexportable`."""
        rows = case_rows(self.ledger, story.view.id, self.prompts)
        assert rows is not None  # noqa: S101  # it has a story
        return made(rows, models=self.agent.models)

    def _new(self, request: Request) -> NewRun:
        return NewRun(
            id=f"resp_{next(self._numbers):032d}",
            project=DEFAULT_PROJECT,
            agent=self.agent.name,
            agent_version=self.agent.version,
            prompts=self.agent.prompts,
            request=request.model_dump_json(),
            store=request.store,
            first=seal(RequestReceived(agent=self.agent.name), agent=self.agent.id, prompts=self.agent.prompts),
            route=self.agent.first_route,
            deadline_s=self.agent.agent.budget.deadline_s,
        )

    async def _deliver_all(self) -> None:
        """Publish what is due and stands in no stream, then hand out entries until none are left."""
        for pointer in self.ledger.due():
            if self.ledger.work[pointer.run].entry is None:
                await self.ledger.published({pointer: await self.streams.publish(pointer)})
        while routes := self.streams.waiting():
            for route in routes:
                for delivery in self.streams.read(route, BATCH, "chain"):
                    await self._deliver(delivery)

    async def _deliver(self, delivery: Delivery | Unreadable) -> None:
        if isinstance(delivery, Unreadable):
            await self.ledger.bury_unreadable(delivery)
            await self.streams.ack(delivery)
        else:
            await self._handle(delivery, ledger=self.ledger, streams=self.streams)

    async def _decided(self, run: str) -> bool:
        """Whether the run goes on because somebody has decided what it waited for."""
        if self._decision is None:
            return False
        return await MemoryApprovals(self.ledger).decide(run, None, self._decision) is Decided.DONE

    def _turn_clock(self, run: str) -> None:
        work = self.ledger.work.get(run)
        if work is None:
            return
        now = self.ledger.clock.now()
        lost = work.entry is not None and work.due_at <= now
        if lost or now > self.ledger.runs[run].deadline:
            raise RuntimeError(f"run {run} came to no ending: it stands at {work.pointer}")
        self.ledger.clock.advance_to(work.due_at)
