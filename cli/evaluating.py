"""What `cuelight evaluate` does with the ledger: it asks for the runs of a data set, and reads what became of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from importlib import metadata

from agent.access import Project
from agent.adapters.embedded import EngineUrls
from agent.definition import BoundAgent
from agent.evaluation import (
    Account,
    BadDataset,
    Data,
    Dataset,
    Evaluation,
    Line,
    Plan,
    Ran,
    Report,
    Scored,
    Wanted,
    Written,
    arguments,
    ran_of,
    scored,
    wish_of,
)
from agent.evaluation.dataset import first
from agent.evaluation.runs import DELETED
from agent.jobs import Job
from agent.pauses import INTAKE
from agent.request import Request
from agent.settings import NameSettings, Settings
from agent.wiring import Cast, Connected, archive_prompts, cast, connected
from api.access import Caller
from api.admission import admit
from api.body import refuse_unstorable
from api.collections import check_collections
from api.door import Door
from api.errors import ApiError
from api.offers import Offer, choose
from api.opening import new_run
from api.serve import door_of
from api.trace import accept_traceparent
from cli.exits import Exit, leave
from cli.find import service_url
from cli.plain import plain
from cli.projects import find
from cli.reading import operator

READ_AT_ONCE = 32
ASKED = "the agent with the models that were asked for"
"""A name that no client's `model` can be taken for: it has blanks."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A data set, and who is to answer it. No agent means the first one, no models those of the agent."""

    dataset: Dataset
    agent: str | None
    models: tuple[str, ...]
    project: str
    at_once: int
    most_usd: Decimal | None = None
    """No more runs are opened once those that are cost so much."""


@dataclass(frozen=True, slots=True)
class Begun:
    """An evaluation on record. `job` is None where all of its runs have ended already."""

    evaluation: Evaluation
    new: bool
    job: Job | None
    account: Account
    grounded: bool
    """Whether its agent answers from documents."""


async def begin(settings: Settings, urls: EngineUrls, asked: Asked) -> Begun:
    """Put an evaluation on record with a job that does it, or find the one that wants the same and was not told yet.

    Raises `BadDataset` for lines that the service would refuse.
    """
    company = cast(settings)
    async with connected(settings, urls.database_url, urls.redis_url) as it:
        owner = find((await it.access.book()).projects.values(), asked.project)
        door = door_of(settings, it, company, service_url(settings) or f"http://{settings.host}:{settings.port}")
        offer = _offer(door, owner, asked)
        if asked.most_usd is not None:
            _refuse_unpriced(settings, offer.chain)
        bound = company.agents[offer.card.name]
        wish = wish_of(asked.dataset.hash, bound.id, *offer.chain, asked.project)
        found, new = await it.evaluations.find(wish), False
        if found is None:
            await _refuse_paused(it)
            found, new = await _put(it, door, offer, asked, wish, company)
        await it.evaluations.limit(found.id, asked.most_usd)
        job = await _job(it, found)
        account = _account(bound, offer, asked.project, offline=company.offline)
        return Begun(found, new, job, account, bound.agent.retrieval is not None)


async def collect(settings: Settings, urls: EngineUrls, asked: Asked, begun: Begun) -> Report:
    """What all lines came to, once all of their runs have ended."""
    async with connected(settings, urls.database_url, urls.redis_url) as it:
        runs = await it.evaluations.runs(begun.evaluation.id)
        turns = asyncio.Semaphore(READ_AT_ONCE)
        pairs = zip(asked.dataset.lines, runs, strict=True)
        lines = await asyncio.gather(*(_scored(it, line, run, begun, turns) for line, run in pairs))
    return Report(
        written=Written(release=metadata.version("cuelight"), at=datetime.now(UTC)),
        evaluation=begun.evaluation.id,
        dataset=Data(name=asked.dataset.name, hash=asked.dataset.hash, lines=len(asked.dataset.lines)),
        agent=begun.account,
        lines=tuple(lines),
    )


async def settle(settings: Settings, urls: EngineUrls, id: str) -> None:
    """Somebody has read it: the same command begins another one."""
    async with connected(settings, urls.database_url, urls.redis_url) as it:
        await it.evaluations.told(id)


def _offer(door: Door, owner: Project, asked: Asked) -> Offer:
    """Who answers. Ends the command if there is no such agent or model, or not for this project."""
    try:
        offer = choose(asked.agent, door, owner)
    except ApiError as error:
        leave(Exit.NOT_FOUND, plain(error.message.replace("model", "agent", 1)))
    there = door.settings.model_names()
    usable = [name for name in there if owner.models is None or name in owner.models]
    for name in asked.models:
        if name not in usable:
            leave(
                Exit.NOT_FOUND, f"there is no model {plain(name, 80)!r} for this project; there is {', '.join(usable)}"
            )
    return replace(offer, models=asked.models or offer.models)


def _refuse_unpriced(settings: Settings, chain: Sequence[str]) -> None:
    """Nobody could say when a model without a price has used a limit up."""
    for endpoint in settings.endpoints():
        for model in endpoint.models:
            if model.name in chain and not model.priced:
                leave(Exit.USAGE, f"--most-usd: {plain(model.name, 80)!r} has no price; see docs/models.md")


async def _refuse_paused(it: Connected) -> None:
    for pause in await it.pauses.pauses():
        if pause.scope == INTAKE:
            leave(Exit.REFUSED, f"the intake is paused by {plain(pause.by)}; see `cuelight pauses`")


async def _put(
    it: Connected, door: Door, offer: Offer, asked: Asked, wish: str, company: Cast
) -> tuple[Evaluation, bool]:
    owner = find((await it.access.book()).projects.values(), asked.project)
    requests = await _requests(door, offer, owner, asked.dataset)
    await archive_prompts(company.book, company.agents, it.ledger)
    of_any = new_run("", offer.card, requests[0], asked.project, "")
    plan = Plan.of(of_any, asked.at_once)
    lines = [
        Wanted(number, door.new_id(), request.model_dump_json(), accept_traceparent(None))
        for number, request in enumerate(requests, start=1)
    ]
    return await it.evaluations.begin(wish, plan, lines)


async def _requests(door: Door, offer: Offer, owner: Project, dataset: Dataset) -> Sequence[Request]:
    """What each line asks, past everything that the API would refuse. Raises `BadDataset`."""
    named = replace(door, names={ASKED: NameSettings(agent=offer.card.name, models=offer.models)})
    requests, problems = [], []
    for place, line in zip(dataset.places, dataset.lines, strict=True):
        try:
            requests.append(await _request(named, offer, owner, line))
        except ApiError as error:
            problems.append(f"line {place}: {plain(error.message)}")
    if problems:
        raise BadDataset(list(first(problems)))
    return requests


async def _request(door: Door, offer: Offer, owner: Project, line: Line) -> Request:
    body = {**line.request, "input": line.input, "model": ASKED, "background": True}
    refuse_unstorable(body)
    request = admit(body, door, Caller(owner)).request
    await check_collections(request, door, owner.id)
    return request.model_copy(update={"model": offer.name, "fence": door.new_fence()})


async def _job(it: Connected, found: Evaluation) -> Job | None:
    standing = await it.evaluations.standing(found.id)
    if standing.done == standing.total:
        return None
    job, _ = await it.jobs.ask("evaluation", arguments(found.id), operator(), found.total)
    return job


def _account(bound: BoundAgent, offer: Offer, project: str, *, offline: bool) -> Account:
    return Account(
        name=bound.name,
        version=bound.version,
        prompts=dict(bound.prompts),
        models=tuple(offer.chain),
        project=project,
        offline=offline,
    )


async def _scored(it: Connected, line: Line, run: str, begun: Begun, turns: asyncio.Semaphore) -> Scored:
    """What a line came to. Answers and passages are let go of at once: thousands of them would fill the memory."""
    async with turns:
        view = await it.ledger.view(run, begun.account.project)
        events = [] if view is None else await it.ledger.happened(run, view.generation)
        ran = Ran(run, DELETED, code=DELETED) if view is None else ran_of(view, events)
        return scored(line, ran, grounded=begun.grounded)
