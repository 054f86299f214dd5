"""Where the machine writes down what it saw and did: one JSON line each, one file a subject, in one directory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

Record = Mapping[str, Any]


class Notebook:
    """Lines are on disk at once: a machine that dies leaves what it knew."""

    def __init__(self, home: Path) -> None:
        self.home = home
        home.mkdir(parents=True, exist_ok=True)
        self._open: dict[str, IO[str]] = {}

    def note(self, subject: str, **record: Any) -> None:
        """One more line about a subject."""
        file = self._open.get(subject)
        if file is None:
            file = self._open[subject] = (self.home / f"{subject}.jsonl").open("w", buffering=1)
        file.write(json.dumps(record, default=str) + "\n")

    def note_all(self, subject: str, records: Iterable[Record]) -> None:
        for record in records:
            self.note(subject, **record)

    def close(self) -> None:
        for file in self._open.values():
            file.close()
        self._open.clear()


def read(home: Path, subject: str) -> Iterator[dict[str, Any]]:
    """The lines about a subject, oldest first; none if nobody wrote any."""
    path = home / f"{subject}.jsonl"
    if path.exists():
        with path.open() as file:
            yield from map(json.loads, file)
