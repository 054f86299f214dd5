"""Make the golden cases: real engines, a door and worker processes meet each failure, and the run is exported.

python -m tests.cases.make [NAME…]
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from pathlib import Path

import structlog
from redis.asyncio import Redis

from agent.adapters.embedded import Engines, EngineUrls
from agent.cases import Case, dumped, read, written
from agent.cases.files import SUFFIX
from tests.cases.agents import SPECS
from tests.cases.recipes import RECIPES, Recipe
from tests.e2e.desk import Desk
from tests.engines import temporary_directory
from tests.traces.theatre import Theatre, opened

HERE = Path(__file__).parent
PAGE = HERE / "README.md"
MARK = "<!-- `python -m tests.cases.make` writes what follows. -->\n"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.cases.make", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="which cases; all if none is named")
    wanted = parser.parse_args().names
    if unknown := set(wanted) - {it.name for it in RECIPES}:
        parser.error(f"there is no recipe {min(unknown)!r}")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with temporary_directory() as home, Engines(home / "engines") as engines:
        for recipe in RECIPES:
            if not wanted or recipe.name in wanted:
                (place := home / recipe.name).mkdir()
                asyncio.run(_make(recipe, engines.urls, place))
    PAGE.write_text(page(PAGE.read_text()))


def page(text: str) -> str:
    """The page of the cases, with a line for each."""
    rows = [f"| [{it.name}]({it.name}{SUFFIX}) | {it.wrong} | `{it.end}` |" for it in RECIPES]
    table = "\n".join(["| case | what went wrong | the end |", "|---|---|---|", *rows])
    return f"{text.partition(MARK)[0]}{MARK}\n{table}\n"


async def _make(recipe: Recipe, urls: EngineUrls, home: Path) -> None:
    settings = {"models": ("fake-model",), **recipe.settings}
    async with opened(urls, home, SPECS, **settings) as theatre:
        run = await _ran(recipe, theatre)
        followed = await theatre.stage.model.followed()
        case = await _exported(theatre, run, home, recipe)
    if followed["off_trace_count"] or followed["unserved"]:
        raise SystemExit(f"{recipe.name} did not follow its recipe: {followed}")
    if (end := case.end) != recipe.end:
        raise SystemExit(f"{recipe.name} was to end with {recipe.end}, and ended with {end}")
    if named := [str(it) for it in (home, Path.cwd(), Path.home()) if str(it) in dumped(case).decode()]:
        raise SystemExit(f"{recipe.name} names a path of this machine: {named}")
    size = written(case, HERE / f"{recipe.name}{SUFFIX}")
    sys.stdout.write(f"{recipe.name}: {end}, {size:,} bytes\n")


async def _ran(recipe: Recipe, theatre: Theatre) -> str:
    """Have the run come to its end. Its id."""
    stage = theatre.stage
    await stage.model.follow(recipe.trace)
    hands = 2 if recipe.trace.faults else 1
    if not recipe.deaths:
        theatre.hire(hands)
    reply = await theatre.http.post("/v1/responses", json=recipe.body)
    assert reply.status_code == 200, reply.text
    run: str = reply.json()["id"]
    for death in recipe.deaths:
        await stage.die(stage.work(death=death))
    theatre.hire(hands)
    if recipe.act is not None:
        await recipe.act(theatre, run)
    await stage.end(run)
    await theatre.hand.rest()
    await theatre.told_by_zombies(run)
    return run


async def _exported(theatre: Theatre, run: str, home: Path, recipe: Recipe) -> Case:
    """As the command does it."""
    stage, path = theatre.stage, home / f"one{SUFFIX}"
    async with Redis.from_url(stage.urls[1]) as redis:
        desk = Desk(EngineUrls(*stage.urls), stage.settings["redis_prefix"], home, stage.store.pool, redis)
        words = ("export", run, "--redact", "--out", str(path))
        done = await desk.run(*words, CUELIGHT_AGENT=",".join(SPECS))
    assert done.code == 0, done.err
    return read(path).model_copy(update={"note": recipe.wrong})


if __name__ == "__main__":
    main()
