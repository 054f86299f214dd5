"""`cuelight fake-model`: an endpoint that answers what a script says, or what a trace does."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import loop
from cli.exits import Exit, leave
from cli.plain import plain

if TYPE_CHECKING:
    from agent.testing.fake_model import Script, Trace

SHOWN = 10
MOST_CHARS = 1_000


def fake_model(
    port: Annotated[int, typer.Option(help="Port to listen on; 0 for any free one.", min=0, max=65535)] = 0,
    script: Annotated[Path | None, typer.Option(help="YAML or JSON: what to answer, and how to misbehave.")] = None,
    trace: Annotated[
        Path | None, typer.Option(help="JSON lines: what each call got. Fails at the end if it was not followed.")
    ] = None,
) -> None:
    """Serve a scripted model, until Ctrl-C. See docs/fake-model.md and docs/traces.md."""
    from agent.testing.fake_model.server import serve

    told, ports, report = _told(script, trace), list[int](), dict[str, Any]()

    def ready(bound: int) -> None:
        ports.append(bound)
        print(f"ready: http://127.0.0.1:{bound}", flush=True)  # noqa: T201  # scripts wait for this line

    async def main(stop: asyncio.Event) -> None:
        serving = asyncio.create_task(serve(told, port=port, ready=ready))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if stop.is_set():
            report.update(await _followed(ports) if trace is not None else {})
            serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving

    loop.run_until_stopped(main)
    _tell(report)


def _told(script: Path | None, trace: Path | None) -> Script | Trace:
    from agent.testing.fake_model import Script, Trace

    if script is not None and trace is not None:
        leave(Exit.USAGE, "either --script or --trace: a script answers whoever asks, a trace those calls alone")
    if trace is not None:
        return Trace.load(trace)
    return Script() if script is None else Script.load(script)


async def _followed(ports: list[int]) -> dict[str, Any]:
    from agent.testing.fake_model import FakeModel

    return await FakeModel.at(ports[0]).followed() if ports else {}


def _tell(report: dict[str, Any]) -> None:
    """Leaves if a trace was not followed."""
    if not report or not (report["off_trace_count"] or report["unserved"]):
        return
    told = [f"the trace was not followed; calls off it: {report['off_trace_count']}"]
    told += [f"  {plain(it['told'], MOST_CHARS)}" for it in report["off_trace"][:SHOWN]]
    if report["unserved"]:
        told.append(f"  lines left: {', '.join(map(str, report['unserved'][: SHOWN * SHOWN]))}")
    leave(Exit.FAILED, "\n".join(told))
