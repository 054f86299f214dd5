"""The fence around text that others wrote: it opens and closes with a code that the text cannot contain."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256

import orjson

CODE_CHARS = 16


@dataclass(frozen=True, slots=True)
class Fenced:
    """A block of data: printing it prints the fence too. `text` is what stands inside."""

    text: str
    block: str

    def __str__(self) -> str:
        return self.block


@dataclass(frozen=True, slots=True)
class Fence:
    """Puts text between `<<<kind CODE` and `CODE>>>`. Text that holds the code has it broken up."""

    code: str

    @classmethod
    def of(cls, secret: str) -> Fence:
        """The fence that follows from `secret`: the same one every time, and no guessing it without the secret."""
        return cls(sha256(b"fence:" + secret.encode("utf-8", "replace")).hexdigest()[:CODE_CHARS])

    def around(self, kind: str, text: str, **attributes: str) -> Fenced:
        """A block of `kind`. The attributes stand on its first line as JSON strings, so they cannot leave that line."""
        inert = self.inert(text)
        head = "".join(f" {name}={self.inert(_quoted(value))}" for name, value in attributes.items())
        return Fenced(inert, f"<<<{kind} {self.code}{head}\n{inert}\n{self.code}>>>")

    def inert(self, text: str) -> str:
        """The text with every code in it broken up, whatever its case; nearly always the text itself."""
        # A look-ahead finds overlapping codes as well: replacing whole ones could leave a new one behind.
        pattern = f"({self.code[0]})(?={self.code[1:]})"
        return re.sub(pattern, r"\1 ", text, flags=re.IGNORECASE)


def _quoted(value: str) -> str:
    return orjson.dumps(value.encode("utf-8", "replace").decode()).decode()
