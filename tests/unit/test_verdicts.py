"""What each check said of a draft is a fact of its run, and a client that asks is told of it without a word."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import orjson
import pytest

from agent.agents import documents
from agent.checks import CitedAnswer
from agent.checks.draft import Draft
from agent.checks.judging import judge
from agent.envelope import Envelope, Key, seal
from agent.events import AnswerAccepted, AnswerDrafted, DraftRejected, Event, Evidence, RunFailed, VerdictGiven
from agent.request import Request
from agent.steps import Validate
from agent.testing import Script
from api.projection import project
from api.verdicts import facts, with_verdicts
from tests.unit.test_projection import ANSWER, AT, view
from tests.unit.test_steps import FOUND, RECEIVED, cited, draft_of, run_of

SECRET = "xyzzy"
SEEN = Evidence(status="found", start=0, end=4, citation=1, passage_id="psg_1", passage_start=2, passage_end=6)
WRONG = Evidence(status="unfounded", start=5, end=9)


def mentions_no_secret(draft: Draft) -> Iterable[str]:
    return [f"It mentions {SECRET}."] if SECRET in draft.answer else []


def looks_around(draft: Draft) -> Iterable[str | Evidence]:
    yield SEEN


async def judged(text: str) -> Sequence[Event]:
    drafted = draft_of(text, repairs=1)
    checks = (mentions_no_secret, looks_around)
    return await Validate(checks, None, "")(drafted, run_of(RECEIVED, FOUND, drafted), Script())


async def test_every_check_gives_a_verdict_before_the_answer_is_accepted() -> None:
    *given, ending = await judged("Hello.")
    assert given == [
        VerdictGiven(check="mentions_no_secret", passed=True, repairs=1),
        VerdictGiven(check="looks_around", passed=True, repairs=1, evidence=(SEEN,)),
    ]
    assert isinstance(ending, AnswerAccepted)


async def test_every_check_gives_a_verdict_before_the_draft_is_rejected() -> None:
    *given, last = await judged(SECRET)
    assert [(it.check, it.passed, it.problems) for it in given if isinstance(it, VerdictGiven)] == [
        ("mentions_no_secret", False, (f"It mentions {SECRET}.",)),
        ("looks_around", True, ()),
    ]
    assert isinstance(last, DraftRejected)
    assert [problem.check for problem in last.problems] == ["mentions_no_secret"]


@pytest.mark.parametrize(
    ("gives", "told"),
    [
        (lambda draft: "too long", "'<lambda>' gave one str; it must yield problems, or return a list"),
        (lambda draft: None, "gave None; it must yield"),
        (lambda draft: True, "gave one bool; it must yield"),
        (lambda draft: [None], "gave None where a problem is a string"),
        (lambda draft: [("too", "long")], "gave one tuple where a problem is a string"),
    ],
)
def test_a_check_that_tells_its_problems_in_another_way_is_a_bug_and_does_not_pass(gives: Any, told: str) -> None:
    with pytest.raises(TypeError, match=re.escape(told)):
        judge(gives, Draft(raw="", answer="", request=Request(messages=())))


def test_a_verdict_in_the_feed_has_names_and_counts_and_no_word() -> None:
    given = VerdictGiven(check="c", passed=False, repairs=2, problems=(SECRET,), evidence=(SEEN, WRONG))
    assert given.public() == {"check": "c", "passed": "false", "problems": "1", "evidence": "2", "repairs": "2"}


def test_a_verdict_keeps_what_is_wrong_where_a_check_has_more_to_show_than_is_kept() -> None:
    def shows_much(draft: Draft) -> Iterable[str | Evidence]:
        yield from [SEEN] * 200
        yield WRONG
        yield from [f"{SECRET} " * 1_000] * 200

    given = judge(shows_much, Draft("", "", Request(messages=())))
    assert (len(given.problems), len(given.problems[0]), len(given.evidence)) == (8, 300, 64)
    assert given.evidence[0] == WRONG


# ---------------------------------------------------------------------------------- what a client is told

ASKED = Request(messages=(), include=("cuelight.verdicts",))
FAILED = VerdictGiven(check="quotes", passed=False, repairs=0, problems=(SECRET, SECRET), evidence=(WRONG,))
PASSED = VerdictGiven(check="quotes", passed=True, repairs=1, evidence=(SEEN,))
DRAFT = AnswerDrafted(draft=SECRET, model="m", endpoint="e", prompt="answer@1")


class Shelf:
    """Knows what happened in one run."""

    async def happened(self, run: str, generation: int, /) -> Sequence[Envelope]:
        facts = (DRAFT, FAILED, PASSED, ANSWER)
        return [Envelope(Key(run, generation, seq), seal(event), AT) for seq, event in enumerate(facts, start=2)]


async def told(ending: AnswerAccepted | RunFailed | None, request: Request) -> dict[str, str]:
    shown = project(await with_verdicts(view(ending, request), Shelf()))  # type: ignore[arg-type]
    assert SECRET not in orjson.dumps(shown).decode()
    return {name: fact for name, fact in shown["metadata"].items() if "verdicts." in name or "evidence." in name}


async def test_a_client_that_asks_is_told_the_verdicts_on_every_draft_and_where_its_answer_stands() -> None:
    verdicts = await told(ANSWER, ASKED)
    assert verdicts.keys() == {"cuelight.verdicts.1", "cuelight.verdicts.2", "cuelight.evidence.1"}
    assert orjson.loads(verdicts["cuelight.verdicts.1"]) == {"quotes": 2}
    assert orjson.loads(verdicts["cuelight.verdicts.2"]) == {"quotes": 0}
    assert orjson.loads(verdicts["cuelight.evidence.1"]) == {"check": "quotes", **SEEN.model_dump()}


@pytest.mark.parametrize("ending", [RunFailed(code="no_valid_answer", message="No.", repairs=1)])
async def test_of_a_draft_that_nobody_reads_no_place_is_told(ending: RunFailed) -> None:
    assert (await told(ending, ASKED)).keys() == {"cuelight.verdicts.1", "cuelight.verdicts.2"}
    unanswered = ANSWER.model_copy(update={"no_answer": True})
    assert (await told(unanswered, ASKED)).keys() == {"cuelight.verdicts.1", "cuelight.verdicts.2"}


async def test_who_does_not_ask_and_who_asks_too_early_is_told_nothing() -> None:
    assert await told(ANSWER, Request(messages=())) == {}
    assert await told(None, ASKED) == {}


async def test_verdicts_fit_into_a_value_of_metadata_and_what_failed_is_never_left_out() -> None:
    many = [
        VerdictGiven(check=f"check_number_{n}" * 2, passed=n != 90, repairs=0, problems=("p",) * (n == 90))
        for n in range(99)
    ]
    sealed = [Envelope(Key("r", 1, seq), seal(event), AT) for seq, event in enumerate(many)]
    value = facts(sealed, ANSWER)["verdicts.1"]
    assert len(value) <= 512
    assert orjson.loads(value)["check_number_90check_number_90"] == 1


async def test_a_cited_draft_is_read_before_it_is_judged_and_that_is_a_verdict_too() -> None:
    drafted = draft_of(cited("The tower is 330 metres high.", "The tower is 330 metres high"))
    validate = Validate(documents.checks, CitedAnswer, "")
    *given, _ = await validate(drafted, run_of(RECEIVED, FOUND, drafted), Script())
    names = [it.check for it in given if isinstance(it, VerdictGiven)]
    assert names[0] == "output_is_valid"
    assert len(names) == 1 + len(documents.checks)
