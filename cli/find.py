"""How every command finds the engines: by the URL settings, by a service that runs, or by starting them itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from agent.adapters.embedded import Engines, EngineUrls, made, running
from agent.errors import Misconfigured
from agent.settings import Settings, load

DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Where the embedded engines live. Default: .cuelight, or CUELIGHT_DATA_DIR."),
]


URL_FILE = "url"


def settings_for(data_dir: Path | None) -> Settings:
    """The settings of this process, with the option given on the command line. Raises `Misconfigured`."""
    settings = load()
    return settings if data_dir is None else settings.model_copy(update={"data_dir": data_dir})


@contextmanager
def engines_for(settings: Settings, *, make: bool = False) -> Iterator[EngineUrls]:
    """The engines' URLs. Embedded engines that nobody runs are started for as long as this lasts.

    Raises `Misconfigured` if there never were any in the data directory, unless they are to be made: a directory that
    was mistyped should not become a ledger.
    """
    found = attached(settings)
    if found is not None:
        yield found
        return
    if not (make or settings.database_url or made(settings.data_dir)):
        raise Misconfigured(
            f"there is no ledger in {settings.data_dir}: start `cuelight up`, or choose another --data-dir"
        )
    with Engines(settings.data_dir, **given(settings)) as engines:
        yield engines.urls


def attached(settings: Settings) -> EngineUrls | None:
    """The engines that run already, by the settings or by the data directory; None if one of them does not."""
    urls = given(settings)
    if urls["database_url"] and urls["redis_url"]:
        return EngineUrls(urls["database_url"], urls["redis_url"])
    found = running(settings.data_dir)
    if found is None:
        return None
    return EngineUrls(urls["database_url"] or found.database_url, urls["redis_url"] or found.redis_url)


def given(settings: Settings) -> dict[str, str | None]:
    """The URLs that the settings name."""
    urls = {"database_url": settings.database_url, "redis_url": settings.redis_url}
    return {name: url.get_secret_value() if url else None for name, url in urls.items()}


def service_url(settings: Settings) -> str | None:
    """Where the HTTP door of this data directory is: as the settings say, or as `cuelight up` left word."""
    if settings.public_url:
        return settings.public_url.rstrip("/")
    try:
        return (settings.data_dir / URL_FILE).read_text().strip() or None
    except OSError:
        return None


@contextmanager
def leave_word(settings: Settings, url: str) -> Iterator[None]:
    """Have `service_url` find this URL meanwhile."""
    path = settings.data_dir / URL_FILE
    path.write_text(url)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
