"""`cuelight fake-model`: an endpoint that answers what a script says."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from cli import loop


def fake_model(
    port: Annotated[int, typer.Option(help="Port to listen on; 0 for any free one.", min=0, max=65535)] = 0,
    script: Annotated[Path | None, typer.Option(help="YAML or JSON: what to answer, and how to misbehave.")] = None,
) -> None:
    """Serve a scripted model, until Ctrl-C. See docs/fake-model.md."""
    from agent.testing.fake_model import Script
    from agent.testing.fake_model.server import serve

    lines = Script() if script is None else Script.load(script)

    async def main(stop: asyncio.Event) -> None:
        serving = asyncio.create_task(serve(lines, port=port, ready=_say_ready))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if stop.is_set():
            serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving

    loop.run_until_stopped(main)


def _say_ready(port: int) -> None:
    print(f"ready: http://127.0.0.1:{port}", flush=True)  # noqa: T201  # scripts wait for this line
