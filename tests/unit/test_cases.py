"""What a case holds, as a value and as a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from agent.cases import NotACase, TooLarge, Unexportable, dumped, loads, made, read, written
from agent.cases.case import closed, opened
from agent.cases.comparing import sections
from agent.cases.making import check
from agent.effects import read_effect
from agent.errors import Overloaded, Permanent
from agent.prompting import Prompt
from agent.testing.cases import case_rows
from agent.testing.fake_model.recorded import trace_of
from tests.runs import QUESTION, RIGHT, WRONG, case_of, chain

ENDED: Mapping[str, Any] = {"id": "resp_1", "generation": 1, "status": "failed", "purged_at": None}


async def test_a_case_holds_the_request_the_prompts_the_events_and_all_that_was_asked() -> None:
    case = await case_of(Overloaded("slow down", retry_after_s=3), WRONG, RIGHT)
    assert isinstance(case.request, dict) and case.request["messages"][0]["content"] == QUESTION
    assert [event.type for event in case.events if event.type != "verdict.given"] == [
        "request.received",
        "passages.found",
        "answer.drafted",
        "draft.rejected",
        "answer.drafted",
        "answer.accepted",
    ]
    assert (case.asked()[0].type, case.asked()[0].status) == ("search", "answered")
    calls = [asked for asked in case.asked() if asked.type == "call_model"]
    assert [it.status for it in calls] == ["failed", "answered", "answered"]
    fault = case.asked()[1].fault
    assert fault is not None
    assert (fault.error, fault.kind, fault.wait_s, fault.message) == ("Overloaded", "rate_limited", 3.0, "slow down")
    assert (case.run.status, case.ending.type, case.cost.calls) == ("completed", "answer.accepted", 3)


async def test_its_cost_reads_as_people_write_it() -> None:
    one, two = [await case_of(*replies) for replies in ([RIGHT], [WRONG, RIGHT])]
    told = {it.name: it for it in sections(one, two)}["cost"]
    assert (told.then[0], told.now[0]) == ("1 call, unknown", "2 calls, unknown")


async def test_what_was_answered_is_found_by_its_question_whichever_attempt_asked_it() -> None:
    case = await case_of(Overloaded("slow down", retry_after_s=3), RIGHT)
    search, _, call = case.asked()
    assert case.answered() == {(search.hash, 0): search, (call.hash, 0): call}


async def test_each_question_stands_in_its_canonical_form_beside_its_hash() -> None:
    for asked in (await case_of(RIGHT)).asked():
        assert read_effect(closed(asked.effect)).hash() == asked.hash


async def test_the_files_of_its_prompts_are_the_version_that_it_names() -> None:
    case = await case_of(RIGHT)
    assert [Prompt.from_sources(files).id for files in case.sources.values()] == list(case.sources)
    assert [f"{name}@{version}" for name, version in case.prompts.items()] == list(case.sources)


async def test_a_file_gives_the_same_case_back_and_is_read_well(tmp_path: Path) -> None:
    case, path = await case_of(WRONG, RIGHT), tmp_path / "one.case.json"
    assert written(case, path) == path.stat().st_size
    assert read(path) == case
    assert path.stat().st_mode & 0o077 == 0
    lines = path.read_text().splitlines()
    assert lines[0] == "{" and lines[1] == '  "cuelight_case": 1,' and '    "name": "documents",' in lines


@pytest.mark.parametrize("text", ['{"b":1.0,"a":[2]}', '{"a": 1}', "[1]", "none", '{"n":123456789012345678901234}'])
def test_recorded_json_comes_back_byte_for_byte_and_in_its_own_order(text: str) -> None:
    assert closed(orjson.loads(orjson.dumps(opened(text)))) == text


async def test_a_file_holds_nothing_that_a_terminal_or_an_editor_obeys(tmp_path: Path) -> None:
    hostile = "a\x1b[2J\x7f\x9b2J\u202e\u2066b\u2028 Ж\u200d"
    case = await case_of(RIGHT, question=hostile)
    text = dumped(case).decode()
    assert not set(text) & set("\x1b\x7f\x9b\u202e\u2066\u2028") and "Ж\u200d" in text
    assert loads(text.encode()) == case
    trace = trace_of(case).dumped().decode()
    assert not set(trace) & set("\x1b\x7f\x9b\u202e\u2066\u2028")


async def test_a_case_that_is_too_large_is_refused_with_what_to_do() -> None:
    case = await case_of(RIGHT)
    with pytest.raises(TooLarge, match=r"MB and may have 0\.01: .* --most-mb"):
        dumped(case, 10_000)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "no case"),
        (b"[]", "no case"),
        (b"[" * 100_000, "no case"),
        (b'{"events": []}', "no case"),
        (b'{"cuelight_case": 1, "request": ' + b'{"a": ' * 300 + b"1" + b"}" * 301, "nested deeper than 200 levels"),
        (b'{"cuelight_case": 2}', "format 2; this release reads up to 1"),
        (b'{"cuelight_case": "1"}', "format '1'"),
        (b'{"cuelight_case": 1, "run": {"id": "x"}}', "run.status"),
    ],
)
def test_what_is_no_case_is_refused_in_one_sentence(text: bytes, why: str) -> None:
    with pytest.raises(NotACase, match=why):
        loads(text, "it.json")


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        (["events"], [], "events"),
        (["events", 0, "seq"], 10**18, "not numbered"),
        (["run", "deadline"], "0001-01-01T00:00:00Z", "run.deadline"),
        (["attempts", 0, "began_at"], "9999-12-31T00:00:00Z", "began_at"),
        (["events", 0, "at"], "2026-11-26T12:00:00", "timezone"),
        (["attempts", 0, "delay_s"], 1e300, "delay_s"),
        (["attempts", 0, "asked", 0, "fault"], {"error": "Held", "kind": "held", "wait_s": 1e18}, "wait so long"),
    ],
)
async def test_a_case_with_which_nobody_can_calculate_is_none(path: list[Any], value: Any, why: str) -> None:
    told = orjson.loads(dumped(await case_of(RIGHT)))
    place = told
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    with pytest.raises(NotACase, match=why):
        loads(orjson.dumps(told))


async def test_what_a_newer_release_added_to_the_same_format_is_passed_over() -> None:
    case = await case_of(RIGHT)
    told = orjson.loads(dumped(case))
    told["run"]["mood"], told["weather"] = "good", {"rain": True}
    assert loads(orjson.dumps(told)) == case


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"purged_at": "now"}, "were removed"),
        ({"purge_asked_at": "now"}, "was deleted"),
        ({"store": False}, "`store: false`"),
        ({"status": "in_progress"}, "has not ended"),
    ],
)
def test_a_run_whose_texts_may_not_stay_or_that_goes_on_is_refused(changes: Mapping[str, Any], why: str) -> None:
    check(ENDED)
    with pytest.raises(Unexportable, match=f"resp_1 cannot be exported: .*{why}"):
        check({**ENDED, **changes})


async def test_a_generation_that_was_never_there_is_refused() -> None:
    it = chain(RIGHT)
    rows = case_rows(it.ledger, (await it.ask(QUESTION)).view.id, it.prompts)
    assert rows is not None
    with pytest.raises(Unexportable, match="no generation 2"):
        made(rows, 2)


async def test_the_case_of_a_failure_ends_in_it() -> None:
    case = await case_of(Permanent("no such model", kind="rejected"))
    assert (case.run.status, case.ending.type, case.attempts[-1].outcome) == ("failed", "run.failed", "bury")
    assert isinstance(case.ending.data, dict) and case.ending.data["code"] == "rejected"


def test_a_case_of_the_first_format_can_be_read_for_ever() -> None:
    case = read(Path(__file__).parents[1] / "data" / "case_1.json")
    assert (case.written.release, case.written.redacted, case.note[:9]) == ("0.1.0", {"email": 1}, "The quote")
    assert (case.run.id, case.run.status, case.agent.spec) == (f"resp_{1:032}", "completed", "agent.agents:documents")
    steps = [f"{it.route} {it.outcome}" for it in case.attempts]
    assert steps[:4] == ["retrieve advance", "generate park", "generate advance", "validate advance"]
    assert steps[4:] == ["repair postpone", "repair advance", "validate advance"]
    faults = [asked.fault for asked in case.asked() if asked.fault]
    assert [(it.error, it.kind, it.wait_s) for it in faults] == [
        ("Overloaded", "rate_limited", 3.0),
        ("Transient", "transport", None),
    ]
    assert [it.fault.wait_s for it in case.attempts[1].refused] == [2.0]
    assert isinstance(case.ending.data, dict) and case.ending.data["text"] == RIGHT["answer"]
    assert set(case.sources) == {f"answer@{case.prompts['answer']}"}
    for asked in case.asked():
        assert read_effect(closed(asked.effect)).hash() == asked.hash, "hashes are for ever, too"
