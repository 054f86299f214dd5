"""`cuelight make-test`: a run, or a case, as a test that says what should have come."""

from __future__ import annotations

import re
import runpy
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from agent.cases import Case, TooLarge, dumped, read
from agent.cases.causes import Kind, cause_of
from agent.cases.files import SUFFIX
from agent.definition import load
from agent.effects import CallModel
from agent.testing import LiveCall, Script, Unscripted, forbid_live_calls
from agent.testing.chains import Chains
from cli.case_of import case_of, is_file
from cli.exits import Exit, leave
from cli.export import MostMb
from cli.find import DataDir, settings_for
from cli.logs import configure
from cli.made_test import PROMISES, MadeTest, name_of, pattern_of, plain_name
from cli.plain import plain, text

console = Console(highlight=False)
FOLDER = Path("tests/cases")
MOST_LINES = 6
"""Of what the test says now."""
WORDLESS = (
    "No model was asked then: if one is once the cause is mended, the test needs its words: "
    "--answer, or script(says(...)) in the file"
)


def make_test(
    what: Annotated[str, typer.Argument(help="The response's id, or a case file.")],
    folder: Annotated[Path, typer.Option("--dir", help="Where the case and its test are written.")] = FOLDER,
    expect: Annotated[
        str | None, typer.Option(help="What the answer should hold: words, or a /regular expression/.")
    ] = None,
    answer: Annotated[
        list[str] | None,
        typer.Option(help="What a model says where the agent asks another question now; again for the next one."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="What the files are called.")] = None,
    agent: Annotated[str | None, typer.Option(help="module:attribute, where the case does not say.")] = None,
    redact: Annotated[bool, typer.Option("--redact", help="As for `export`.")] = False,
    generation: Annotated[int | None, typer.Option(help="Which generation of a run; the newest by default.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over files that are there.")] = False,
    most_mb: MostMb = 20.0,
    data_dir: DataDir = None,
) -> None:
    """Write a run that ended as a case and a pytest file that fails until its cause is mended, where we can mend it."""
    _check(what, expect, name, redact=redact)
    if not folder.is_dir():
        leave(Exit.NOT_FOUND, f"there is no directory {plain(folder)}: make it, or name another one with --dir")
    settings = settings_for(data_dir)
    configure(settings, "make-test")
    case = _with_agent(case_of(what, settings, generation, redact=redact), agent)
    _check_wanted(case, expect)
    called = name or (plain_name(Path(what).name.removesuffix(SUFFIX)) if is_file(what) else name_of(case))
    made = MadeTest(called, case, cause_of(case, expect), answer or (), expect)
    paths = _write(made, folder, Path(what) if is_file(what) else None, int(most_mb * 1e6), force=force)
    for line in (*_told(made, paths), *_now(made, folder)):
        console.print(text(line), soft_wrap=True)


def _check(what: str, expect: str | None, name: str | None, *, redact: bool) -> None:
    if name is not None and not re.fullmatch(r"[a-z][a-z0-9_]{0,79}", name):
        leave(Exit.USAGE, f"{plain(name, 80)!r} is no name for a test: use small letters, digits and `_`, 80 at most")
    if redact and is_file(what):
        leave(Exit.USAGE, "--redact is for a run; of a case, `cuelight export FILE --redact` makes another one")
    if expect is not None and not expect.strip():
        leave(Exit.USAGE, "--expect says nothing: give words of the answer, or a /regular expression/")
    if (pattern := pattern_of(expect or "")) is not None:
        try:
            re.compile(pattern)
        except re.error as error:
            leave(Exit.USAGE, f"--expect {plain(pattern, 80)!r} is no regular expression: {error}")


def _with_agent(case: Case, spec: str | None) -> Case:
    """The case with the agent that is to run it."""
    if spec is not None:
        load(spec)
        return case.model_copy(update={"agent": case.agent.model_copy(update={"spec": spec})})
    if not case.agent.spec:
        leave(
            Exit.REFUSED,
            f"the case does not say where its agent {plain(case.agent.name, 80)!r} is: --agent module:attribute does",
        )
    return case


def _check_wanted(case: Case, expect: str | None) -> None:
    """An answer that holds what is expected already was not wrong for want of it."""
    data = case.ending.data if isinstance(case.ending.data, dict) else {}
    said, pattern = data.get("text"), pattern_of(expect or "")
    if expect is None or not isinstance(said, str) or data.get("no_answer"):
        return
    if re.search(pattern, said) if pattern is not None else expect in said:
        leave(
            Exit.FAILED, f"the answer of {plain(case.run.id, 80)} holds that already: expect what it should have said"
        )


def _write(made: MadeTest, folder: Path, source: Path | None, most_bytes: int, *, force: bool) -> Sequence[Path]:
    test, case = folder / made.file, folder / made.case_file
    kept = source is not None and case.exists() and case.samefile(source)
    there = [it for it in (test, *([] if kept else [case])) if it.exists() or it.is_symlink()]
    if there and not force:
        names = " and ".join(str(it) for it in there)
        leave(Exit.REFUSED, f"{plain(names)} would be overwritten: choose another --name, or say --force")
    try:
        contents = dumped(made.case, most_bytes)
        for path in there:
            path.unlink()
        if not kept or made.case != read(case):
            case.touch(mode=0o600)
            case.write_bytes(contents)
        test.write_text(made.text(), encoding="utf-8")
    except TooLarge as error:
        leave(Exit.FAILED, str(error))
    except OSError as error:
        leave(Exit.FAILED, f"{plain(error.filename or folder)} cannot be written: {error.strerror}")
    return case, test


def _told(made: MadeTest, paths: Sequence[Path]) -> Sequence[str]:
    cause = made.cause
    code = f"{cause.code}: " if cause.code else ""
    unused = (
        ["--answer is left out: this test asks what was asked then"] if made.answers and not made.is_scripted else []
    )
    wordless = [WORDLESS] if _needs_words(made) else []
    wrote = f"wrote {' and '.join(map(str, paths))}"
    return [wrote, f"{cause.kind}: {code}{cause.why}", PROMISES[cause.kind], *unused, *wordless]


def _needs_words(made: MadeTest) -> bool:
    """Whether the run of then ended before anything was said that the mended agent could be told again."""
    asked = any(it.type == CallModel.type for it in made.case.asked())
    return made.cause.kind is Kind.MENDABLE and not made.answers and not asked


def _now(made: MadeTest, folder: Path) -> Sequence[str]:
    """What the test says as things are, unless running it might do harm here."""
    file = folder / made.file
    if not made.is_safe:
        why = "it killed its workers" if made.cause.deadly else f"it calls {', '.join(made.cause.tools)} for real"
        return [f"not run here, since {why}: pytest {file}"]
    failed = _run(made, folder)
    if failed is None:
        fails = made.cause.kind in (Kind.MENDABLE, Kind.EXPECTED)
        return ["now it passes" + (": with the agent as it is here, that does not come again" if fails else "")]
    return [f"now it fails: {failed[0]}", *(f"  {line}" for line in failed[1:MOST_LINES])]


def _run(made: MadeTest, folder: Path) -> Sequence[str] | None:
    """What the test fails with, line by line; None if it passes."""
    found: dict[str, Any] = {"case": lambda file: read(folder / file), "chain": Chains(), "script": Script}
    try:
        function = runpy.run_path(str(folder / made.file))[f"test_{made.name}"]
        wanted = function.__code__.co_varnames[: function.__code__.co_argcount]
        with forbid_live_calls():
            function(**{fixture: found[fixture] for fixture in wanted})
    except AssertionError as error:
        return str(error).splitlines() or ["an assertion of the agent's code"]
    except (Exception, Unscripted, LiveCall) as error:  # an author's code may raise anything
        return f"{type(error).__name__}: {error}".splitlines()
    return None
