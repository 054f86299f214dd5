"""A run as a case, for every command that wants one: read from the ledger, or from a file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from pydantic import SecretStr

from agent.adapters.ledger.cases import case_rows
from agent.adapters.ledger.connect import connect
from agent.adapters.ledger.migrate import require_current
from agent.cases import Case, Unexportable, made, read
from agent.cases.files import NotACase
from agent.cases.making import Rows, stamped
from agent.cases.redaction import Redaction
from agent.cases.sensitive import PERSONAL, SECRET_NAME, own
from agent.definition import Agent, load
from agent.errors import Misconfigured
from agent.settings import Settings
from agent.tools import McpServer
from cli import loop
from cli.exits import Exit, leave
from cli.find import engines_for
from cli.plain import plain

SECRET_VARIABLE = re.compile(r"(?i)(key|token|secret|password|passwd|passphrase|_pass|_pwd|credential)s?_?\d*$")


def case_of(what: str, settings: Settings, generation: int | None = None, *, redact: bool = False) -> Case:
    """The case in a file, or of a run of this ledger; secrets are pseudonyms in it. Leaves where there is none."""
    try:
        if is_file(what):
            return _in_file(Path(what), settings, redact=redact)
        (case,) = cases_of(what, settings, [generation], redact=redact)
        return case
    except (NotACase, Unexportable) as error:
        leave(Exit.FAILED, str(error))


def cases_of(
    run: str, settings: Settings, generations: Sequence[int | None], *, redact: bool = False
) -> Sequence[Case]:
    """These generations of a run of this ledger, with the same pseudonyms. Leaves if it is not there.

    Raises `Unexportable`.
    """
    rows = _rows(settings, run)
    configured = agent_of(settings, rows.run["agent"])
    redaction = redaction_of(settings, configured.agent, redact=redact)
    made_of = [made(rows, number, spec=configured.spec, models=configured.models) for number in generations]
    return [redaction(_stamped(case)) for case in made_of]


def _in_file(path: Path, settings: Settings, *, redact: bool) -> Case:
    """An export has no secrets in it by now; a case that was made in another way may."""
    if not os.path.lexists(path):
        leave(Exit.NOT_FOUND, f"there is no file {plain(path, 400)}")
    case = read(path)
    if case.written.at is not None and not redact:
        return case
    other = redaction_of(settings, agent_of(settings, case.agent.name).agent, redact=redact)(case)
    return case if other is case else _stamped(other)


def _stamped(case: Case) -> Case:
    return stamped(case, metadata.version("cuelight"), datetime.now(UTC))


def is_file(what: str) -> bool:
    """Whether it names a file, and not a run."""
    return what.endswith(".json") or os.sep in what or Path(what).is_file()


@dataclass(frozen=True, slots=True)
class Configured:
    """The agent of a name in these settings, and how they name it; nothing where there is none."""

    spec: str = ""
    agent: Agent | None = None

    @property
    def models(self) -> Sequence[str]:
        """Its own chain; where it has none, what was asked tells it best."""
        return self.agent.models if self.agent else ()


def agent_of(settings: Settings, name: str) -> Configured:
    """The agent of this name. One that cannot be loaded is as good as none: what it did can be read all the same."""
    for spec in settings.agent:
        try:
            found = load(spec)
        except Misconfigured:
            continue
        if found.name == name:
            return Configured(spec, found)
    return Configured()


def redaction_of(settings: Settings, agent: Agent | None, *, redact: bool) -> Redaction:
    """What is replaced in every case, and with `redact` what is found of people too. Raises `Misconfigured`."""
    try:
        rules = [*PERSONAL, *own(settings.redact)] if redact else []
    except ValueError as error:
        raise Misconfigured(f"CUELIGHT_REDACT: {error}") from None
    kept = (agent.no_answer_text,) if agent else ()
    return Redaction(os.urandom(16), rules, tuple(secrets_of(settings, agent)), kept)


def secrets_of(settings: Settings, agent: Agent | None = None) -> Iterator[str]:
    """Every secret that this process knows: in its settings, in its environment, and in the headers of MCP servers."""
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            yield from _of(value.get_secret_value())
    for endpoint in settings.endpoints():
        yield from _of_url(endpoint.base_url)
        if endpoint.api_key is not None:
            yield endpoint.api_key.get_secret_value()
    for name, value in os.environ.items():
        yield from _of(value) if SECRET_VARIABLE.search(name) else _of_url(value)
    for tool in agent.tools if agent else ():
        yield from _of_headers(tool)


def _of_headers(tool: object) -> Iterator[str]:
    """What the headers of a tool's server hold, with and without a word such as `Bearer` before it."""
    for name in tool.headers_env.values() if isinstance(tool, McpServer) else ():
        value = os.environ.get(name, "")
        yield from {value, value.rpartition(" ")[2]}


def _of(value: str) -> Iterator[str]:
    """A URL is no secret, but for what is one in it."""
    if "://" in value:
        yield from _of_url(value)
    else:
        yield value


def _of_url(value: str) -> Iterator[str]:
    """The password of a URL, and what its query calls a secret; nothing of what is none."""
    try:
        parts = urlsplit(value if "://" in value else "")
        found = [parts.password or "", *(it for name, it in parse_qsl(parts.query) if SECRET_NAME.match(name))]
    except ValueError:
        return
    for secret in filter(None, found):
        yield from {secret, unquote(secret), quote(secret, safe="")}


def _rows(settings: Settings, run: str) -> Rows:
    with engines_for(settings) as urls:
        rows = loop.run(_read(urls.database_url, run))
    if rows is None:
        leave(Exit.NOT_FOUND, f"there is no run {plain(run, 80)!r} in this ledger")
    return rows


async def _read(url: str, run: str) -> Rows | None:
    await require_current(url)
    pool = await connect(url, most=1)
    try:
        return await case_rows(pool, run.replace("\x00", "\ufffd").encode("utf-8", "replace").decode())
    finally:
        await pool.close()
