"""The format of a case. Its fields are data: none is ever renamed, and a new one has a default."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

import orjson
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, field_validator

from agent.envelope import Sealed
from agent.errors import Held
from agent.events import Usage
from agent.faults import Fault
from agent.outcome import BUDGET

FORMAT = 1
LONGEST_S = 1e9

Moment = Annotated[AwareDatetime, Field(ge=datetime(1970, 1, 1, tzinfo=UTC), lt=datetime(3000, 1, 1, tzinfo=UTC))]
"""A file may come from anybody: with these times and durations one can calculate."""

Json = dict[str, Any] | str
"""Recorded JSON as an object, in its own order; as the text that it was where an object would not give it back."""


def opened(text: str) -> Json:
    """Recorded JSON for people to read. `closed` gives the very same text back."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    return value if isinstance(value, dict) and orjson.dumps(value).decode() == text else text


def closed(value: Json) -> str:
    """The text that `opened` was given."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


class Part(BaseModel):
    """A part of a case. What a newer writer of the same format added is passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Written(Part):
    """How the file came about. `redacted` names what was replaced by pseudonyms, kind by kind, with how many."""

    release: str = ""
    at: Moment | None = None
    redacted: dict[str, int] = Field(default_factory=dict)


class Ran(Part):
    """The run. `began_with` is the seq of the event that this generation began with: 1 unless it is a replay."""

    id: str
    project: str = "default"
    generation: int = 1
    began_with: int = 1
    status: str
    store: bool = True
    trace: str = ""
    created_at: Moment
    began_at: Moment
    """When this generation was opened."""
    deadline: Moment
    ended_at: Moment | None = None


class Account(Part):
    """Which agent took the run. `spec` is `module:attribute`, empty where nobody knew; `models` is its chain."""

    spec: str = ""
    name: str
    version: str
    models: tuple[str, ...] = ()


def _can_be_waited(fault: Fault) -> Fault:
    if fault.wait_s is not None and not 0 <= fault.wait_s <= LONGEST_S:
        raise ValueError("nobody can wait so long")
    return fault


Met = Annotated[Fault, AfterValidator(_can_be_waited)]


class Happened(Part):
    """An event, as it was written."""

    seq: int
    type: str
    version: int = 1
    at: Moment
    agent: str = ""
    prompt: str = ""
    data: Json

    @property
    def text(self) -> str:
        """Its data, byte for byte."""
        return closed(self.data)

    def sealed(self, trace: str = "") -> Sealed:
        return Sealed(self.type, self.version, self.text, self.agent, self.prompt, trace)


class Asked(Part):
    """A question to the world and what came of it: `answer`, or `fault`, or neither where nobody knows.

    `effect` is its canonical form, `hash` that form's SHA-256. `occurrence` counts the same question within one
    attempt, from 0. Questions that were asked outside the attempts of this generation say where (`generation`, `seq`).
    """

    hash: str
    occurrence: int = 0
    status: str
    effect: Json
    answer: Json | None = None
    fault: Met | None = None
    model: str = ""
    endpoint: str = ""
    worst_case_usd: Decimal | None = None
    cost_usd: Decimal | None = None
    usage: Usage = Usage()
    duration_ms: float | None = None
    asked_at: Moment | None = None
    ended_at: Moment | None = None
    generation: int | None = None
    seq: int | None = None

    @property
    def type(self) -> str:
        """Of the effect."""
        return str(self.effect.get("type", "")) if isinstance(self.effect, dict) else ""

    @property
    def made(self) -> bool:
        """Whether the world was asked: a budget or a hold may have stood before it."""
        return self.fault is None or (self.fault.kind != BUDGET and self.fault.error != Held.__name__)


class Refused(Part):
    """A call that was wanted and not made: its model was on hold."""

    hash: str
    occurrence: int = 0
    type: str = ""
    model: str = ""
    fault: Met


class Attempt(Part):
    """One delivery that a worker opened. `outcome` is None where it never ended: its worker died."""

    seq: int
    route: str
    attempt: int
    delivery: int = 1
    begins: int | None = None
    began_at: Moment
    ended_at: Moment | None = None
    outcome: str | None = None
    settled: bool | None = None
    """Whether the outcome was taken; another delivery may have been first."""
    error_kind: str | None = None
    error: str | None = None
    delay_s: float | None = Field(default=None, ge=-LONGEST_S, le=LONGEST_S)
    asked: tuple[Asked, ...] = ()
    refused: tuple[Refused, ...] = ()

    @property
    def counts(self) -> bool:
        """Whether the run went on by it."""
        return self.settled is True and self.outcome not in (None, "handed_back")


class Cost(Part):
    """What the calls came to, those of generations before too; `cost_usd` is None where a price was not known."""

    usage: Usage = Usage()
    cost_usd: Decimal | None = None
    calls: int = 0
    """Of models."""
    attempts: int = 0
    """Of this generation."""


class Case(Part):
    """A run that ended: everything that it takes to run it again without a model, an engine or a key."""

    cuelight_case: int = FORMAT
    written: Written = Written()
    note: str = ""
    """What a person says of it."""
    run: Ran
    agent: Account
    prompts: dict[str, str] = Field(default_factory=dict)
    """The version of each prompt that the run began with, by name."""
    sources: dict[str, dict[str, str]] = Field(default_factory=dict)
    """The files of each of these prompts, whole: by `name@version`, then by file name."""
    request: Json
    events: tuple[Happened, ...] = Field(min_length=1)
    attempts: tuple[Attempt, ...] = ()
    earlier: tuple[Asked, ...] = ()
    """What generations before this one had asked, and attempts whose row is lost: it is not paid for again."""
    cost: Cost = Cost()

    @field_validator("events")
    @classmethod
    def _one_after_another(cls, events: tuple[Happened, ...]) -> tuple[Happened, ...]:
        if [event.seq for event in events] != list(range(1, len(events) + 1)):
            raise ValueError("the events are not numbered 1, 2, 3 …")
        return events

    @property
    def ending(self) -> Happened:
        return self.events[-1]

    @property
    def end(self) -> str:
        """How it ended, in a word: the code of its failure, or its status."""
        data = self.ending.data
        return str((data.get("code") if isinstance(data, dict) else None) or self.run.status)

    def happened(self, type: str) -> Sequence[Happened]:
        """The events of a type, oldest first."""
        return [event for event in self.events if event.type == type]

    def asked(self) -> Sequence[Asked]:
        """Everything that was asked in this generation, in the order of its attempts."""
        return [asked for attempt in self.attempts for asked in attempt.asked]

    def answered(self) -> Mapping[tuple[str, int], Asked]:
        """Every question that was answered, by hash and occurrence, whichever attempt asked it; the first one wins."""
        found: dict[tuple[str, int], Asked] = {}
        for asked in (*self.earlier, *self.asked()):
            if asked.answer is not None:
                found.setdefault((asked.hash, asked.occurrence), asked)
        return found


Row = Mapping[str, Any]
