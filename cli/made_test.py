"""A test of a case as a Python file. Of the case's own texts nothing gets in that could be read as code."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from textwrap import wrap

from agent.cases import Case
from agent.cases.causes import Cause, Kind
from agent.cases.files import SUFFIX

OTHER = re.compile(r"[^A-Za-z0-9 .,:;()'_@+/%-]+")
"""What a docstring of ours does not hold: quotes, escapes, line ends, and whatever is not ASCII."""
COLUMNS = 100

PROMISES = {
    Kind.MENDABLE: "The test fails until the cause is mended in the agent's code, prompt, checks, schema or limits.",
    Kind.WORLD: "Nothing of ours mends that. The test asserts the contract: a typed failure, nothing shown unchecked.",
    Kind.WELL: "The test holds the behaviour as it is; leave out what may change.",
    Kind.EXPECTED: "The test fails until the agent comes to what should have come.",
}


@dataclass(frozen=True, slots=True)
class MadeTest:
    """What is asserted about a case. `answers` are what a model says where the agent asks another question now.

    `expect` are words of the answer, or a regular expression between slashes.
    """

    name: str
    case: Case
    cause: Cause
    answers: Sequence[str] = ()
    expect: str | None = None

    @property
    def file(self) -> str:
        return f"test_{self.name}.py"

    @property
    def case_file(self) -> str:
        return f"{self.name}{SUFFIX}"

    @property
    def is_safe(self) -> bool:
        """Whether it can be run anywhere: it calls no tool, and nothing in it has stopped a process."""
        return not (self.cause.tools and self.is_scripted) and not self.cause.deadly

    @property
    def is_scripted(self) -> bool:
        """Whether the agent of now may ask another question, which the answers are for."""
        return self.cause.kind in (Kind.MENDABLE, Kind.EXPECTED)

    def text(self) -> str:
        """The file."""
        asserts = list(self._asserts())
        helpers = sorted(
            {it.partition("(")[0] for it in asserts} | ({"says"} if self.is_scripted and self.answers else set())
        )
        fixtures = ", ".join(["case", "chain", *(["script"] if self.is_scripted else [])])
        lines = [
            f'"""{said(self.case.run.id, 80)}: {self.cause.kind}.',
            "",
            *wrap(_sentence(self.cause), COLUMNS),
            *wrap(f"{PROMISES[self.cause.kind]} Made by `cuelight make-test`.", COLUMNS),
            '"""',
            "",
            f"from agent.testing import {', '.join(helpers)}",
            *["", "", f"def test_{self.name}({fixtures}):"],
            *(f"    {line}" for line in (*self._run(), *asserts)),
        ]
        return "\n".join(lines) + "\n"

    def _run(self) -> Iterator[str]:
        file, cause = literal(self.case_file), self.cause
        if not self.is_scripted:
            yield f"now = chain.{'as_recorded' if cause.outside else 'again'}(case({file}))"
            return
        yield "# What was asked then is answered as it was. Where the agent asks another question now, the model says"
        yield "# these words, in order; without a line for it, what it said in that place then."
        yield from self._words()
        more = f", real=[{', '.join(map(literal, cause.tools))}]" if cause.tools else ""
        yield f"now = chain.again(case({file}), words{more}{', apart=True' if cause.deadly else ''})"

    def _words(self) -> Iterator[str]:
        if not self.answers:
            yield "words = script()  # such as script(says({...}), says({...}))"
            return
        yield "words = script("
        for answer in self.answers:
            first, *rest = pieces(answer)
            if not rest:
                yield f"    says({first}),"
                continue
            yield "    says("
            yield from (f"        {piece}" for piece in (first, *rest))
            yield "    ),"
        yield ")"

    def _asserts(self) -> Iterator[str]:
        cause = self.cause
        match cause.kind:
            case Kind.MENDABLE:
                yield "assert_mended(now)"
                if cause.tools:
                    yield f"assert_tools_worked(now, {', '.join(map(literal, cause.tools))})"
            case Kind.WORLD:
                yield f"assert_failed(now, {literal(cause.code)})"
                if not cause.outside:
                    yield "assert_within_budget(now)"
                    yield "assert_waited_as_told(now)"
                yield "assert_nothing_unchecked(now)"
            case Kind.WELL if cause.outside:
                yield "assert_cancelled(now)"
            case Kind.WELL:
                yield 'assert_as_then(now, "answer", "citations", "verdicts", "calls")'
            case Kind.EXPECTED:
                pattern = pattern_of(self.expect or "")
                yield (
                    f"assert_answered(now, contains={literal(self.expect or '')})"
                    if pattern is None
                    else f"assert_answered(now, matches={literal(pattern)})"
                )


def pattern_of(expect: str) -> str | None:
    """The regular expression between slashes; None where it is words."""
    return expect[1:-1] if len(expect) > 2 and expect[0] == expect[-1] == "/" else None


def literal(text: str) -> str:
    """A text as Python reads it: ASCII, on one line, between double quotes where there are none in it."""
    told = ascii(text)
    return f'"{told[1:-1]}"' if told[0] == "'" and '"' not in told and "\\'" not in told else told


def pieces(text: str) -> Iterator[str]:
    """A long text as literals that Python puts together."""
    for start in range(0, len(text) or 1, COLUMNS):
        yield literal(text[start : start + COLUMNS])


def said(text: str, most: int = 200) -> str:
    """What may stand in a docstring, whoever wrote it."""
    return OTHER.sub(" ", text)[:most].strip()


def name_of(case: Case) -> str:
    """What the files are called: the agent, what became of the run, and the end of its id."""
    data = case.ending.data if isinstance(case.ending.data, dict) else {}
    ended = str(data.get("code") or case.run.status)
    return plain_name(f"{case.agent.name} {ended} {case.run.id[-6:]}")


def plain_name(text: str) -> str:
    """A name for files and functions."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower())[:80].strip("_") or "case"


def _sentence(cause: Cause) -> str:
    told = f"{cause.code}: {cause.why}" if cause.code else cause.why
    return f"{said(told[:1].upper() + told[1:] if not cause.code else told)}."
