"""All prompts of a process, by name and version."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from agent.errors import Misconfigured, Unfamiliar
from agent.prompting.prompt import HEADER, Prompt

SHIPPED = Path(__file__).parents[2] / "prompts"
"""The prompts that come with the service."""


class PromptBook:
    """Prompts by name and version, and of each name the one that new runs start with."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Prompt] = {}
        self._current: dict[str, Prompt] = {}

    @classmethod
    def load(cls, *directories: Path) -> PromptBook:
        """The prompts below these directories; where two have one name, new runs start with the later one.

        `<name>/` is a prompt's current version, `<name>@<semver>/` an older one that is kept for open runs.
        Raises `Misconfigured` for a directory that is not there, for any prompt that could not be rendered, and for
        two prompts of one directory that say the same version and are not the same.
        """
        book = cls()
        for directory in directories:
            for prompt, current in _read_all(directory):
                book.add(prompt)
                if current:
                    book._current[prompt.name] = prompt
        return book

    @classmethod
    def here(cls, mine: Path | None = None) -> PromptBook:
        """The shipped prompts and `mine`, which are those in `./prompts` if it is None. Raises `Misconfigured`."""
        local = Path.cwd() / "prompts"
        own = mine or (local if local.is_dir() else SHIPPED)
        return cls.load(SHIPPED, *([own] if own.resolve() != SHIPPED.resolve() else []))

    @classmethod
    def of(cls, prompts: Iterable[Prompt]) -> PromptBook:
        """These prompts, each the current one of its name."""
        book = cls()
        book.start_with(prompts)
        return book

    def start_with(self, prompts: Iterable[Prompt]) -> None:
        """Have new runs start with these prompts."""
        for prompt in prompts:
            self.add(prompt)
            self._current[prompt.name] = prompt

    def add(self, prompt: Prompt) -> None:
        """Keep a version, as one that came back from an archive; new runs go on starting with the current one."""
        self._known[prompt.name, prompt.version] = prompt

    def current(self, name: str) -> Prompt:
        """The version that new runs start with. Raises `Misconfigured`."""
        try:
            return self._current[name]
        except KeyError:
            known = ", ".join(sorted(self._current)) or "none"
            raise Misconfigured(f"there is no prompt {name!r}; the prompts here are: {known}") from None

    def has(self, name: str, version: str) -> bool:
        return (name, version) in self._known

    def versions(self, name: str) -> Sequence[Prompt]:
        """All that is known of a name: the current version first, then the others in the order of their numbers."""
        current = self._current.get(name)
        found = [prompt for prompt in self._known.values() if prompt.name == name]
        return sorted(found, key=lambda prompt: (prompt != current, _numbers(prompt), prompt.version))

    def get(self, name: str, version: str) -> Prompt:
        """This very version. Raises `Unfamiliar` if it is not here: another release may have it."""
        try:
            return self._known[name, version]
        except KeyError:
            raise Unfamiliar(self.missing(name, version)) from None

    def missing(self, name: str, version: str) -> str:
        """What to say where a version is wanted that is not here."""
        numbers = version.partition("+")[0]
        changed = [it.version for it in self.versions(name) if it.version.partition("+")[0] == numbers]
        if changed:
            return f"prompt {name}@{version} is not here: its files were changed, and are {' and '.join(changed)} now"
        known = ", ".join(prompt.version for prompt in self.versions(name)) or "none"
        return f"prompt {name}@{version} is not here; of {name!r} there is {known}"


def _read_all(directory: Path) -> list[tuple[Prompt, bool]]:
    if not directory.is_dir():
        raise Misconfigured(f"there is no directory of prompts at {directory}")
    found = [_read(path) for path in sorted(directory.iterdir()) if (path / HEADER).is_file()]
    _check_apart([prompt for prompt, _ in found], directory)
    return found


def _check_apart(prompts: Sequence[Prompt], directory: Path) -> None:
    """Raises `Misconfigured` if a prompt was changed and kept the numbers of the version that stands beside it."""
    for prompt in prompts:
        for other in prompts:
            if prompt.name == other.name and _numbers(prompt) == _numbers(other) and prompt != other:
                told = f"{prompt.name}@{prompt.version.partition('+')[0]}"
                raise Misconfigured(
                    f"{directory} holds two prompts {told} that differ: give the changed one a version of its own"
                )


def _numbers(prompt: Prompt) -> tuple[int, ...]:
    return tuple(map(int, prompt.version.partition("+")[0].split(".")))


def _read(path: Path) -> tuple[Prompt, bool]:
    """A prompt, and whether it is its name's current version."""
    prompt = Prompt.from_sources(_sources(path), where=f"prompt {path.name!r} ({path})")
    old = f"{prompt.name}@{prompt.version.partition('+')[0]}"
    if path.name not in (prompt.name, old):
        raise Misconfigured(f"{path} holds the prompt {old}: call the directory {prompt.name!r} or {old!r}")
    return prompt, path.name == prompt.name


def _sources(path: Path) -> dict[str, str]:
    """Byte for byte: reading in text mode would translate line ends, and the version with them."""
    files = [path / HEADER, *sorted(path.glob("*.j2"))]
    try:
        return {file.name: file.read_bytes().decode() for file in files}
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"the prompt in {path} cannot be read: {error}") from error
