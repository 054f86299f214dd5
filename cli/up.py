"""`cuelight up`: everything on one machine, started, watched and stopped together."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated

import typer
from rich.console import Console

from agent.adapters.embedded import Engines, EngineUrls, made
from agent.adapters.embedded.child import launcher
from agent.adapters.probe import probe_database, probe_redis
from agent.errors import Misconfigured
from agent.settings import Settings
from agent.wiring import cast
from api.network import is_exposed, lock, unlocked
from cli import loop
from cli.find import DataDir, given, leave_word, settings_for
from cli.granting import access
from cli.ingest import Reading, ingest_into, refuse_missing
from cli.logs import configure

console = Console(highlight=False, stderr=True)

RESTARTS = 5
"""A child or an engine that dies more often within a minute takes everything down: no restart will mend that."""
STABLE_S = 60.0


def up(
    host: Annotated[str | None, typer.Option(help="Address to listen on; loopback by default.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 for any free one.", min=0, max=65535)] = None,
    data_dir: DataDir = None,
    documents: Annotated[
        list[Path] | None, typer.Option(help="File or folder to answer from; may be repeated.")
    ] = None,
) -> None:
    """Start the engines, migrate, ingest, and serve, until Ctrl-C."""
    chosen = {"host": host, "port": port}
    settings = settings_for(data_dir).model_copy(update={k: v for k, v in chosen.items() if v is not None})
    configure(settings, "up")
    # What can be refused is refused before anything is started.
    _refuse_exposed(settings)
    company = cast(settings)
    refuse_missing(documents or ())
    stop = _stop_on_signals()
    with Engines(settings.data_dir, **given(settings)) as engines:
        loop.run(_prepare(settings, engines.urls))
        with _children(settings, engines.urls) as children:
            if documents:
                ingest_into(settings, engines.urls, Reading(documents))
            _banner(settings, company.offline, sorted(company.agents))
            if url := children.wait(stop, engines):
                print(f"ready: {url}", flush=True)  # noqa: T201  # scripts wait for this line
                with leave_word(settings, url):
                    children.watch(stop, engines)


def _refuse_exposed(settings: Settings) -> None:
    """Raises `Misconfigured` where strangers could reach a service whose ledger cannot have a key yet."""
    new = not settings.database_url and not made(settings.data_dir)
    if new and is_exposed(settings) and settings.bootstrap_key is None:
        raise unlocked(settings)


async def _prepare(settings: Settings, urls: EngineUrls) -> None:
    await probe_database(urls.database_url)
    await probe_redis(urls.redis_url)
    async with access(urls, make=True) as keys:
        await lock(settings, keys)


def _banner(settings: Settings, offline: bool, agents: Sequence[str]) -> None:
    console.print(f"[bold]Cuelight[/bold]  agents: {', '.join(agents)}  data: {settings.data_dir}")
    if offline:
        console.print(
            "[yellow]No model endpoint is configured: the built-in offline model answers.[/yellow] It quotes sentences "
            "of your documents. Set CUELIGHT_MODEL_BASE_URL, CUELIGHT_MODEL_API_KEY and CUELIGHT_MODELS for a real one."
        )


def _stop_on_signals() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop


class Children:
    """The API, the worker and the jobs as processes of their own; what dies is started again, an engine too."""

    def __init__(self, settings: Settings, urls: EngineUrls) -> None:
        self._environment = _environment(settings, urls)
        self._commands = {
            "worker": ["worker"],
            "jobs": ["jobs", "run"],
            "api": ["api", "--host", settings.host, "--port", str(settings.port)],
        }
        self._running: dict[str, subprocess.Popen[str]] = {}
        self._deaths: dict[str, list[float]] = {}
        self._ready: dict[str, str] = {}

    def start(self) -> None:
        for role in self._commands:
            self._start(role)

    def wait(self, stop: threading.Event, engines: Engines) -> str | None:
        """The URL at which requests are answered from now on; None if told to stop first. Raises `Misconfigured`."""
        while not stop.wait(0.02):
            if len(self._ready) == len(self._commands):
                return self._ready["api"]
            self._look(engines, serving=False)
        return None

    def watch(self, stop: threading.Event, engines: Engines) -> None:
        """Keep the children running until told to stop. Raises `Misconfigured`."""
        while not stop.wait(0.5):
            self._look(engines, serving=True)

    def stop(self) -> None:
        """Ask all to drain, and wait for them."""
        for child in self._running.values():
            child.terminate()
        for child in self._running.values():
            child.wait()

    def _start(self, role: str) -> None:
        command = [*launcher(signal.SIGTERM), sys.executable, "-P", "-m", "cli.main", *self._commands[role]]
        child = subprocess.Popen(
            command, env=self._environment, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        self._running[role] = child
        threading.Thread(target=self._listen, args=(role, child.stdout), daemon=True).start()

    def _listen(self, role: str, output: IO[str] | None) -> None:
        for line in output or ():
            if line.startswith("ready: "):
                self._ready[role] = line.removeprefix("ready: ").strip()

    def _look(self, engines: Engines, *, serving: bool) -> None:
        if not serving and (failed := engines.failed()):
            raise Misconfigured(failed)
        for name, reason in engines.mend().items():
            self._count_death(name, reason)
            console.print(f"{name} died and is started again: {reason}", markup=False)
        for role, child in list(self._running.items()):
            if child.poll() is None:
                continue
            told = f"the {role} stopped with exit code {child.returncode}; its last words are above"
            if not serving or child.returncode == 3:
                raise Misconfigured(told)
            self._count_death(role, told)
            console.print(f"the {role} died (exit code {child.returncode}); starting it again")
            self._start(role)

    def _count_death(self, name: str, told: str) -> None:
        """Raises `Misconfigured` if it dies too often."""
        now = time.monotonic()
        self._deaths[name] = [at for at in self._deaths.get(name, ()) if now - at < STABLE_S] + [now]
        if len(self._deaths[name]) > RESTARTS:
            raise Misconfigured(f"{told}\n{name} died {len(self._deaths[name])} times within {STABLE_S:.0f} s")


@contextmanager
def _children(settings: Settings, urls: EngineUrls) -> Iterator[Children]:
    children = Children(settings, urls)
    try:
        children.start()
        yield children
    finally:
        children.stop()


def _environment(settings: Settings, urls: EngineUrls) -> dict[str, str]:
    return {
        **os.environ,
        "PROMETHEUS_MULTIPROC_DIR": str(_shared_figures(settings.data_dir)),
        "CUELIGHT_DATABASE_URL": urls.database_url,
        "CUELIGHT_REDIS_URL": urls.redis_url,
        "CUELIGHT_DATA_DIR": str(settings.data_dir),
    }


def _shared_figures(data_dir: Path) -> Path:
    """An empty directory in which the children keep their figures, so that the API's `/metrics` tells of all."""
    directory = data_dir.absolute() / "metrics"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return directory
