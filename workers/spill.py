"""Finished work that the ledger could not take, kept on this machine's disk until it can.

A worker writes a file when the ledger is away at the moment of a commit, and removes it once the ledger has it. What
a dead worker left behind is brought to the ledger by the next one on the same directory. Twice is harmless: the fence
lets an outcome in once, and a call is one row however often it is written.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import psutil
import structlog
from pydantic import TypeAdapter, ValidationError

from agent.effects import read_effect
from agent.events import Usage
from agent.outcome import Outcome
from agent.ports import Begun, Call

log = structlog.get_logger(__name__)

FORMAT = 1
MOST_BYTES = 256_000_000
"""Beyond this, finished work is held in memory only: a full disk would do more harm."""

_BEGUN = TypeAdapter(Begun)
_OUTCOME: TypeAdapter[Outcome | None] = TypeAdapter(Outcome | None)
_ANY: TypeAdapter[Any] = TypeAdapter(Any)


@dataclass(frozen=True, slots=True)
class Spilled:
    """What a file holds. `outcome` is None where only the calls of a delivery were to be recorded."""

    path: Path
    begun: Begun
    outcome: Outcome | None


class Spill:
    """The spill files of one directory; those of this process and of others that live are left alone by `orphans`."""

    def __init__(self, directory: Path, most_bytes: int = MOST_BYTES) -> None:
        self._directory = directory
        self._most_bytes = most_bytes
        self._numbers = count(1)

    def keep(self, begun: Begun, outcome: Outcome | None) -> Path | None:
        """Write a finished delivery to disk, readable by this user only; None where that is not possible."""
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._bytes() > self._most_bytes:
                raise OSError(f"{self._directory} holds more than {self._most_bytes} bytes already")
            # A file of its own each time: calls of tools that end at once are kept from several threads.
            what = f"{next(self._numbers)}-{'outcome' if outcome else 'calls'}"
            path = self._directory / f"{_owner()}-{begun.token}-{what}.json"
            _write(path, dump(begun, outcome))
            return path
        except OSError as error:
            log.error("not_spilled", run=begun.pointer.run, error=str(error))
            return None

    def of_others(self) -> bool:
        """Whether another process has left anything here: cheap enough to be asked before every delivery."""
        try:
            with os.scandir(self._directory) as found:
                return any(it.name.endswith(".json") and not it.name.startswith(f"{_owner()}-") for it in found)
        except OSError:
            return False  # there is none yet, or `keep` and `orphans` say what is wrong with it

    def orphans(self) -> Sequence[Spilled]:
        """What dead processes left here, oldest first. A file that cannot be read is set aside and named in the log."""
        found = sorted(self._directory.glob("*.json"), key=lambda path: _told(path).st_mtime)
        return [spilled for path in found if not _alive(path) and (spilled := _read(path)) is not None]

    def _bytes(self) -> int:
        return sum(_told(path).st_size for path in self._directory.iterdir())


def dump(begun: Begun, outcome: Outcome | None) -> bytes:
    """A finished delivery as JSON: as much of it as the ledger needs to settle it."""
    settled = replace(begun, events=begun.events[-1:], answers={}, request="", calls=[])
    return orjson.dumps(
        {
            "format": FORMAT,
            "begun": orjson.Fragment(_BEGUN.dump_json(settled)),
            "outcome": orjson.Fragment(_OUTCOME.dump_json(outcome)),
            "calls": [_ANY.dump_python(_call_out(call), mode="json") for call in begun.calls],
        }
    )


def load(text: bytes) -> tuple[Begun, Outcome | None]:
    """What `dump` wrote. Raises `ValueError` if it is anything else."""
    try:
        told = orjson.loads(text)
        if told["format"] != FORMAT:
            raise ValueError(f"format {told['format']} is not known to this release")
        begun = _BEGUN.validate_python(told["begun"])
        begun.calls.extend(_call_in(call) for call in told["calls"])
        return begun, _OUTCOME.validate_python(told["outcome"])
    except (KeyError, TypeError, ValidationError) as error:
        raise ValueError(f"no spilled delivery: {type(error).__name__}: {error}") from error


def _call_out(call: Call) -> dict[str, Any]:
    told = {field.name: getattr(call, field.name) for field in fields(call)}
    return told | {"effect": call.effect.canonical().decode()}


def _call_in(told: Mapping[str, Any]) -> Call:
    prices = {name: None if told[name] is None else Decimal(told[name]) for name in ("worst_case_usd", "cost_usd")}
    values = {"effect": read_effect(told["effect"]), "usage": Usage.model_validate(told["usage"]), **prices}
    return Call(**{**told, **values})


def _read(path: Path) -> Spilled | None:
    try:
        return Spilled(path, *load(path.read_bytes()))
    except FileNotFoundError:
        return None  # its owner, or another heir, was quicker
    except (OSError, ValueError) as error:
        log.error("spill_unreadable", path=str(path), error=str(error)[:300])
        path.rename(path.with_suffix(".unreadable"))
        return None


def _write(path: Path, text: bytes) -> None:
    new = path.with_suffix(".new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.rename(path)


def _told(path: Path) -> os.stat_result:
    """What is told of a file; of one that another worker has removed at this very moment, that it is old and empty."""
    try:
        return path.stat()
    except FileNotFoundError:
        return os.stat_result((0,) * 10)


@cache
def _owner() -> str:
    """This process, told apart from a later one with the same number by when it was started."""
    return f"{os.getpid()}-{int(psutil.Process().create_time() * 1000)}"


def _alive(path: Path) -> bool:
    number, started, *_ = path.name.split("-")
    try:
        return int(psutil.Process(int(number)).create_time() * 1000) == int(started)
    except (psutil.Error, ValueError):
        return False
