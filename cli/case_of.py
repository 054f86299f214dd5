"""A run as a case, for every command that wants one: read from the ledger, or from a file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from agent.adapters.ledger.cases import case_rows
from agent.adapters.ledger.connect import connect
from agent.adapters.ledger.migrate import require_current
from agent.cases import Case, Unexportable, made, read
from agent.cases.files import NotACase
from agent.cases.making import Rows, stamped
from agent.cases.redaction import Redaction
from agent.cases.sensitive import PERSONAL, own
from agent.definition import Agent, load
from agent.errors import Misconfigured
from agent.settings import Settings
from cli import loop
from cli.exits import Exit, leave
from cli.find import engines_for
from cli.plain import plain

SECRET_VARIABLE = re.compile(r"(?i)(key|token|secret|password|passwd|credential)s?$")


def case_of(what: str, settings: Settings, generation: int | None = None, *, redact: bool = False) -> Case:
    """The case in a file, or of a run of this ledger; secrets are pseudonyms in it. Leaves where there is none."""
    try:
        if is_file(what):
            return read(Path(what))
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
    return [redaction(stamped(case, metadata.version("cuelight"), datetime.now(UTC))) for case in made_of]


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
    return Redaction(os.urandom(16), rules, tuple(secrets_of(settings)), kept)


def secrets_of(settings: Settings) -> Iterator[str]:
    """Every secret that this process knows: in its settings, and in variables that are called as secrets are."""
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            yield from _of_url(value.get_secret_value())
    for endpoint in settings.endpoints():
        if endpoint.api_key is not None:
            yield endpoint.api_key.get_secret_value()
    yield from (value for name, value in os.environ.items() if SECRET_VARIABLE.search(name) and len(value) >= 8)


def _of_url(value: str) -> Iterator[str]:
    """A URL is no secret, but for its password."""
    if "://" not in value:
        yield value
    elif password := urlsplit(value).password:
        yield from {password, unquote(password)}


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
