"""One version of one prompt: its files, checked when it is read, and what they render to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from types import MappingProxyType
from typing import Any

import yaml
from jinja2 import DictLoader, StrictUndefined, Template, TemplateSyntaxError, meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.errors import Misconfigured

HEADER = "prompt.yaml"
NAME = r"[a-zA-Z0-9_.-]{1,64}"
SEMVER = r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)"
GLOBALS = ("range", "dict", "namespace")
"""What of Jinja's globals a template may use; the others throw dice (`lipsum`) or keep state."""


class Params(BaseModel):
    """How a model is asked with this prompt where the request does not say."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    temperature: float | None = Field(None, ge=0, le=2)
    max_output_tokens: int | None = Field(None, gt=0)


class Inputs(BaseModel):
    """A JSON Schema. The names of its properties are enforced: a template may use these variables and no others."""

    model_config = ConfigDict(frozen=True, extra="allow")
    properties: dict[str, Any] = {}


class Header(BaseModel):
    """What `prompt.yaml` says."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str = Field(pattern=f"^{NAME}$")
    version: str = Field(pattern=f"^{SEMVER}$")
    description: str = ""
    inputs: Inputs = Inputs()
    params: Params = Params()


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt that can be rendered. Two prompts with the same files are equal and have the same version.

    `version` is `1.0.0+ab12cd34`: what `prompt.yaml` says, and a hash over all its files. `sources` are those
    files by name, byte for byte, so that a run can keep the prompt it started with.
    """

    name: str
    version: str
    description: str
    params: Params
    sources: Mapping[str, str] = field(repr=False)
    _templates: Mapping[str, Template] = field(repr=False, compare=False)
    _uses: Mapping[str, frozenset[str]] = field(repr=False, compare=False)

    @classmethod
    def from_sources(cls, sources: Mapping[str, str], where: str = "an archived prompt") -> Prompt:
        """The prompt of these files. Raises `Misconfigured` naming `where`, the file and what is wrong with it."""
        return cls._of(tuple(sources.items()), where)

    @classmethod
    @lru_cache(maxsize=256)
    def _of(cls, files: tuple[tuple[str, str], ...], where: str) -> Prompt:
        """A prompt never changes, and making one compiles its templates: the same files are the same prompt."""
        sources = dict(files)
        header = _header(sources, where)
        env = _environment(sources)
        uses = {name: _variables(env, name, header, where) for name in _template_names(sources)}
        return cls(
            name=header.name,
            version=f"{header.version}+{_digest(sources)[:8]}",
            description=header.description,
            params=header.params,
            sources=MappingProxyType(sources),
            _templates={_role(name): env.get_template(name) for name in uses},
            _uses={_role(name): _with_includes(env, name, uses) for name in uses},
        )

    @property
    def id(self) -> str:
        """`name@version`, as it stands in events and effects."""
        return f"{self.name}@{self.version}"

    @property
    def roles(self) -> frozenset[str]:
        """The names of its templates, without `.j2`."""
        return frozenset(self._templates)

    def uses(self, role: str) -> frozenset[str]:
        """The variables that rendering this role needs. Raises `KeyError` for a role that has no template."""
        return self._uses[role]

    def render(self, role: str, **variables: object) -> str:
        """The text of one message. Raises `Misconfigured` without a template for the role, or without a variable."""
        if role not in self._templates:
            raise Misconfigured(f"prompt {self.id} has no {role}.j2")
        if missing := self._uses[role] - variables.keys():
            raise Misconfigured(f"prompt {self.id}: {role}.j2 wants {_listed(missing)}, which it is not given here")
        return self._templates[role].render(variables)


def _header(sources: Mapping[str, str], where: str) -> Header:
    try:
        return Header.model_validate(yaml.safe_load(sources[HEADER]))
    except KeyError:
        raise Misconfigured(f"{where} has no {HEADER}") from None
    except yaml.YAMLError as error:
        raise Misconfigured(f"{where}: {HEADER} is not YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        at = ".".join(map(str, first["loc"])) or "the file"
        raise Misconfigured(f"{where}: {HEADER}: {at}: {first['msg']}") from error


def _environment(sources: Mapping[str, str]) -> ImmutableSandboxedEnvironment:
    """Templates of these files and no others; nothing in them can throw dice or change what it is given."""
    env = ImmutableSandboxedEnvironment(
        loader=DictLoader({name: sources[name] for name in _template_names(sources)}),
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.globals = {name: env.globals[name] for name in GLOBALS}
    del env.filters["random"]
    return env


def _variables(env: ImmutableSandboxedEnvironment, name: str, header: Header, where: str) -> frozenset[str]:
    """The variables of one file, after making sure that it compiles and that all of them were declared."""
    try:
        env.get_template(name)
        tree = _tree(env, name)
        used = frozenset(meta.find_undeclared_variables(tree))
    except TemplateSyntaxError as error:
        raise Misconfigured(f"{where}: {name}, line {error.lineno}: {error.message}") from error
    if unknown := used - header.inputs.properties.keys():
        raise Misconfigured(f"{where}: {name} uses {_listed(unknown)}, which {HEADER} does not declare under `inputs`")
    for other in meta.find_referenced_templates(tree):
        if other is None or other not in env.list_templates():
            raise Misconfigured(
                f"{where}: {name} includes {other or 'a computed name'}, which is no file of this prompt"
            )
    return used


def _with_includes(env: ImmutableSandboxedEnvironment, name: str, uses: Mapping[str, frozenset[str]]) -> frozenset[str]:
    reached, ahead = {name}, [name]
    while ahead:
        others = {other for other in meta.find_referenced_templates(_tree(env, ahead.pop())) if other} - reached
        reached |= others
        ahead.extend(others)
    return frozenset().union(*(uses[file] for file in reached))


def _tree(env: ImmutableSandboxedEnvironment, name: str) -> nodes.Template:
    assert env.loader is not None  # noqa: S101  # it was built with one
    return env.parse(env.loader.get_source(env, name)[0])


def _template_names(sources: Mapping[str, str]) -> Iterator[str]:
    return (name for name in sorted(sources) if name.endswith(".j2"))


def _role(name: str) -> str:
    return name.removesuffix(".j2")


def _digest(sources: Mapping[str, str]) -> str:
    """A hash that changes with any file's name or text; lengths keep one file from passing for two."""
    digest = sha256()
    for name, text in sorted(sources.items()):
        for part in (name.encode(), text.encode()):
            digest.update(len(part).to_bytes(8) + part)
    return digest.hexdigest()


def _listed(names: frozenset[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))
