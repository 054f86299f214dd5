"""A dead letter with everything it carries, for people and for machines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

import orjson
from rich.console import Group, RenderableType
from rich.text import Text
from rich.tree import Tree

from agent.letters import Letter, LetterStory
from cli.plain import text

DATA_CHARS = 2_000
LINE_CHARS = 400
RAW_BYTES = 1_024
"""How much of the raw bytes a terminal gets to see; `--json` holds all of them."""
ROW = 16

Row = Mapping[str, Any]


def as_values(told: LetterStory) -> dict[str, Any]:
    """All of it, for JSON: what is JSON in the ledger stands as objects, the raw bytes in hexadecimal."""
    return {
        **asdict(told.letter),
        "body": opened(told.body),
        "history": opened(told.history),
        "raw": None if told.raw is None else told.raw.hex(),
    }


def tell(told: LetterStory) -> RenderableType:
    """All of it, for a terminal of any width; nothing of it can do anything there."""
    return Group(*_head(told.letter), *_body(told.body), *_history(told.history), *_raw(told.raw))


def opened(value: str) -> Any:
    """JSON as what it says; text that is none as it is."""
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return value


def _head(letter: Letter) -> Iterator[Text]:
    settled = f"{letter.settled_as or 'settled'} by {letter.settled_by}" if letter.settled_at else "open"
    yield Text("  ").join([text(letter.id, "bold"), text(settled, "green" if letter.settled_at else "yellow")])
    yield text(f"{letter.kind}: {letter.reason}", "red", LINE_CHARS)
    whose = f"run {letter.run}, generation {letter.generation}, event {letter.seq}" if letter.run else "no run"
    tried = f", attempt {letter.attempt}" if letter.attempt else ""
    made = f", agent {letter.agent}" if letter.agent else ""
    yield text(f"{whose}, route {letter.route}{tried}{made}, set aside {letter.created_at:%Y-%m-%d %H:%M:%S}", "dim")


def _body(body: str) -> Iterator[Text]:
    told = opened(body)
    event = told.get("event") if isinstance(told, dict) else None
    if not isinstance(event, dict):
        yield Text("held: ", "dim") + text(body, "", DATA_CHARS)
        return
    yield Text("event: ", "dim") + text(f"{event.get('type')} v{event.get('version')}", "bold")
    yield text(event.get("data"), "", DATA_CHARS)
    rest = "  ".join(f"{name}={value}" for name, value in told.items() if name != "event" and value)
    yield text(rest, "dim", LINE_CHARS)


def _history(history: str) -> Iterator[RenderableType]:
    told = opened(history)
    if not isinstance(told, dict) or not told.get("attempts"):
        return
    tree = Tree(Text("attempts", "dim"), guide_style="dim")
    for attempt in told["attempts"]:
        node = tree.add(_attempt(attempt))
        for call in told.get("calls", ()):
            if call.get("token") == attempt.get("token"):
                node.add(_call(call))
    yield tree


def _attempt(row: Row) -> Text:
    place = f"{row.get('seq')} {row.get('route')}"
    tried = f"attempt {row.get('attempt')}, delivery {row.get('delivery')}"
    facts = [place, tried, _took(row), row.get("outcome") or "no outcome", row.get("worker") or ""]
    return text("  ".join(map(str, facts)), "yellow") + _error(row)


def _took(row: Row) -> str:
    try:
        began, ended = (datetime.fromisoformat(row[name]) for name in ("began_at", "ended_at"))
    except (KeyError, TypeError, ValueError):
        return "not ended"
    return f"{(ended - began).total_seconds() * 1000:.0f} ms"


def _call(row: Row) -> Text:
    facts = [row.get("type"), row.get("status")]
    if row.get("model"):
        facts.append(f"{row['model']}@{row.get('endpoint')}")
    if row.get("type") == "call_model":
        facts.append(f"{row.get('input_tokens')}+{row.get('output_tokens')} tokens")
        facts += ["cost unknown" if row.get("cost_usd") is None else f"{row['cost_usd']} USD"]
    if row.get("duration_ms") is not None:
        facts.append(f"{row['duration_ms']:.0f} ms")
    return text("  ".join(map(str, facts)), "", LINE_CHARS) + _error(row)


def _error(row: Row) -> Text:
    if not row.get("error_kind"):
        return Text()
    return Text("\n") + text(f"{row['error_kind']}: {row.get('error') or '-'}", "red", LINE_CHARS)


def _raw(raw: bytes | None) -> Iterator[Text]:
    if raw is None:
        return
    yield text(f"raw: {len(raw)} bytes", "dim")
    yield from dump(raw[:RAW_BYTES])
    if len(raw) > RAW_BYTES:
        yield text(f"and {len(raw) - RAW_BYTES} more: --json has them all", "dim")


def dump(raw: bytes) -> Iterable[Text]:
    """Offset, bytes and letters, sixteen to a line."""
    for start in range(0, len(raw), ROW):
        part = raw[start : start + ROW]
        seen = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        yield Text(f"{start:06x}  {part.hex(' '):<{ROW * 3 - 1}}  {seen}")
