"""`cuelight retention`: what is no longer kept is removed. The jobs process does it by itself again and again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer
from rich.console import Console

from agent.adapters.embedded import EngineUrls
from agent.settings import Settings
from cli import loop, machine
from cli.bulk import hand_over
from cli.find import DataDir, engines_for, settings_for
from cli.logs import configure
from cli.operating import operating
from cli.plain import text

console = Console(highlight=False)


def retention(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell how much there is.")] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Do not wait for its end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Remove now what is kept no longer, as a job."""
    settings = settings_for(data_dir)
    configure(settings, "retention")
    with engines_for(settings) as urls:
        expired = loop.run(_expired(settings, urls))
        if not dry_run:
            hand_over(settings, urls, "retention", "{}", sum(expired.values()), detach=detach, as_json=as_json)
    if as_json:
        machine.tell({"dry_run": True, "expired": expired})
        return
    for what, count in expired.items():
        console.print(text(f"{what:<14}{count:>9}  older than {settings.keep()[what] / 86_400:g} days"))


async def _expired(settings: Settings, urls: EngineUrls) -> Mapping[str, int]:
    async with operating(settings, urls) as it:
        return await it.retention.expired(settings.keep())
