"""A case in which names, numbers and secrets are pseudonyms, everywhere the same: it replays as it is recorded."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Protocol, TypeVar

import orjson

from agent.cases.case import Case
from agent.cases.pseudonyms import Pseudonyms
from agent.cases.sensitive import LEAST, PLACEHOLDERS, SECRET_NAME, SECRETS, Rule
from agent.errors import Misconfigured
from agent.prompting import Prompt
from agent.prompting.fence import CODE_CHARS, Fence
from agent.prompting.prompt import HEADER

ESCAPES = re.compile(r"\\(?:[nrtbf/]|u[0-9a-fA-F]{4})")
"""JSON in a text: what follows such an escape is the beginning of a word."""

OPENS = re.compile(rf"<<<\w+ ([0-9a-f]{{{CODE_CHARS}}})[^\n]*\n")

HEADER_NAME = re.compile(r"(?m)^(name:[ \t]*).*")

Told = dict[str, Any]

Leaf = TypeVar("Leaf", str, int)


class Change(Protocol):
    """What becomes of a text or a number."""

    def __call__(self, leaf: Leaf, /) -> Leaf: ...


@dataclass(frozen=True, slots=True)
class Redaction:
    """What is to be replaced: whatever a rule finds, and texts that are known to be secret.

    `kept` is what an agent itself tells everybody; rules do not replace what stands in there, secrets they do.
    """

    salt: bytes
    rules: Sequence[Rule] = ()
    secrets: Sequence[str] = ()
    kept: Sequence[str] = ()

    def __call__(self, case: Case) -> Case:
        """The case with pseudonyms, and hashes that fit them. Secrets are always replaced."""
        told = case.model_dump(mode="json")
        found = self._find(told)
        if not found:
            return case
        self._replace(told, Pseudonyms(found, self.salt))
        told["written"]["redacted"] = _counted(found)
        return Case.model_validate(told)

    def _find(self, told: Told) -> dict[str, str]:
        """Every text to be replaced, and the kind it is of."""
        found: dict[str, str] = {}
        texts = list(dict.fromkeys(ESCAPES.sub("  ", text) for part in _parts(told) for text in _texts(part)))
        whole = "\n".join(texts)
        for secret in self.secrets:
            if len(secret) >= LEAST and (secret in whole or orjson.dumps(secret)[1:-1].decode() in whole):
                found[secret] = "secret"
        found |= dict.fromkeys(_of_fields(told), "secret")
        for rules, spared in ((SECRETS, ()), (self.rules, self.kept)):
            for rule in rules:
                for text in texts:
                    for value in rule.find(text):
                        if not any(value in it for it in spared):
                            found.setdefault(value, rule.name)
        return found

    def _replace(self, told: Told, other: Pseudonyms) -> None:
        before = {name: files for name, files in told["sources"].items()}
        codes = _codes(told, other)
        _change(told, _ButNames(other, frozenset([*before, *(file for files in before.values() for file in files)])))
        versions = {name: _version(name, told["sources"][name], files) for name, files in before.items()}
        renamed = {old: new for old, new in {**versions, **codes}.items() if old != new}
        if renamed:
            _rename(told, renamed)
        for asked in _all_asked(told):
            asked["hash"] = hashed(asked["effect"]) if asked.pop("changed", False) else asked["hash"]


@dataclass(frozen=True, slots=True)
class _ButNames:
    """Pseudonyms, but for the whole names of prompts and of their files: by these a replay finds them."""

    other: Pseudonyms
    names: frozenset[str]

    def __call__(self, leaf: Leaf) -> Leaf:
        if isinstance(leaf, str):
            return leaf if leaf in self.names else self.other(leaf)
        made = self.other.known.get(str(leaf))
        return leaf if made is None else int(made)


def hashed(effect: Told | str) -> str:
    """The hash of an effect's canonical form."""
    text = effect.encode() if isinstance(effect, str) else orjson.dumps(effect, option=orjson.OPT_SORT_KEYS)
    return sha256(text).hexdigest()


def _change(told: Told, other: Change) -> None:
    told["request"], told["note"] = _with(told["request"], other), other(told["note"])
    told["sources"] = {id: _named_as_before(id, _with(files, other)) for id, files in told["sources"].items()}
    for event in told["events"]:
        event["data"] = _with(event["data"], other)
    for attempt in told["attempts"]:
        attempt["error"] = _with(attempt["error"], other)
        for refused in attempt["refused"]:
            refused["fault"] = _with(refused["fault"], other)
    for asked in _all_asked(told):
        effect = _with(asked["effect"], other)
        asked["changed"] = asked.get("changed", False) or effect != asked["effect"]
        asked["effect"], asked["answer"] = effect, _with(asked["answer"], other)
        asked["fault"] = _with(asked["fault"], other)


def _named_as_before(id: str, files: dict[str, str]) -> dict[str, str]:
    """The files of a prompt, whose header names it as its agent does."""
    name = id.partition("@")[0]
    return {file: HEADER_NAME.sub(rf"\g<1>{name}", text) if file == HEADER else text for file, text in files.items()}


def _codes(told: Told, other: Pseudonyms) -> dict[str, str]:
    """The codes of fences that follow from what stands between them, and what they are once it is replaced."""
    found: dict[str, str] = {}
    for asked in _all_asked(told):
        for text in _texts(asked["effect"]):
            for opens in OPENS.finditer(text):
                end = text.find(f"\n{opens[1]}>>>", opens.end())
                inner = text[opens.end() : end]
                if end >= 0 and Fence.of(inner).code == opens[1]:
                    found[opens[1]] = Fence.of(other(inner)).code
    return found


def _rename(told: Told, renamed: dict[str, str]) -> None:
    """What follows from texts that were replaced is another one now: versions of prompts, and codes of fences."""
    pattern = re.compile("|".join(map(re.escape, renamed)))

    def other(leaf: Leaf) -> Leaf:
        return pattern.sub(lambda found: renamed[found[0]], leaf) if isinstance(leaf, str) else leaf

    told["sources"] = {other(name): files for name, files in told["sources"].items()}
    for name, version in told["prompts"].items():
        told["prompts"][name] = other(f"{name}@{version}").partition("@")[2]
    for event in told["events"]:
        event["prompt"], event["data"] = other(event["prompt"]), _with(event["data"], other)
    for asked in _all_asked(told):
        effect = _with(asked["effect"], other)
        asked["changed"] = asked.get("changed", False) or effect != asked["effect"]
        asked["effect"] = effect


def _version(name: str, files: dict[str, str], before: dict[str, str]) -> str:
    """`name@version` of a prompt with these files."""
    if files == before:
        return name
    try:
        return Prompt.from_sources(files).id
    except Misconfigured:
        return name  # a pseudonym broke the template: the case says what was asked, and does not replay


def _parts(told: Told) -> Iterator[Any]:
    """Everything that somebody wrote; the rest of a case is ids, names, numbers and times."""
    yield told["request"]
    yield told["note"]
    yield told["sources"]
    yield from (event["data"] for event in told["events"])
    for attempt in told["attempts"]:
        yield attempt["error"]
        yield from (refused["fault"]["message"] for refused in attempt["refused"])
    for asked in _all_asked(told):
        yield from (asked["effect"], asked["answer"], (asked["fault"] or {}).get("message"))


def _all_asked(told: Told) -> Iterator[Told]:
    yield from told["earlier"]
    for attempt in told["attempts"]:
        yield from attempt["asked"]


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for name, inner in value.items():
                yield name
                yield from _texts(inner)
        case list():
            for inner in value:
                yield from _texts(inner)


def _of_fields(told: Told) -> Iterator[str]:
    """What stands in fields that are called as secrets are; a word that is a field's name or a schema's is none."""
    fields = list(_fields(list(_parts(told))))
    said = {name.lower() for name, _ in fields} | PLACEHOLDERS
    for name, value in fields:
        if len(value) >= LEAST and SECRET_NAME.match(name) and value.lower() not in said:
            yield value


def _fields(whole: Any) -> Iterator[tuple[str, str]]:
    """Every text and count with the name of its field, also of JSON in a text; and every name, with none."""
    ahead = [("", whole)]
    while ahead:
        match ahead.pop():
            case name, str() as text:
                yield name, text
                ahead.append(("", _json(text)))
            case name, int() as number if number > 0:
                yield name, str(number)
            case name, list() as inner:
                ahead += [(name, it) for it in inner]
            case _, dict() as inner:
                yield from ((name, "") for name in inner)
                ahead += inner.items()


def _json(text: str) -> Any:
    """The object or list that a text is; else nothing."""
    if not text.startswith(("{", "[")):
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def _with(value: Any, other: Change) -> Any:
    match value:
        case str():
            return other(value)
        case int():
            return other(value)
        case dict():
            return {other(name): _with(inner, other) for name, inner in value.items()}
        case list():
            return [_with(inner, other) for inner in value]
    return value


def _counted(found: dict[str, str]) -> dict[str, int]:
    kinds = sorted(set(found.values()))
    return {kind: sum(it == kind for it in found.values()) for kind in kinds}
