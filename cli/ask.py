"""`cuelight ask`: one question to the running service, hop by hop."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from agent.access import Project
from agent.adapters.ledger.story import RunStory, story
from agent.definition import BoundAgent
from agent.errors import Transient
from agent.events import (
    AnswerAccepted,
    AnswerDrafted,
    Citation,
    DraftRejected,
    Event,
    PassagesFound,
    RunFailed,
    VerdictGiven,
)
from agent.pauses import INTAKE
from agent.ports import DEFAULT_PROJECT, NewRun
from agent.request import Message, Request
from agent.settings import Settings
from agent.wiring import Cast, Connected, archive_prompts, cast, connected
from api.links import Links, is_web_address
from cli import loop
from cli.exits import Exit, leave
from cli.find import DataDir, attached, service_url, settings_for
from cli.logs import configure
from cli.plain import paragraphs, plain, text
from cli.projects import find
from cli.telling import Types, read

LOOK_EVERY_S = 0.05
GRACE_S = 5.0
"""How long after its deadline a run may still be ended by the relay."""
QUOTE_CHARS = 300


def ask(
    question: Annotated[str, typer.Argument(help="What to ask.")],
    agent: Annotated[str | None, typer.Option(help="The agent to ask; the first configured one by default.")] = None,
    project: Annotated[str, typer.Option(help="The project whose question it is.")] = DEFAULT_PROJECT,
    data_dir: DataDir = None,
) -> None:
    """Ask the running service, and watch the answer come about. The answer goes to standard output."""
    settings = settings_for(data_dir)
    configure(settings, "ask")
    urls = attached(settings)
    if urls is None:
        leave(Exit.REFUSED, f"no service runs in {settings.data_dir}: start `cuelight up` in another terminal")
    if not question.strip():
        leave(Exit.USAGE, "the question is empty")
    company = cast(settings)
    bound = _choose(company, agent)
    asked = Asked(project, bound, question)
    owner, ending = loop.run(_ask(settings, (urls.database_url, urls.redis_url), company, asked))
    if isinstance(ending, AnswerAccepted):
        print_answer(Console(highlight=False), ending, service_url(settings), owner)
    else:
        leave(Exit.FAILED, plain(ending.message if isinstance(ending, RunFailed) else "the run ended in no answer"))


def _choose(company: Cast, name: str | None) -> BoundAgent:
    wanted = company.default if name is None else name
    if wanted not in company.agents:
        leave(Exit.NOT_FOUND, f"there is no agent {plain(wanted, 80)!r}; there is {', '.join(company.agents)}")
    return company.agents[wanted]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, whose it is, and who is to answer it."""

    project: str
    bound: BoundAgent
    question: str


async def _ask(settings: Settings, urls: tuple[str, str], company: Cast, asked: Asked) -> tuple[Project, Event | None]:
    async with connected(settings, *urls) as engines:
        owner = find((await engines.access.book()).projects.values(), asked.project)
        if not owner.may_use(asked.bound.name):
            leave(Exit.NOT_FOUND, f"project {owner.id} may not use agent {asked.bound.name!r}")
        for pause in await engines.pauses.pauses():
            if pause.scope == INTAKE:
                leave(Exit.REFUSED, f"the intake is paused by {plain(pause.by)}; see `cuelight pauses`")
        await archive_prompts(company.book, company.agents, engines.ledger)
        new = _new(settings, asked)
        await engines.ledger.open(new)
        hops = Hops(asked.bound.catalogue, Console(stderr=True, highlight=False))
        hops.console.print(text(new.id, "bold") + text(f"  {asked.bound.id}", "dim"))
        try:
            await engines.streams.publish(new.pointer)
        except Transient:  # the run is safe in the ledger, and the relay publishes what nobody did
            hops.console.print(text("Redis did not take it; the relay will", "yellow"))
        return owner, await _watch(engines, new, hops)


def _new(settings: Settings, asked: Asked) -> NewRun:
    from api.ids import new_response_id  # the web framework is not needed by the other commands
    from api.opening import new_run
    from api.trace import accept_traceparent

    clean = asked.question.encode("utf-8", "replace").decode()
    request = Request(messages=(Message(role="user", content=clean),), signed_links=True)
    if url := service_url(settings):
        request = request.model_copy(update={"base_url": url})
    return new_run(new_response_id(), asked.bound, request, asked.project, accept_traceparent(None))


async def _watch(engines: Connected, new: NewRun, hops: Hops) -> Event | None:
    try:
        async with asyncio.timeout(new.deadline_s + GRACE_S):
            while True:
                told = await story(engines.ledger.pool, new.id)
                if told is not None:
                    hops.show(told)
                    if told.ended:
                        return read(told.events[-1], hops.types)
                await asyncio.sleep(LOOK_EVERY_S)
    except TimeoutError:
        leave(Exit.FAILED, f"run {new.id} has not ended in time: is a worker running? See `cuelight show {new.id}`")


class Hops:
    """Prints a line for each event that it has not shown yet."""

    def __init__(self, types: Types, console: Console) -> None:
        self.types = types
        self.console = console
        self._shown = 0

    def show(self, told: RunStory) -> None:
        for row in told.events[self._shown :]:
            ms = (row["at"] - told.run["created_at"]).total_seconds() * 1000
            event = read(row, self.types)
            if isinstance(event, VerdictGiven) and event.passed:
                continue  # the ending tells which checks were passed
            self.console.print(_hop(row["type"], facts(event) if event else "", ms))
        self._shown = len(told.events)


def _hop(name: str, told: str, ms: float) -> Text:
    return text(f"{name:<18}", "bold") + Text(f"{max(ms, 0):>6.0f} ms  ", "dim") + text(told)


def facts(event: Event) -> str:
    """What may be said of an event before its run has ended: no word of a model that was not checked."""
    match event:
        case PassagesFound(passages=passages):
            return f"{len(passages)} passages"
        case AnswerDrafted(usage=usage):
            return f"{event.model}@{event.endpoint}  {usage.input_tokens}+{usage.output_tokens} tokens"
        case VerdictGiven(problems=problems):
            return f"{event.check}: {len(problems)} problems"
        case DraftRejected():
            return f"{len(event.problems)} problems: {event.public()['checks']}"
        case AnswerAccepted(citations=citations):
            return f"{len(citations)} citations, {event.repairs} repairs"
    return "  ".join(f"{name}={value}" for name, value in event.public().items())


def print_answer(console: Console, answer: AnswerAccepted, public_url: str | None, owner: Project) -> None:
    """The answer, then each citation with its document, its words and where to read on."""
    wraps = not console.is_terminal  # what goes into a pipe keeps its own lines
    console.print(Text("\n" + paragraphs(answer.text)), soft_wrap=wraps)
    for number, citation in enumerate(answer.citations, start=1):
        console.print(Text(f"\n[{number}] ", "bold") + text(citation.title or citation.source, "bold"), soft_wrap=wraps)
        console.print(Text("    “") + text(citation.quote, most=QUOTE_CHARS) + Text("”"), soft_wrap=wraps)
        console.print(Text("    ") + text(address(citation, public_url, owner), "dim"), soft_wrap=wraps)


def address(citation: Citation, public_url: str | None, owner: Project) -> str:
    """The document's own address, else the passage's page where the service's address is known, else its source."""
    if citation.url and is_web_address(citation.url):
        return citation.url
    return (
        Links(public_url.rstrip("/"), owner.id, owner.link_secret).address(citation) if public_url else citation.source
    )
