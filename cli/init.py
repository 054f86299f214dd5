"""`cuelight init`: a small agent to begin with, which works as it is written."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from keyword import iskeyword
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cli.exits import Exit, leave
from cli.plain import text

STARTER = Path(__file__).parent / "starter"
"""What is written, under the name `my_agent`."""
NAME = "my_agent"
KEPT = Path("README.md")
"""Most directories have one already; then it is left as it is."""
console = Console(highlight=False)

Directory = Annotated[Path, typer.Argument(metavar="[DIR]", help="Where to write it; made if it is not there.")]


def init(
    directory: Directory = Path(),
    name: Annotated[str, typer.Option(help="The agent's name, and its module's.")] = NAME,
) -> None:
    """Write a small agent with a prompt, a tool, a check and a test that passes. Nothing is overwritten."""
    _check_name(name)
    files = {directory / path: words for path, words in starter(name).items()}
    there = [path for path in files if path.exists() or path.is_symlink()]
    if taken := [str(path) for path in there if path != directory / KEPT]:
        leave(Exit.REFUSED, f"nothing was written, since it would overwrite {', '.join(taken)}")
    written = {path: words for path, words in files.items() if path not in there}
    try:
        for path, words in written.items():
            _write(path, words)
    except OSError as error:
        leave(Exit.REFUSED, f"{error.filename or directory} cannot be written: {error.strerror}")
    for line in (*(f"wrote {path}" for path in written), "", *_next(directory, name)):
        console.print(text(line), soft_wrap=True)


def starter(name: str) -> Mapping[Path, str]:
    """The files of an agent of this name, by their paths below its directory."""
    found = (path for path in sorted(STARTER.rglob("*")) if path.is_file() and path.suffix != ".pyc")
    return {
        Path(str(path.relative_to(STARTER)).replace(NAME, name)): path.read_text(encoding="utf-8").replace(NAME, name)
        for path in found
    }


def _write(path: Path, words: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8", newline="\n") as file:  # never over what came there meanwhile
        file.write(words)


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name) or iskeyword(name):
        raise typer.BadParameter(f"{name!r} names no module: use small letters, digits and `_`, 40 at most")
    if find_spec(name) is not None and not Path(f"{name}.py").exists():
        raise typer.BadParameter(f"{name!r} is the name of a module that is installed; choose another")


def _next(directory: Path, name: str) -> Sequence[str]:
    steps = [
        *([f"cd {shlex.quote(str(directory))}"] if directory != Path() else []),
        "pip install pytest && pytest                   # without engines, network or a model",
        f"export CUELIGHT_AGENT={name}:{name}",
        "cuelight agents check                          # loads it and draws its flow",
        "cuelight up                                    # answers on http://127.0.0.1:8000",
        'cuelight ask "When are you open on Sunday?"    # in another terminal',
    ]
    return ["Next:", *(f"  {step}" for step in steps)]
