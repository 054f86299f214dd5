"""What must not stand in a file that is passed on: how it is recognised. Everything here is a pattern, and no door."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

LEAST = 6
"""Shorter texts are not taken for secrets: they would be found everywhere."""


def _anything(found: str) -> bool:
    return True


def _looks_drawn(found: str) -> bool:
    """A word of a language is no secret, whatever stands before it."""
    return any(letter.isdigit() for letter in found) or len(found) >= 24


@dataclass(frozen=True, slots=True)
class Rule:
    """A kind of text, and the pattern that finds it: the group that took part, or all of it where it has none."""

    name: str
    pattern: re.Pattern[str]
    holds: Callable[[str], bool] = _anything
    whole: bool = False
    """All that the pattern finds, whatever groups it has."""
    least: int = 4

    def find(self, text: str) -> Iterator[str]:
        for found in self.pattern.finditer(text):
            value = found[found.lastindex or 0] if not self.whole else found[0]
            if value and len(value) >= self.least and self.holds(value):
                yield value


NAMED = (
    r"(?:(?:api|access|private|signing|master)[-_ ]?key|secret|token|passw(?:or)?d|passphrase|pwd|authorization"
    r"|credential)s?"
)
"""Names after which a secret stands."""

SECRETS: Sequence[Rule] = (
    Rule("secret", re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----(.{16,20000}?)-----END", re.DOTALL)),
    Rule("secret", re.compile(r"(?i)\b(?:bearer|basic)\s+([\w.~+/=-]{8,4096})"), _looks_drawn),
    Rule(
        "secret", re.compile(r"\b((?:cue|sk|pk|rk|whsec|ghp|gho|ghs|glpat|hf|xox[abprs]|github_pat)[-_][\w-]{12,512})")
    ),
    Rule("secret", re.compile(r"\b((?:AKIA|ASIA)[0-9A-Z]{16}|AIza[\w-]{30,64})\b")),
    Rule("secret", re.compile(r"\b(eyJ[\w-]{8,4096}\.[\w-]{8,4096}\.[\w-]{4,1024})")),
    Rule("secret", re.compile(r"[a-z]{2,12}://[^\s/:@]{0,80}:([^\s/@]{3,200})@")),
    Rule("secret", re.compile(rf"(?i)[?&](?:[\w-]{{0,40}}[-_])?(?:{NAMED}|sig|signature)=([^\s&#\"'\\<>]{{6,512}})")),
    Rule(
        "secret",
        re.compile(r"(?i)\bcookie[\"'\\]{0,3}\s{0,3}[:=]\s{0,3}[\"'\\]{0,3}[^\s;=\"'\\]{1,80}=([^\s;\"'\\]{6,4096})"),
        _looks_drawn,
    ),
    Rule(
        "secret",
        re.compile(r"(?i)\b(?:\w{0,20}sid|\w{0,20}sess(?:ion)?[-_]?(?:id)?)=([^\s&;#\"'\\<>]{6,4096})"),
        _looks_drawn,
    ),
    Rule(
        "secret",
        re.compile(
            rf"(?i){NAMED}[\"'\\]{{0,3}}\s{{0,3}}[:=]\s{{0,3}}"
            r"(?:\\{0,3}[\"']([^\"'\\\n]{6,512})[\"'\\]|[\"'\\]{0,3}([^\s\"'\\,;&{}()<>]{6,512}))"
        ),
        _looks_drawn,
    ),
)
"""Found in every case, whether or not it is to be redacted."""

SECRET_NAME = re.compile(rf"^(?:.*[-_. ]|.*[a-z](?=[A-Z]))?(?i:{NAMED}|pass|cookie)$")
"""The name of a field that holds a secret."""

PLACEHOLDERS = frozenset({"string", "number", "integer", "object", "boolean", "required", "optional", "unknown"})
"""What schemas and their examples say in place of a secret."""

PHONE = "|".join(
    (
        r"\+\d[\d\s()./-]{6,20}\d",
        r"\(?0\d{2,4}\)?[\s./-]{1,3}\d[\d\s./-]{4,14}\d",
        r"\(?\d{3}\)?[-. ]\d{3}[-. ]\d{4}",
    )
)

PERSONAL: Sequence[Rule] = (
    Rule("email", re.compile(r"(?<![\w.%+-])([\w.%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24})(?![\w-])")),
    Rule("phone", re.compile(rf"(?<![\w.+/-])({PHONE})(?!\w)")),
    Rule("file", re.compile(r"([A-Za-z0-9+/]{256,}={0,2})")),
)
"""What `--redact` finds beside secrets. Files that stand in a request as base64 are taken whole."""


def own(patterns: Sequence[str]) -> Sequence[Rule]:
    """The rules of somebody's own patterns. Raises `ValueError` naming the one that is no regular expression."""
    rules = []
    for pattern in patterns:
        try:
            rules.append(Rule("pattern", re.compile(pattern), whole=True, least=2))
        except re.error as error:
            raise ValueError(f"{pattern!r} is no regular expression: {error}") from None
    return rules
