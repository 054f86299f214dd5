"""A toy agent of four steps, and short ways to write runs, deliveries and calls."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from hashlib import sha256
from itertools import count

from agent.effects import CallModel
from agent.envelope import Sealed, index, seal, unseal
from agent.events import CATALOGUE, Ending, Event, Usage
from agent.outcome import Advance, Outcome, Postpone
from agent.ports import DEFAULT_PROJECT, Begun, Call, CallStatus, Delivery, NewRun, OnceKey, Pointer
from agent.request import Message, Request
from tests.contract.backends import Store

_numbers = count(1)


class Counted(Event):
    """So far."""

    type = "toy.counted"
    total: int


class Noted(Event):
    """A fact that no step takes."""

    type = "toy.noted"
    word: str


class Finished(Ending):
    """The toy's answer."""

    type = "toy.finished"
    total: int


TYPES = index((*CATALOGUE, Counted, Noted, Finished))
ROUTES = ("first", "second", "third", "fourth")


PROMPTS = {"answer": "1.0.0+ab12cd34"}


def new_run(
    name: str = "resp_1",
    *,
    start: int = 7,
    deadline_s: float = 100_000.0,
    once: OnceKey | None = None,
    fingerprint: bytes | None = None,
    holder: str | None = None,
    **changes: str,
) -> NewRun:
    """A run of the toy agent."""
    request = Request(messages=(Message(role="user", content=f"count from {start}"),))
    return NewRun(
        id=name,
        project=changes.get("project", DEFAULT_PROJECT),
        agent="toy",
        agent_version=changes.get("agent_version", "1.0.0+ab12cd34"),
        prompts=PROMPTS,
        request=changes.get("request", request.model_dump_json()),
        store=True,
        first=seal(Counted(total=start), agent="toy@1.0.0+ab12cd34", prompts=PROMPTS, trace="00-trace"),
        route=ROUTES[0],
        deadline_s=deadline_s,
        trace="00-trace",
        once=once,
        fingerprint=fingerprint,
        holder=holder,
    )


def delivered(pointer: Pointer, worker: str = "tester") -> Delivery:
    """A delivery that came from no stream."""
    return Delivery(pointer, "1-0", worker)


def advance(total: int = 1, route: str = ROUTES[1]) -> Advance:
    """One step further."""
    return Advance((seal(Counted(total=total)),), route)


def finish(total: int = 1) -> Advance:
    """The end of a run."""
    return Advance((seal(Finished(total=total)),), None, "completed")


def model_call(
    question: str = "how many?",
    status: CallStatus = "answered",
    *,
    answer: str | None = None,
    occurrence: int = 0,
    cost_usd: str | None = "0.25",
) -> Call:
    """A call of a model that used 10 tokens in and 5 out, if anything came of it."""
    effect = CallModel(model="m", prompt="p@1", messages=(Message(role="user", content=question),), max_output_tokens=9)
    asked = status == "asked"
    return Call(
        id=f"call_{next(_numbers)}",
        effect=effect,
        hash=effect.hash(),
        occurrence=occurrence,
        worst_case_usd=Decimal("2.5"),
        status=status,
        answer=answer,
        error_kind="transport" if status == "failed" else None,
        usage=Usage() if asked else Usage(input_tokens=10, output_tokens=5),
        cost_usd=None if asked or cost_usd is None else Decimal(cost_usd),
    )


def answered(call: Call, answer: str) -> Call:
    """What came of a call that was `asked`."""
    call.status, call.answer, call.cost_usd = "answered", answer, Decimal("0.25")
    call.usage = Usage(input_tokens=10, output_tokens=5)
    return call


async def decide(begun: Begun) -> Outcome:
    """The toy's four steps: some note a fact on the way, and about every third has to be tried twice."""
    chance = sha256(str(begun.pointer.key).encode()).digest()[0]
    if chance % 3 == 0 and begun.pointer.attempt == 1:
        return Postpone(5.0 + chance, "transport", "the toy stumbled", counted=True)
    newest = unseal(begun.events[-1].sealed, TYPES)
    assert isinstance(newest, Counted)
    total = (newest.total * 31 + chance) % 100_003
    step = ROUTES.index(begun.pointer.route) + 1
    if step == len(ROUTES):
        return finish(total)
    noted: Sequence[Sealed] = (seal(Noted(word="odd")),) if chance % 2 else ()
    return Advance((*noted, seal(Counted(total=total))), ROUTES[step])


async def opened(store: Store, new: NewRun) -> Pointer:
    """Where a run stands that was opened just now."""
    await store.ledger.open(new)
    return new.pointer


async def begun(store: Store, pointer: Pointer, worker: str = "tester") -> Begun:
    """An attempt at work that must be there."""
    found = await store.ledger.begin(delivered(pointer, worker))
    assert found is not None, f"{pointer} should be there to begin"
    return found


async def standing(store: Store, run: str = "resp_1") -> Pointer:
    """Where a run stands that must be open."""
    work = await store.work(run)
    assert work is not None, f"{run} should be open"
    return work.pointer
