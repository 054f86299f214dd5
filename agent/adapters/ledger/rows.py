"""Values of the core as columns of the ledger: each function gives the arrays that one statement takes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson

from agent.envelope import Envelope, Key, Sealed, scrub, seal
from agent.outcome import Advance, Bury, Outcome, Postpone
from agent.ports import Begun, Call, NewRun, Pointer, Unreadable

Columns = list[list[Any]]


def columns(rows: Iterable[Sequence[Any]], width: int) -> Columns:
    """Rows turned into one array per column; `width` empty ones if there are no rows."""
    turned = [list(column) for column in zip(*rows, strict=True)]
    return turned or [[] for _ in range(width)]


@dataclass(frozen=True, slots=True)
class Note:
    """A line of the audit about a run: who did what to it."""

    actor: str
    action: str
    detail: str


@dataclass(slots=True)
class Settlement:
    """What an outcome writes: where the work row goes, the events after it, the run's result, its dead letter."""

    begun: Begun
    outcome: Outcome
    calls: Sequence[Call]
    note: Note | None = None
    """The line of the audit that stands there if this outcome counts, and only then."""
    events: Sequence[Sealed] = field(init=False)

    def __post_init__(self) -> None:
        match self.outcome:
            case Advance(events=events):
                self.events = events
            case Bury(failure=failure):
                begun = self.begun
                self.events = (seal(failure, agent=begun.agent_id, prompts=begun.prompts, trace=begun.trace),)
            case Postpone():
                self.events = ()

    @property
    def key(self) -> Key:
        return self.begun.pointer.key

    @property
    def answers(self) -> bool:
        """Whether the run ends as its step wanted; a buried one ends too."""
        return isinstance(self.outcome, Advance) and self.outcome.route is None

    def size(self) -> int:
        return sum(len(event.data) for event in self.events) + sum(call_size(call) for call in self.calls)

    def fence_row(self) -> tuple[Any, ...]:
        pointer, outcome = self.begun.pointer, self.outcome
        key = (pointer.run, pointer.generation, pointer.seq, pointer.attempt)
        refused = refusals_of(self.begun)
        match outcome:
            case Advance(events=events, route=route, delay_s=delay_s):
                move = (pointer.seq + len(events), route, 1, delay_s)
                return (*key, *move, self.begun.token, "advance", None, None, self.begun.number, refused)
            case Postpone(delay_s=delay_s, kind=kind, reason=reason, counted=counted):
                move = (pointer.seq, pointer.route, pointer.attempt + counted, delay_s)
                word = "postpone" if counted else "park"
                return (*key, *move, self.begun.token, word, kind, scrub(reason), self.begun.number, refused)
            case Bury(kind=kind, reason=reason):
                end = (pointer.seq + 1, None, 1, 0.0)
                return (*key, *end, self.begun.token, "bury", kind, scrub(reason), self.begun.number, refused)

    def event_rows(self) -> Iterable[tuple[Any, ...]]:
        run, generation, seq = self.key
        for number, event in enumerate(self.events, seq + 1):
            yield (
                run,
                generation,
                number,
                event.type,
                event.version,
                event.data,
                event.agent,
                event.prompt,
                event.trace,
            )

    def end_row(self) -> tuple[Any, ...]:
        last = self.events[-1]
        status = self.outcome.status if isinstance(self.outcome, Advance) else "failed"
        return (self.key.run, status, last.type, last.version, last.data)

    def note_row(self, note: Note) -> tuple[str, ...]:
        said = (self.begun.pointer.project, note.actor, note.action, self.key.run, note.detail)
        return (audit_id(), *map(scrub, said))

    def dead_row(self, outcome: Bury) -> tuple[Any, ...]:
        pointer, newest = self.begun.pointer, self.begun.events[-1].sealed if self.begun.events else None
        story = {
            "event": {"type": newest.type, "version": newest.version, "data": newest.data} if newest else None,
            "worker": self.begun.delivery.worker,
            "entry": self.begun.delivery.entry,
            "deliveries": self.begun.deliveries,
            "trace": pointer.trace,
        }
        body = scrub(orjson.dumps(story, default=str).decode())
        key = (pointer.run, pointer.generation, pointer.seq)
        return (str(pointer.key), *key, pointer.route, pointer.attempt, outcome.kind, scrub(outcome.reason), body, None)


def event_origin(event: Sealed) -> tuple[str, str, str]:
    return (event.agent, event.prompt, event.trace)


def unreadable_row(unreadable: Unreadable) -> tuple[Any, ...]:
    name = f"{unreadable.route}/{unreadable.entry}"
    story = (scrub(unreadable.reason), unreadable.readable(), unreadable.raw())
    return (name, None, None, None, unreadable.route, None, "unreadable", *story)


def open_row(new: NewRun) -> tuple[Any, ...]:
    prompts = orjson.dumps(dict(new.prompts)).decode()
    run = (
        new.id,
        new.project,
        new.agent,
        new.agent_version,
        prompts,
        new.request,
        new.store,
        new.deadline_s,
        new.trace,
    )
    first = (new.first.type, new.first.version, new.first.data, new.first.agent)
    return (*run, new.route, *first, new.fingerprint, new.holder, new.key, new.first.prompt, new.bulk)


def key_row(new: NewRun) -> tuple[str, str, str, bytes, float]:
    """Raises `ValueError` if the run has no key."""
    if new.once is None:
        raise ValueError(f"{new.id} has no idempotency key")
    return (new.project, new.once.key, new.id, new.once.body_hash, new.once.lives_s)


def call_row(begun: Begun, call: Call) -> tuple[Any, ...]:
    usage, error = call.usage, None if call.error is None else scrub(call.error)
    return (
        *(call.id, begun.token, *begun.pointer.key),
        *(call.effect.type, call.hash, call.occurrence, scrub(call.effect.canonical().decode()), call.status),
        *(call.model, call.endpoint, call.prompt, call.prompt_hash, call.worst_case_usd),
        *(None if call.answer is None else scrub(call.answer), call.error_kind, error),
        *(usage.input_tokens, usage.cached_tokens, usage.output_tokens, usage.reasoning_tokens),
        *(call.cost_usd, call.duration_ms, begun.pointer.attempt, begun.number, call.fault),
    )


def refusals_of(begun: Begun) -> str | None:
    """The calls that were not made, as JSON; None if there were none."""
    told = [asdict(it) for it in begun.refusals]
    return scrub(orjson.dumps(told).decode()) if told else None


def call_size(call: Call) -> int:
    return len(call.answer or "") + 4_000


def held_row(begun: Begun) -> tuple[Any, ...]:
    return (*begun.pointer.key, begun.pointer.attempt, begun.number, begun.token)


def published_row(pointer: Pointer, entry: str) -> tuple[Any, ...]:
    return (pointer.run, pointer.generation, pointer.seq, pointer.attempt, entry)


def envelope(run: str, generation: int, event: Any) -> Envelope:
    """An event, out of its columns from `seq` on."""
    seq, type_, version, data, agent, prompt, trace, at = tuple(event)
    return Envelope(Key(run, generation, seq), Sealed(type_, version, data, agent, prompt, trace), at)


def audit_id() -> str:
    """The id of a new line of the audit."""
    return f"audit_{os.urandom(16).hex()}"
