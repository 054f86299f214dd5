"""Tools of an MCP server: declared by name, so that every process knows them, and looked up where they are called."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import orjson
from pydantic import BaseModel, RootModel

from agent.checks.json_schema import JsonSchema
from agent.errors import Misconfigured, Permanent
from agent.items import FunctionTool
from agent.tools.tool import MOST_CHARS, Tool, ToolContext


class Arguments(RootModel[dict[str, Any]]):
    """The arguments of a call; what they must be is the server's schema."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a server says of one of its tools, and how it is called."""

    function: FunctionTool
    schema: JsonSchema
    call: Callable[[dict[str, Any], ToolContext], Awaitable[str]]


@dataclass(eq=False)
class Line:
    """What a tool has to its server, once a worker has looked it up; other processes never do."""

    found: Found | None = None

    async def work(self, arguments: Arguments, context: ToolContext) -> str:
        """Raises `Permanent` where no server was asked."""
        if self.found is None:
            raise Permanent("the tools of MCP servers are called by workers only", kind="unroutable")
        return await self.found.call(arguments.root, context)


@dataclass(frozen=True)
class McpServer:
    """An MCP server over streamable HTTP, and those of its tools that a model may call: no other one ever is.

    A model knows a tool as `<name>_<tool>`. Raises `Misconfigured` when built with a URL, a list or limits that cannot
    be.
    """

    name: str
    url: str
    allow: tuple[str, ...]
    _: KW_ONLY
    headers_env: Mapping[str, str] = field(default_factory=dict)
    """Headers of every request, and the variables that hold their values, such as `{"Authorization": "MY_TOKEN"}`."""
    timeout_s: float = 30.0
    """Of one try, connecting included."""
    retries: int = 2
    most_chars: int = MOST_CHARS
    approval: bool | Callable[[str, dict[str, Any]], bool] = False
    """Whether somebody has to approve a call; a function is given the tool's own name and the arguments."""
    approval_s: float = 3_600.0

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            raise Misconfigured(f"MCP server {self.name!r} needs an http or https URL without a password in it")
        if isinstance(self.allow, str) or not self.allow:
            raise Misconfigured(f"MCP server {self.name!r} allows no tool: name some in allow=(...)")
        _ = self.tools

    @property
    def tools(self) -> tuple[McpTool, ...]:
        """Its tools, new ones with each look. Raises `Misconfigured` for a name that no endpoint takes."""
        return tuple(self._tool(remote) for remote in self.allow)

    def _tool(self, remote: str) -> McpTool:
        line = Line()
        return McpTool(
            name=re.sub(r"[^a-zA-Z0-9_-]", "_", f"{self.name}_{remote}"),
            description="",
            arguments=Arguments,
            work=line.work,
            timeout_s=self.timeout_s,
            retries=self.retries,
            most_chars=self.most_chars,
            approval=self.approval if isinstance(self.approval, bool) else partial(_asks, self.approval, remote),
            approval_s=self.approval_s,
            server=self,
            remote=remote,
            line=line,
        )


@dataclass(frozen=True, kw_only=True)
class McpTool(Tool):
    """One tool of an MCP server. Until a worker has looked it up, only its names are known."""

    server: McpServer
    remote: str
    """What the server calls it."""
    line: Line

    @property
    def function(self) -> FunctionTool:
        """The tool as a model is told of it."""
        found = self.line.found
        return found.function if found else FunctionTool(name=self.name, description=self.description)

    @property
    def declared(self) -> list[Any]:
        """What every process knows of it, whether or not it asks the server."""
        return [{"name": self.name, "remote": self.remote, "url": self.server.url}, bool(self.approval)]

    def read(self, arguments: str) -> BaseModel | list[str]:
        """The arguments of a call, or what the server's schema says against them. Raises nothing."""
        value = super().read(arguments)
        if isinstance(value, Arguments) and self.line.found:
            return self.line.found.schema.problems(orjson.loads(value.model_dump_json())) or value
        return value


def _asks(approval: Callable[[str, dict[str, Any]], bool], remote: str, arguments: Arguments) -> bool:
    return approval(remote, arguments.root)
