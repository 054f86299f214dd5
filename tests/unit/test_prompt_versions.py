"""A prompt may be replaced while runs are on their way: each run goes on with the version that it began with."""

from __future__ import annotations

import shutil
from pathlib import Path

import orjson
import pytest
from jinja2 import UndefinedError

from agent import Agent, CallModel, ModelAnswer
from agent.checks import answers_something
from agent.definition import BoundAgent
from agent.errors import Misconfigured, Undecodable, Unfamiliar
from agent.events import AnswerAccepted, Ending, Passage, Problem
from agent.prompting import SHIPPED, Fence, Prompt, PromptBook, check_supplied, opening, repairing
from agent.request import Message, Request
from agent.testing import Chain, Script
from agent.testing.rehearsal import MODELS, Shelved, Work, scripted
from workers.decide import archived

GREETER = Agent(name="greeter", prompt="greet", checks=(answers_something,))
HEADER = "name: greet\nversion: {}\ninputs: {{properties: {{instructions: {{}}, question: {{}}, problems: {{}}}}}}\n"


def write(directory: Path, version: str, system: str) -> Path:
    directory.mkdir(parents=True)
    (directory / "prompt.yaml").write_text(HEADER.format(version))
    (directory / "system.j2").write_text(system)
    (directory / "user.j2").write_text("{{ question }}")
    (directory / "repair.j2").write_text("{{ problems }}")
    return directory


def answer(effect: CallModel) -> ModelAnswer:
    return ModelAnswer(text="Good evening.", model="m", endpoint="e")


SCRIPT = Script({CallModel: answer})


def bound(directory: Path) -> BoundAgent:
    return GREETER.bind(PromptBook.load(directory), MODELS)


async def ending(opened_with: Path, worked_on_with: Path, archive: Shelved) -> Ending:
    """What becomes of a run that one release opened and the next one works on; `SCRIPT` knows what it asked."""
    book = PromptBook.load(worked_on_with)
    agents = {GREETER.name: GREETER.bind(book, MODELS)}
    work = Work(agents, scripted(SCRIPT, agents), book, archive)
    SCRIPT.asked.clear()
    return (await Chain(bound(opened_with), work).ask("Well?")).ending


async def told(opened_with: Path, worked_on_with: Path, archive: Shelved) -> str:
    """The system's message of such a run."""
    assert isinstance(await ending(opened_with, worked_on_with, archive), AnswerAccepted)
    (asked,) = SCRIPT.of(CallModel)
    assert isinstance(asked, CallModel)
    assert asked.prompt == PromptBook.load(opened_with).current("greet").id
    return asked.messages[0].content


@pytest.fixture
def old(tmp_path: Path) -> Path:
    write(tmp_path / "old" / "greet", "1.0.0", "Bow.")
    return tmp_path / "old"


@pytest.fixture
def new(tmp_path: Path) -> Path:
    write(tmp_path / "new" / "greet", "1.1.0", "Wave.")
    return tmp_path / "new"


async def test_a_run_goes_on_with_the_older_version_that_stands_beside_the_current_one(old: Path, new: Path) -> None:
    shutil.copytree(old / "greet", new / "greet@1.0.0")
    assert await told(old, new, Shelved()) == "Bow."
    assert await told(new, new, Shelved()) == "Wave."


async def test_a_run_goes_on_with_the_archived_version_where_the_folder_was_edited(old: Path, new: Path) -> None:
    write(new / "greet@1.0.0", "1.0.0", "Bow deeply.")
    began_with = PromptBook.load(old).current("greet")
    assert await told(old, new, Shelved(began_with)) == "Bow."
    parked = await ending(old, new, Shelved())  # until a release comes by that has it, or the run's time is up
    assert (parked.public()["code"], SCRIPT.asked) == ("deadline_exceeded", [])


def test_a_version_that_was_edited_is_told_apart_from_one_that_is_not_here(old: Path, new: Path) -> None:
    began_with = PromptBook.load(old).current("greet").version
    with pytest.raises(Unfamiliar, match=r"greet@1\.0\.0\+\w+ is not here; of 'greet' there is 1\.1\.0\+\w+$"):
        PromptBook.load(new).get("greet", began_with)
    write(new / "greet@1.0.0", "1.0.0", "Bow deeply.")
    with pytest.raises(Unfamiliar, match=r"is not here: its files were changed, and are 1\.0\.0\+\w+ now$"):
        PromptBook.load(new).get("greet", began_with)


def test_what_the_archive_holds_under_a_wrong_name_is_not_used(old: Path, new: Path) -> None:
    kept = orjson.dumps(dict(PromptBook.load(old).current("greet").sources)).decode()
    version = PromptBook.load(new).current("greet").version
    with pytest.raises(Undecodable, match=r"greet@1\.1\.0\+\w+ is greet@1\.0\.0\+\w+: it was changed there"):
        archived("greet", version, kept)
    with pytest.raises(Undecodable, match="cannot be read"):
        archived("greet", version, "{")


def test_versions_are_listed_the_current_one_first(old: Path, new: Path) -> None:
    for numbers in ("1.0.10", "1.0.9"):
        write(new / f"greet@{numbers}", numbers, "Nod.")
    listed = [prompt.version.partition("+")[0] for prompt in PromptBook.load(new).versions("greet")]
    assert listed == ["1.1.0", "1.0.9", "1.0.10"]
    assert PromptBook.load(new).versions("sing") == []


def test_a_prompt_that_was_changed_and_kept_its_numbers_is_refused(new: Path) -> None:
    shutil.copytree(new / "greet", new / "greet@1.1.0")
    PromptBook.load(new)
    (new / "greet" / "system.j2").write_text("Wave twice.")
    with pytest.raises(Misconfigured, match=r"two prompts greet@1\.1\.0 that differ: give the changed one a version"):
        PromptBook.load(new)


def test_an_older_version_is_looked_at_as_closely_as_the_current_one(new: Path) -> None:
    older = write(new / "greet@1.0.0", "1.0.0", "Bow.")
    (older / "user.j2").write_text("{{ problems }}")
    with pytest.raises(Misconfigured, match=r"greet@1\.0\.0\+\w+: user\.j2 uses `problems`, but that role is given"):
        bound(new)


@pytest.mark.parametrize(
    ("role", "text", "complaint"),
    [
        ("user", "{% for passage in passages %}{{ passage.text }}{% endfor %}{{ question }}", "no attribute 'text'"),
        ("user", "{{ passages[0] }}{{ question }}", "no element 0"),
        ("system", "{{ instructions.text }}", "no attribute 'text'"),
        ("system", "{% if tools and form %}{{ 1 / 0 }}{% endif %}", "division by zero"),
        ("repair", "{{ problems.text }}", "no attribute 'text'"),
    ],
)
def test_a_prompt_that_would_fail_in_a_run_or_take_a_fence_off_fails_when_it_is_loaded(
    role: str, text: str, complaint: str
) -> None:
    sources = dict(PromptBook.load(SHIPPED).current("answer").sources) | {f"{role}.j2": text}
    sources["prompt.yaml"] += "    tools: {}\n    form: {}\n"
    with pytest.raises(Misconfigured, match=rf"answer@1\.0\.0\+\w+: {role}\.j2 cannot be rendered: .*{complaint}"):
        check_supplied(Prompt.from_sources(sources))


@pytest.mark.parametrize(
    ("role", "text"),
    [("user", "{{ passages[0].text }}"), ("system", "{{ instructions.text }}"), ("repair", "{{ problems.text }}")],
)
def test_no_step_gives_a_template_more_than_was_tried(role: str, text: str) -> None:
    sources = dict(PromptBook.load(SHIPPED).current("answer").sources) | {f"{role}.j2": text}
    prompt, fence = Prompt.from_sources(sources), Fence.of("x")
    found = Passage(id="i", label="p1", document_id="d", title="t", source="s", text="words")
    request = Request(messages=(Message(role="user", content="?"),), instructions="Be kind.")
    with pytest.raises(UndefinedError, match="no attribute 'text'"):
        repairing(opening(prompt, request, [found], fence), prompt, "draft", [Problem(check="c", message="m")], fence)
