"""A case, out of the rows that a ledger holds of a run. Rows are named as the columns of the real ledger are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import takewhile
from typing import Any

import orjson

from agent.cases.case import (
    Account,
    Asked,
    Attempt,
    Case,
    Cost,
    Happened,
    Ran,
    Refused,
    Row,
    Written,
    opened,
)
from agent.effects import CallModel
from agent.events import Usage
from agent.faults import Fault


class Unexportable(ValueError):
    """The run cannot be a case; the message is one sentence that says why."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Everything that a ledger holds of a run, of all its generations, each kind oldest first.

    `sources` are the files of the prompts that it began with, as JSON, by name and version.
    """

    run: Row
    events: Sequence[Row]
    attempts: Sequence[Row]
    calls: Sequence[Row]
    sources: Mapping[tuple[str, str], str] = field(default_factory=dict)


def made(
    rows: Rows, generation: int | None = None, *, spec: str = "", models: Sequence[str] = (), whole: bool = True
) -> Case:
    """The case of a generation of a run; of its newest by default. `spec` and `models` are its agent's, where known.

    Raises `Unexportable`; unless it is to be `whole`, not for a run that goes on.
    """
    number = rows.run["generation"] if generation is None else generation
    if whole:
        check(rows.run, number)
    events = [row for row in rows.events if row["generation"] == number]
    if not events:
        raise Unexportable(f"{rows.run['id']} has no generation {number}")
    began_with = _began_with(rows.events, events, number)
    calls = [row for row in rows.calls if row["generation"] == number]
    attempts = [_attempt(row, calls) for row in rows.attempts if row["generation"] == number]
    prompts: dict[str, str] = orjson.loads(rows.run["prompts"])
    return Case(
        run=_ran(rows.run, number, events, began_with),
        agent=Account(
            spec=spec,
            name=rows.run["agent"],
            version=rows.run["agent_version"],
            models=tuple(models) or models_of(attempts),
        ),
        prompts=prompts,
        sources={f"{name}@{version}": orjson.loads(text) for (name, version), text in sorted(rows.sources.items())},
        request=opened(rows.run["request"]),
        events=tuple(map(_happened, events)),
        attempts=tuple(attempts),
        earlier=tuple(_asked(row, placed=True) for row in _elsewhere(rows, number)),
        cost=_cost(rows, number),
    )


def stamped(case: Case, release: str, at: datetime) -> Case:
    """With who wrote it, and when."""
    return case.model_copy(update={"written": Written(release=release, at=at, redacted=case.written.redacted)})


def check(run: Row, generation: int | None = None) -> None:
    """Raises `Unexportable` for a run that has not ended, or whose texts are gone or are to go."""
    name = run["id"]
    if run["purged_at"] is not None:
        raise Unexportable(f"{name} cannot be exported: its texts were removed from the ledger")
    if run.get("purge_asked_at") is not None:
        raise Unexportable(f"{name} cannot be exported: it was deleted, and its texts are about to be removed")
    if not run.get("store", True):
        raise Unexportable(
            f"{name} cannot be exported: it was asked for with `store: false`, so nothing of it may stay"
        )
    if run["status"] == "in_progress" and generation in (None, run["generation"]):
        raise Unexportable(f"{name} cannot be exported: it has not ended")


def models_of(attempts: Iterable[Attempt]) -> tuple[str, ...]:
    """The models that were asked, in the order in which they were wanted first."""
    wanted: dict[str, None] = {}
    for attempt in attempts:
        wanted |= dict.fromkeys(it.model for it in attempt.refused if it.model)
        wanted |= dict.fromkeys(it.effect["model"] for it in attempt.asked if it.type == CallModel.type)  # type: ignore[index]
    return tuple(wanted)


def _elsewhere(rows: Rows, generation: int) -> Iterator[Row]:
    """Calls of earlier generations, and of attempts whose own row a crash of the database took."""
    known = {row["token"] for row in rows.attempts}
    for row in rows.calls:
        if row["generation"] < generation or (row["generation"] == generation and row["token"] not in known):
            yield row


def _ran(run: Row, generation: int, events: Sequence[Row], began_with: int) -> Ran:
    newest = generation == run["generation"]
    began_at = run["created_at"] if generation == 1 else (run["reopened_at"] if newest else None)
    return Ran(
        id=run["id"],
        project=run["project_id"],
        generation=generation,
        began_with=began_with,
        status=run["status"] if newest else "failed",  # nothing but a failed generation is followed by another
        store=run.get("store", True),
        trace=run["trace"],
        created_at=run["created_at"],
        began_at=began_at or events[min(began_with, len(events) - 1)]["at"],
        deadline=run["deadline"] if newest else max(run["deadline"], events[-1]["at"]),
        ended_at=run["ended_at"] if newest else events[-1]["at"],
    )


def _began_with(all_events: Sequence[Row], mine: Sequence[Row], generation: int) -> int:
    """A later generation begins with copies of the events of the one before, which happened when they did."""
    before = [row for row in all_events if row["generation"] == generation - 1]
    same = ("at", "type", "data")
    pairs = takewhile(lambda pair: all(pair[0][it] == pair[1][it] for it in same), zip(mine, before, strict=False))
    return max(1, len(list(pairs)))


def _happened(row: Row) -> Happened:
    names = ("seq", "type", "version", "at", "agent", "prompt")
    return Happened(data=opened(row["data"]), **{name: row[name] for name in names})


ATTEMPT = ("seq", "route", "attempt", "delivery", "begins", "began_at", "ended_at", "outcome", "settled")
ERRORS = ("error_kind", "error", "delay_s")


def _attempt(row: Row, calls: Iterable[Row]) -> Attempt:
    return Attempt(
        **{name: row.get(name) for name in ATTEMPT + ERRORS},
        asked=tuple(_asked(call) for call in calls if call["token"] == row["token"]),
        refused=tuple(_refused(it) for it in orjson.loads(row.get("refusals") or "[]")),
    )


CALL = ("status", "model", "endpoint", "worst_case_usd", "cost_usd", "duration_ms", "asked_at", "ended_at")


def _asked(row: Row, *, placed: bool = False) -> Asked:
    place = {"generation": row["generation"], "seq": row["seq"]} if placed else {}
    return Asked(
        hash=row["effect_hash"],
        occurrence=row["occurrence"],
        effect=opened(row["effect"]),
        answer=None if row["answer"] is None else opened(row["answer"]),
        fault=_fault(row),
        usage=Usage(**{name: row.get(name, 0) for name in Usage.model_fields}),
        **{name: row.get(name) for name in CALL},
        **place,
    )


def _fault(row: Row) -> Fault | None:
    """Releases that kept less wrote no `fault`: of theirs, what the retries of that release made of it is enough."""
    if row["error_kind"] is None:
        return None
    told: dict[str, Any] = orjson.loads(row.get("fault") or "{}")
    wait_s = told.get("wait_s")
    error = told.get("error", "Transient")
    return Fault(error=error, kind=row["error_kind"], message=row["error"] or "", wait_s=wait_s)


def _refused(told: Row) -> Refused:
    fault = Fault(error=told["error"], kind=told["kind"], message=told["message"], wait_s=told["wait_s"])
    return Refused(
        hash=told["effect_hash"],
        occurrence=told["occurrence"],
        type=told["effect_type"],
        model=told["model"],
        fault=fault,
    )


def _cost(rows: Rows, generation: int) -> Cost:
    calls = [row for row in rows.calls if row["generation"] <= generation]
    attempts = [row for row in rows.attempts if row["generation"] == generation]
    costs = [row["cost_usd"] for row in calls if row["effect_type"] == CallModel.type or row["cost_usd"] is not None]
    return Cost(
        usage=Usage(**{name: sum(row.get(name, 0) for row in calls) for name in Usage.model_fields}),
        cost_usd=None if None in costs else sum(costs, start=0),
        calls=sum(row["effect_type"] == CallModel.type for row in calls),
        attempts=len(attempts),
    )
