"""Evaluations without an engine: data sets, scores, intervals, comparisons, files and tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from random import Random
from typing import Any

import pytest
from rich.console import Console

from agent.evaluation import (
    QUALITY,
    Account,
    BadDataset,
    Data,
    Dataset,
    Expected,
    Line,
    NotAReport,
    Ran,
    Report,
    Scored,
    breaches,
    compare,
    dumped,
    gate,
    interval,
    loads,
    quantile,
    scored,
    scores_of,
)
from agent.evaluation import report as reports
from agent.evaluation.dataset import MOST_LINES, MOST_PROBLEMS
from agent.events import AnswerAccepted, Citation, Passage
from cli.scoreboard import markdown, sheets, sheets_of, show

MILL = "The old mill was restored in 1958 by volunteers from the village."
PASSAGE = Passage(id="psg_1", label="p1", document_id="docs/mill.md", title="The mill", source="mill.md", text=MILL)


def draw() -> Any:
    return Random(7).random


def cited(document: str = "docs/mill.md", passage: str = "psg_1") -> Citation:
    ends = {"answer_start": 0, "answer_end": 10, "passage_start": 0, "passage_end": len(MILL)}
    return Citation(**ends, passage_id=passage, document_id=document, title="The mill", source=document, quote=MILL)


def ran(text: str, *citations: Citation, **more: Any) -> Ran:
    answer = AnswerAccepted(text=text, citations=citations, no_answer=more.pop("no_answer", False))
    return Ran("resp_1", "completed", answer, **more)


def score(expected: dict[str, Any], it: Ran, *, grounded: bool = False) -> dict[str, float]:
    return scores_of(Expected.model_validate(expected), it, grounded=grounded)


def dataset(*rows: Any) -> Dataset:
    return loads("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows).encode())


@pytest.mark.parametrize(
    ("expected", "text", "name", "value"),
    [
        ({"exact": "At  eight."}, "At eight.\n", "exact", 1.0),
        ({"exact": "At eight."}, "at eight.", "exact", 0.0),
        ({"exact": ["No.", "Cafe\u0301"]}, "Caf\u00e9", "exact", 1.0),
        ({"exact": {"a": [1], "b": None}}, '{"b": null, "a": [1]}', "exact", 1.0),
        ({"exact": {"a": 1}}, "a is 1", "exact", 0.0),
        ({"exact": {"a": [1]}}, '{"a": [true]}', "exact", 0.0),
        ({"exact": {"a": [1, {"b": False}]}}, '{"a": [1.0, {"b": false}]}', "exact", 1.0),
        ({"exact": {"a": [1]}}, '{"a": [1, 2]}', "exact", 0.0),
        ({"contains": "EIGHT"}, "At eight.", "contains", 1.0),
        ({"contains": ["eight", "nine"]}, "At eight.", "contains", 0.5),
        ({"contains": "two years"}, "two\nyears", "contains", 1.0),
        ({"lacks": ["eight", "nine"]}, "At ten.", "lacks", 1.0),
        ({"lacks": ["eight", "nine"]}, "At nine.", "lacks", 0.5),
        ({"schema": {"type": "object", "required": ["a"]}}, '{"a": 1}', "schema", 1.0),
        ({"schema": {"type": "object", "required": ["a"]}}, '{"b": 1}', "schema", 0.0),
        ({"schema": {}}, "no JSON", "schema", 0.0),
        ({"schema": {}}, '{"a": 1, "a": 2}', "schema", 0.0),
    ],
)
def test_an_answer_is_held_against_what_was_expected(
    expected: dict[str, Any], text: str, name: str, value: float
) -> None:
    assert score(expected, ran(text)) == {"answered": 1.0, name: value}


@pytest.mark.parametrize(
    ("wanted", "documents", "recall", "precision"),
    [
        (["docs/mill.md"], ["docs/mill.md"], 1.0, 1.0),
        (["docs/mill.md", "docs/wheel.md"], ["docs/mill.md", "docs/town.md"], 0.5, 0.5),
        (["docs/mill.md"], ["docs/mill.md", "docs/mill.md", "docs/town.md"], 1.0, 0.5),
        (["psg_1"], ["docs/mill.md"], 1.0, 1.0),
        (["docs/wheel.md"], [], 0.0, None),
    ],
)
def test_citations_are_compared_with_the_expected_documents(
    wanted: list[str], documents: list[str], recall: float, precision: float | None
) -> None:
    found = score({"citations": wanted}, ran("It was.", *map(cited, documents)))
    assert (found["source_recall"], found.get("source_precision")) == (recall, precision)


def test_citations_have_alces_scores_where_the_answer_had_passages() -> None:
    text = "The old mill was restored in 1958. Nobody ever knew why they did so."
    found = score({}, ran(text, cited(), passages=(PASSAGE,)), grounded=True)
    assert (found["citation_recall"], found["citation_precision"]) == (0.5, 1.0)
    nothing = score({"no_answer": True}, ran("Not in here.", no_answer=True, passages=(PASSAGE,)), grounded=True)
    assert nothing == {"answered": 1.0, "no_answer": 1.0}


def test_a_run_that_failed_has_nothing_of_what_a_right_answer_has() -> None:
    failed = Ran("resp_1", "failed", code="quotes_not_found")
    found = score({"exact": "yes", "citations": "docs/mill.md"}, failed, grounded=True)
    names = ("answered", "exact", "source_recall", "source_precision", "citation_recall", "citation_precision")
    assert found == dict.fromkeys(names, 0.0)
    assert score({"no_answer": True}, failed, grounded=True) == {"answered": 0.0, "no_answer": 0.0}


def test_a_data_set_is_known_by_what_its_lines_say_and_not_by_how_they_are_written() -> None:
    one = dataset({"id": "a", "input": "Why?", "expected": {"contains": ["x"]}})
    same = dataset(
        '{"cuelight_dataset": 1}',
        "",
        '{ "expected": {"contains": "x"}, "input": "Why?", "id": "a", "metadata": {"by": "ann"} }',
    )
    other = dataset({"id": "a", "input": "Why?", "expected": {"contains": ["y"]}})
    assert one.hash == same.hash != other.hash
    assert (same.places, one.lines[0].expected.contains) == ([3], ("x",))


@pytest.mark.parametrize("place", ["request", "metadata", "exact", "schema"])
@pytest.mark.parametrize("levels", [200, 300, 900])
def test_a_line_that_is_nested_too_deeply_is_refused_wherever_it_is(place: str, levels: int) -> None:
    value = '{"a":' * levels + "1" + "}" * levels
    told = f'"{place}": {value}' if place in ("request", "metadata") else f'"expected": {{"{place}": {value}}}'
    with pytest.raises(BadDataset, match="line 1: it is nested deeper than 100 levels"):
        loads(f'{{"id": "a", "input": "x", {told}}}'.encode())


def test_every_line_that_is_wrong_is_named_with_what_is_wrong() -> None:
    with pytest.raises(BadDataset) as caught:
        dataset(
            {"id": "a", "input": "Why?", "expected": {"exakt": "x"}},
            {"id": "b", "input": "Why?"},
            {"id": "b", "input": "Why not?"},
            "nonsense",
            {"id": "c", "input": ""},
            {"id": "d", "input": "x", "expected": {"schema": {"type": "nonsense"}}},
            {"id": "e", "input": "x", "request": {"store": False}},
            {"id": "\x1b[31m", "input": "x"},
            [1],
        )
    starts = [problem.split(":")[0] for problem in caught.value.problems]
    assert starts == [f"line {place}" for place in (1, 3, 4, 5, 6, 7, 8, 9)]
    told = str(caught.value)
    for words in ("expected.exakt", "that of line 2", "not JSON", "input", "no JSON Schema", "'store'", "no object"):
        assert words in told
    assert "\x1b" not in told


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "has 0 lines"),
        (b'{"cuelight_dataset": 2}\n', "format 2"),
        (b'{"id": "a", "input": "x"}\n' * (MOST_LINES + 1), f"has {MOST_LINES + 1} lines"),
        (b'{"id": "a", "input": "' + b"x" * 1_000_000 + b'"}', "line 1: it has more than 1 MB"),
        (b"x" * 20_000_001, "more than 20 MB"),
        (b'{"id": "a", "input": [' + b"[" * 2_000 + b"]" * 2_000 + b"]}", "line 1: "),
        (b"nonsense\n" * 25, f"and {25 - MOST_PROBLEMS} lines more"),
    ],
)
def test_a_file_that_is_no_data_set_is_refused(text: bytes, words: str) -> None:
    with pytest.raises(BadDataset, match=words):
        loads(text)


def test_the_interval_is_where_means_of_samples_lie_and_comes_out_the_same_again() -> None:
    values = [0.0] * 50 + [1.0] * 50
    found = interval(values, draw())
    assert found is not None and found == interval(values, draw())
    assert found.low == pytest.approx(0.5 - 1.96 * 0.05, abs=0.02)
    assert found.high == pytest.approx(0.5 + 1.96 * 0.05, abs=0.02)


def test_of_too_few_values_nothing_is_said() -> None:
    assert interval([1.0, 0.0, 1.0, 0.0, 1.0], draw()) is None


def test_a_quantile_is_the_value_at_its_rank() -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert (quantile(values, 0.5), quantile(values, 0.95), quantile([3.0], 0.95)) == (50.0, 95.0, 3.0)


def line(number: int, exact: float = 1.0, **more: Any) -> Scored:
    told: dict[str, Any] = {"digest": f"d{number}", "run": f"resp_{number}", "status": "completed", **more}
    return Scored(id=f"line {number}", **{"scores": {"answered": 1.0, "exact": exact}, **told})


def report(lines: Sequence[Scored], hash: str = "h", id: str = "eval_1") -> Report:
    data = Data(name="faq.jsonl", hash=hash, lines=len(lines))
    return Report(evaluation=id, dataset=data, agent=Account(name="chat", version="1"), lines=tuple(lines))


BEFORE = report([line(n, 1.0) for n in range(40)])
WORSE = report([line(n, 0.0 if n < 12 else 1.0) for n in range(40)], id="eval_2")


def test_a_comparison_pairs_lines_and_says_what_is_sure() -> None:
    found = compare(BEFORE, WORSE, draw())
    exact, answered = found.of("exact"), found.of("answered")
    assert exact is not None and answered is not None and exact.interval is not None
    assert (exact.lines, exact.then, exact.now, exact.verdict, answered.verdict) == (40, 1.0, 0.7, "worse", "same")
    assert exact.interval.low < -0.3 < exact.interval.high < 0
    better = compare(WORSE, BEFORE, draw()).of("exact")
    assert better is not None and better.verdict == "better"
    assert [it.id for it in found.turned] == [f"line {n}" for n in range(12)]


def test_one_line_of_many_is_not_sure() -> None:
    one = compare(BEFORE, report([line(n, float(n > 0)) for n in range(40)]), draw()).of("exact")
    assert one is not None and one.verdict == "unclear"


def test_less_is_better_of_latency_and_cost() -> None:
    slow = report([line(n, latency_s=2.0 + n / 100, cost_usd=Decimal(1)) for n in range(10)])
    fast = report([line(n, latency_s=1.0, cost_usd=Decimal(2)) for n in range(10)])
    found = compare(slow, fast, draw())
    assert [found.of(it).verdict for it in ("latency_s", "cost_usd")] == ["better", "worse"]  # type: ignore[union-attr]


def test_only_lines_that_say_the_same_are_compared_and_the_table_says_so() -> None:
    lines = [line(0), line(1, digest="another"), line(2), line(7)]
    found = compare(report([line(n) for n in range(3)]), report(lines, hash="other"), draw())
    assert (found.shared, found.changed, found.same_dataset) == (2, 1, False)
    told = markdown(list(sheets_of(found)))
    assert "not evaluations of the same data set" in told and "1 changed, 1 are new, 0 are gone" in told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("exact", "exact went from 1 to 0.7 over 40 lines: surely worse"),
        ("exact:0.2", "worse by more than 0.2"),
        ("exact:0.3", None),
        ("answered", None),
        ("any", "exact went from"),
        ("any:0.5", None),
        ("contains", "cannot be judged"),
        ("latency_s:1", "cannot be judged"),
    ],
)
def test_a_gate_says_why_an_evaluation_does_not_pass(words: str, told: str | None) -> None:
    why = breaches([gate(words)], compare(BEFORE, WORSE, draw()))
    assert len(why) == (told is not None) and (told is None or told in why[0])


def test_a_score_that_is_gone_does_not_pass_and_one_that_was_never_there_is_nobodys() -> None:
    cited = [line(n, scores={"answered": 1.0, "citation_recall": 1.0}) for n in range(8)]
    found = compare(report([*cited, line(8)]), report([line(n, scores={"answered": 1.0}) for n in range(8)]), draw())
    (why,) = breaches([gate("any")], found)
    assert why.startswith("citation_recall: no line has it in both") and breaches([gate("any:1")], found) == [why]
    assert breaches([gate("any")], compare(found.now, found.then, draw())) == []


def test_what_both_have_on_other_lines_is_not_said_to_be_in_one_only() -> None:
    sides = [report([line(n)]) for n in (1, 2)]
    told = markdown(list(sheets_of(compare(sides[0], sides[1], draw()))))
    assert "Only one of them" not in told
    told = markdown(list(sheets_of(compare(sides[0], report([line(1, scores={"lacks": 1.0})]), draw()))))
    assert "Only one of them has answered, exact, lacks." in told


def test_what_cannot_be_judged_does_not_pass() -> None:
    few = compare(report([line(n) for n in range(3)]), report([line(n, 0.0) for n in range(3)]), draw())
    assert all("too few" in breaches([gate(words)], few)[0] for words in ("exact", "any"))
    assert breaches([gate("any")], compare(few.now, few.then, draw())) == []
    nothing = compare(BEFORE, report([line(99)]), draw())
    assert "no line in common" in breaches([gate("exact:1")], nothing)[0]


@pytest.mark.parametrize("words", ["exakt", "exact:", "exact:-1", "exact:nan", "exact:inf", "any:x", ""])
def test_a_gate_that_is_none_is_refused(words: str) -> None:
    with pytest.raises(ValueError, match=r"metric|number"):
        gate(words)


def test_the_file_comes_back_and_holds_no_text_of_a_question_or_an_answer() -> None:
    asked = Line(id="a", input="the secret question", expected=Expected(contains=("secret",)), metadata={"by": "ann"})
    one = scored(asked, ran("secret answer", took=timedelta(seconds=1.5), cost_usd=Decimal("0.10")), grounded=False)
    text = dumped(report([one]))
    assert reports.loads(text) == report([one])
    assert b"secret" not in text and b"ann" not in text
    assert json.loads(text)["lines"][0]["latency_s"] == 1.5


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"{", "no JSON object"),
        (b"[]", "no JSON object"),
        (b'{"cuelight_evaluation": 2}', "format 2"),
        (b'{"cuelight_evaluation": 1}', "is no evaluation: evaluation"),
    ],
)
def test_a_file_that_is_no_evaluation_is_refused(text: bytes, words: str) -> None:
    with pytest.raises(NotAReport, match=words):
        reports.loads(text)


def test_an_unknown_cost_is_said_and_not_counted_as_nothing() -> None:
    some = report([line(0, cost_usd=Decimal("0.5")), line(1), line(2, cost_usd=Decimal(0))])
    assert (some.cost_usd, some.unpriced, some.values("cost_usd")) == (Decimal("0.5"), 1, [0.5, 0.0])
    assert "The cost is not the whole one" in markdown(list(sheets(some, draw())))
    assert "| cost, USD | unknown |" in markdown(list(sheets(report([line(0)]), draw())))


def test_failures_are_counted_by_their_reason_and_latency_is_that_of_answers() -> None:
    failed = Scored(id="f", digest="d", run="r", status="failed", code="deadline", scores={"answered": 0}, latency_s=9)
    some = report([line(0, latency_s=1.0), failed])
    assert (some.failures, some.values("latency_s"), some.values("answered")) == ({"deadline": 1}, [1.0], [1.0, 0.0])


def test_the_run_of_a_line_that_fell_short_stands_in_one_piece_however_much_it_lacks() -> None:
    run = "resp_01a217cdf6d97c14b085f6b49dc45a4f"
    short = Scored(id="w", digest="d", run=run, status="completed", scores=dict.fromkeys(QUALITY, 0.0))
    paper = StringIO()
    show(Console(file=paper, width=80), list(sheets(report([short]), draw())))
    assert run in paper.getvalue()


@pytest.mark.parametrize("hostile", ["<img src=x>", "`a|b`", "[x](http://evil)", "@team", "*a* | b", "a``b"])
def test_hostile_ids_are_code_in_markdown_and_break_no_table(hostile: str) -> None:
    told = markdown(list(sheets(report([Scored(**{**line(0, 0.0).model_dump(), "id": hostile})], id=hostile), draw())))
    row = next(row for row in told.splitlines() if "exact 0.00" in row)
    assert row.startswith("| `") and row.replace("\\|", "").count("|") == 4
    assert hostile.replace("|", "\\|") in row and told.startswith("### `")
