"""What was learned of endpoints from their refusals, kept for an hour: here, and where all workers find it.

An endpoint that was made to take more is found again once that hour is over. What one schema was refused says nothing
about another one, so the rung is kept for each.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace
from hashlib import sha256
from typing import Any, get_args

import orjson

from agent.adapters.model.forms import Rung, rung_of, schema_of
from agent.adapters.model.ladder import Limit, Shape, first_shape
from agent.adapters.model.wire import Choosing
from agent.effects import CallModel
from agent.errors import Transient
from agent.ports import Notes
from agent.settings import EndpointSettings

LEARNED_S = 3600.0
LOOKED_S = 60.0
"""After so long it is looked what others have learned."""
MOST_KEPT = 2_000
FORMAT = 1
"""Counted up when what is written changes: releases that run beside each other do not read each other's then."""
LIMITS, CHOOSING, RUNGS = get_args(Limit), get_args(Choosing), get_args(Rung)


class Learned:
    """What is known of an endpoint's models. Without `notes` it is this process' own."""

    def __init__(
        self, settings: EndpointSettings, notes: Notes | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._first = first_shape(settings.structured)
        self._where = sha256(settings.base_url.encode()).hexdigest()[:8]
        self._name = settings.name
        self._notes = notes
        self._clock = clock
        self._kept: dict[str, tuple[float, float, dict[str, Any]]] = {}

    async def shape(self, effect: CallModel) -> Shape:
        """What to begin a call with."""
        known = await self._read(self._place(effect.model))
        rung = await self._read(self._place(effect.model, effect)) if self._has_rung(effect) else {}
        return _read_shape(self._first, {**known, **rung})

    async def learn(self, effect: CallModel, known: Shape, taken: Shape) -> None:
        """Keep what was taken after `known` was refused."""
        if _without_rung(taken) != _without_rung(known):
            await self._write(self._place(effect.model), _without_rung(taken))
        if taken.rung != known.rung and self._has_rung(effect):
            await self._write(self._place(effect.model, effect), {"rung": taken.rung})

    def _has_rung(self, effect: CallModel) -> bool:
        return self._first.steps_down and rung_of(effect, self._first.rung) != "none"

    def _place(self, model: str, effect: CallModel | None = None) -> str:
        form = "" if effect is None else sha256(f"{effect.form.type}:{schema_of(effect)}".encode()).hexdigest()[:16]
        return orjson.dumps([FORMAT, self._name, self._where, model, form]).decode()

    async def _read(self, place: str) -> dict[str, Any]:
        now = self._clock()
        gone, look, found = self._kept.get(place, (now, now, {}))
        if now >= gone:
            found = {}
        if now >= look and self._notes is not None:
            with suppress(Transient):  # without the others' notes it is found out once more
                found = _object(await self._notes.read(place)) or found
            self._keep(place, max(gone, now + LOOKED_S), now + LOOKED_S, found)
        return found

    async def _write(self, place: str, found: dict[str, Any]) -> None:
        now = self._clock()
        self._keep(place, now + LEARNED_S, now + LOOKED_S, found)
        if self._notes is not None:
            with suppress(Transient):
                await self._notes.write(place, orjson.dumps(found).decode(), LEARNED_S)

    def _keep(self, place: str, gone: float, look: float, found: dict[str, Any]) -> None:
        self._kept.pop(place, None)
        self._kept[place] = (gone, look, found)
        if len(self._kept) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]


def _without_rung(shape: Shape) -> dict[str, Any]:
    told = asdict(replace(shape, without=frozenset()))
    return {**{name: told[name] for name in _KINDS}, "without": sorted(shape.without)}


_KINDS = {"limit": str, "temperature": bool, "choosing": str, "strict": bool, "parallel": bool}


def _object(text: str | None) -> dict[str, Any]:
    try:
        found = orjson.loads(text or "{}")
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _read_shape(first: Shape, found: dict[str, Any]) -> Shape:
    """Notes that say what no release of ours writes are passed over: others may write into the store."""
    told: dict[str, Any] = {name: found[name] for name, kind in _KINDS.items() if isinstance(found.get(name), kind)}
    if told.get("limit", first.limit) not in LIMITS or told.get("choosing", first.choosing) not in CHOOSING:
        return first
    if found.get("rung") in RUNGS and first.steps_down:
        told["rung"] = found["rung"]
    without = found.get("without", [])
    if isinstance(without, list) and all(isinstance(name, str) for name in without):
        told["without"] = frozenset(without)
    return replace(first, **told)
