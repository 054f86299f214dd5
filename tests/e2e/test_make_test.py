"""Failures of the running service become tests: they fail for the reason of then, and pass once the cause is mended."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from agent.prompting.book import SHIPPED
from agent.testing.rehearsal import log_plainly
from cli import make_test
from cli.main import build
from tests.e2e import failing
from tests.e2e.desk import Done
from tests.e2e.house import RIGHT, WRONG, House, Open, until

pytest_plugins = ["pytester"]

SOURCE = Path(failing.__file__)
GOOD = orjson.dumps(RIGHT).decode()
LOOKED_UP: dict[str, Any] = {"prompt": "chat", "attempt": 1}
TOO_LONG = {"answer": "At nine o'clock.", "times": 1}

IN_A_HURRY = {"hasty": 2, "limited": 1, "hanging": 1}
"""How often each of them asks its model before its time is over."""
ARE_LATE = "update work set deadline = clock_timestamp() where run_id = any($1)"
TOOK_LONG = """
with longer as (
    update attempts set began_at = began_at - make_interval(secs => $2)
    where run_id = any($1) and route = 'generate' and coalesce(delay_s, 0) = 0
    returning token
), asked as (
    update calls set asked_at = asked_at - make_interval(secs => $2), duration_ms = duration_ms + 1000 * $2
    where token in (select token from longer)
)
update runs
set created_at = created_at - make_interval(secs => $2), deadline = deadline - make_interval(secs => $2)
where id = any($1)
"""
"""The first call of each of these runs went on for so long, or the wait that it was told to make."""


def calls(tool: str) -> list[Any]:
    return [{"id": "call_1", "function": {"name": tool, "arguments": {"id": "A-1"}}}]


@dataclass(frozen=True)
class Failure:
    """What an agent's model says, how the run ends, and what the test of it says before it is mended (None: passes)."""

    says: tuple[dict[str, Any], ...]
    code: str
    kind: str
    reason: str | None = None
    options: tuple[str, ...] = ()


def ours(code: str, reason: str, *says: dict[str, Any], answer: str = "") -> Failure:
    return Failure(says, code, "mendable", reason, ("--answer", answer) if answer else ())


def theirs(code: str, **fault: Any) -> Failure:
    return Failure(({"fault": fault},), code, "the world's fault")


FAILURES: Mapping[str, Failure] = {
    "citing": ours("no_valid_answer", "quotes_are_found: the quote", {"answer": WRONG}, answer=GOOD),
    "refusing": ours("refused", "as it did then: refused", {"fault": "refusal"}, answer=GOOD),
    "lengthy": ours("context_length_exceeded", "context_length_exceeded", {"fault": "context_length"}, answer=GOOD),
    "rejected": ours("rejected", "as it did then: rejected", {"fault": "bad_request"}, answer=GOOD),
    "talking": ours("no_valid_answer", "output_is_valid", {"answer": "Sure, at nine."}),
    "shaped": ours("no_valid_answer", "output_is_valid: ", {"answer": {"opens_at": "nine"}}),
    "strict": ours("no_valid_answer", "is_short: the answer is too long", {"answer": "At nine o'clock."}),
    "crashing": ours("bug", "KeyError: 'words'", {"answer": "At nine."}),
    "deadly": ours("deliveries", "stops its process as it did then: exit code 9", {"answer": "No."}, answer="At nine."),
    "ordering": ours(
        "",
        "the tool 'find_order' fails as it did then: The tool failed.",
        {**LOOKED_UP, "tool_calls": calls("find_order")},
        {"answer": "It cannot be looked up."},
        answer="It was shipped.",
    ),
    "sending": ours(
        "parcels",
        "it fails as it did then: parcels",
        {**LOOKED_UP, "tool_calls": calls("find_parcel")},
        answer="It is on its way.",
    ),
    "poor": ours("budget", "it may spend 1", {"answer": WRONG}, answer=GOOD),
    "hasty": ours(
        "deadline_exceeded", "as it did then: deadline_exceeded", TOO_LONG, {"fault": "hang"}, answer="Nine."
    ),
    "limited": theirs("deadline_exceeded", kind="rate_limited", retry_after=20),
    "hanging": theirs("deadline_exceeded", kind="hang"),
    "away": theirs("server", kind="server_error"),
    "garbled": theirs("malformed", kind="html"),
    "unpaid": theirs("quota", kind="insufficient_quota"),
    "locked": theirs("unauthorized", kind="unauthorized"),
    "well": Failure(({"answer": RIGHT},), "", "ended well"),
    "mistaken": Failure(
        ({"answer": RIGHT},),
        "",
        "not what was expected",
        "the answer does not hold 'free of charge'",
        ("--expect", "free of charge", "--answer", GOOD.replace("two years.", "two years, free of charge.")),
    ),
}


def lines() -> list[dict[str, Any]]:
    return [{"model": name, **line} for name, it in FAILURES.items() for line in it.says]


async def produced(it: House) -> dict[str, str]:
    """A run of every agent, all at once; the ids by the agents' names."""
    async with it.door() as http:

        async def ask(name: str) -> tuple[str, str]:
            asked = {"model": name, "input": "How long is the warranty of the lamp?", "background": True}
            reply = await http.post("/v1/responses", json=asked)
            assert reply.status_code == 200, reply.text
            return name, reply.json()["id"]

        async def wave(*names: str) -> dict[str, str]:
            found = dict(await asyncio.gather(*map(ask, names)))
            await until(over)
            return found

        async def over() -> bool:
            return bool(await it.pool.fetchval("select count(*) = 0 from work"))

        found = dict([await ask("deadly")])
        # As it stands once eight workers have died of it: nobody here may be the ninth.
        await it.pool.execute("update work set deliveries = 8")
        async with it.worker():
            found |= await wave(*(name for name in FAILURES if name not in (*IN_A_HURRY, "deadly")))
            found |= await late(it, dict(await asyncio.gather(*map(ask, IN_A_HURRY))))
            await until(over)
    return found


async def late(it: House, runs: dict[str, str]) -> dict[str, str]:
    """These runs, whose time is over as soon as each has asked what it asks."""
    asked_all = sorted(runs[name] for name, times in IN_A_HURRY.items() for _ in range(times))
    mine = list(runs.values())

    async def asked() -> bool:
        return sorted(call["run"] for call in await it.model.log() if call["run"] in mine) == asked_all

    async def settled() -> bool:
        statement = "select count(*) = 0 from attempts where run_id = any($1) and ended_at is null"
        return bool(await it.pool.fetchval(statement, mine))

    await until(asked)
    await it.pool.execute(ARE_LATE, mine)
    await until(settled)
    await it.pool.execute(TOOK_LONG, mine, failing.TIME_S)
    return runs


async def made(it: House, runs: Mapping[str, str], folder: Path) -> dict[str, Done]:
    """What the command says of each run. All are typed in this process: they share what takes long to load."""
    cases = folder / "tests" / "cases"
    cases.mkdir(parents=True)
    environment = {
        "CUELIGHT_DATABASE_URL": it.urls.database_url,
        "CUELIGHT_REDIS_URL": it.urls.redis_url,
        "CUELIGHT_AGENT": ",".join(it.settings.agent),
        "CUELIGHT_PROMPTS_DIR": str(folder / "prompts"),
    }

    def make(name: str) -> Done:
        words = ["make-test", runs[name], "--dir", str(cases), "--name", name, *FAILURES[name].options]
        done = CliRunner().invoke(build(words), words, env=environment)
        return Done(done.exit_code, done.stdout, done.stderr + str(done.exception or ""))

    return await asyncio.to_thread(lambda: {name: make(name) for name in FAILURES})


def write_prompt(folder: Path, *, mended: bool) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(SHIPPED / "answer", folder)
    header, told = folder / "prompt.yaml", folder / "system.j2"
    version = "1.1.0" if mended else "1.0.0"
    header.write_text(
        header.read_text().replace("name: answer", "name: lamp").replace("version: 1.0.0", f"version: {version}")
    )
    told.write_text(told.read_text() + ("\nQuote word for word.\n" if mended else ""))


def write_agents(folder: Path, *, mended: bool) -> None:
    """The project of the agents' author, with every fault or with none."""
    text = SOURCE.read_text()
    (folder / "failing_agents.py").write_text(text.replace("MENDED = bool(0)", f"MENDED = bool({int(mended)})"))
    write_prompt(folder / "prompts" / "lamp", mended=mended)
    sys.modules.pop("failing_agents", None)


@dataclass
class Tried:
    passed: set[str]
    failed: dict[str, str]


def tried(desk: pytest.Pytester, *, mended: bool) -> Tried:
    """All the tests in one go."""
    write_agents(desk.path, mended=mended)
    told = desk.inline_run("-p", "no:cacheprovider", "-p", "no:asyncio", "-q", "tests/cases")
    reports = [it for it in told.getreports("pytest_runtest_logreport") if it.when == "call" or it.failed]
    names = {it: it.nodeid.partition("::test_")[2] for it in reports}
    return Tried(
        {names[it] for it in reports if it.passed}, {names[it]: it.longreprtext for it in reports if it.failed}
    )


def test_every_kind_of_failure_becomes_a_test_that_fails_until_it_is_mended(
    house: Open, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(make_test, "configure", lambda *_: None)  # how this process logs is not the command's to say
    monkeypatch.syspath_prepend(pytester.path)
    log_plainly()
    write_agents(pytester.path, mended=False)
    agents, models = ",".join(f"failing_agents:{name}" for name in FAILURES), ",".join(FAILURES)

    async def service() -> dict[str, Done]:
        settings = {"agent": agents, "models": models, "prompts_dir": pytester.path / "prompts", "slots": 32}
        async with house(*lines(), **settings) as it:
            return await made(it, await produced(it), pytester.path)

    commands = asyncio.run(service())
    for name, it in FAILURES.items():
        done = commands[name]
        assert done.code == 0, (name, done.out, done.err)
        assert f"{it.kind}: {it.code}" in done.out, (name, done.out)
        assert ("now it passes" in done.out) is (it.reason is None), (name, done.out)
    failing_now = {name for name, it in FAILURES.items() if it.reason is not None}
    before = tried(pytester, mended=False)
    assert set(before.failed) == failing_now, before
    for name in failing_now:
        assert str(FAILURES[name].reason) in before.failed[name], (name, before.failed[name])
    after = tried(pytester, mended=True)
    assert after.passed == set(FAILURES), after.failed
    assert set(tried(pytester, mended=False).failed) == failing_now
