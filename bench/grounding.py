"""How many lies the checks of the `documents` agent stop, and how many honest answers they let through.

`make bench-grounding` runs it. By hand: `python -m bench.grounding FILE...`; a file is SQuAD-shaped, its language
stands in its name (`xquad.en.json`). Each question is asked with six passages, and its answer's sentence is the truth.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from agent.agents import documents
from agent.checks import CitedAnswer
from agent.events import AnswerAccepted, AnswerDrafted, Event, Passage, PassagesFound, RequestReceived, VerdictGiven
from agent.request import Message, Request
from agent.run import Run
from agent.steps import Validate
from agent.testing import Script
from bench.lies import LABELS, LIES, Case, Source, beyond, honest, lies

SEED = 7
NEIGHBOURS = 3
VALIDATE = Validate(documents.checks, CitedAnswer, documents.no_answer_text)


@dataclass(slots=True)
class Row:
    """How many cases of a kind passed; `checks` counts which check stopped how many."""

    lie: bool
    cases: int = 0
    passed: int = 0
    checks: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    seconds: list[float] = field(default_factory=list)
    leaked: list[Case] = field(default_factory=list)


def sources(path: Path, dice: random.Random) -> Iterator[Source]:
    """A source for each question whose answer stands in a sentence of some length."""
    articles = json.loads(path.read_text(encoding="utf-8"))["data"]
    every = [paragraph["context"] for article in articles for paragraph in article["paragraphs"]]
    language = path.name.split(".")[-2] if path.name.count(".") > 1 else "en"
    for article in articles:
        own = [paragraph["context"] for paragraph in article["paragraphs"]]
        for paragraph in article["paragraphs"]:
            for question in paragraph["qas"]:
                answer = question["answers"][0]
                sentence = sentence_at(paragraph["context"], answer["answer_start"])
                passages = found_for(paragraph["context"], own, every, dice)
                home = passages.index(paragraph["context"])
                yield Source(question["question"], passages, home, sentence, answer["text"], language)


def sentence_at(text: str, place: int) -> str:
    """The sentence around a place, cut simply: a generator must not borrow the rules of what it tests."""
    ends = [
        0,
        *(match.end() for match in re.finditer(r"[.!?。！？।؟][\"'”’»)\]]*(?:\s+|$)|(?<=[。！？])", text)),
        len(text),
    ]
    start = max(end for end in ends if end <= place)
    return text[start : min(end for end in ends if end > place)].strip()


def found_for(right: str, near: Sequence[str], every: Sequence[str], dice: random.Random) -> tuple[str, ...]:
    """Six passages, the right one anywhere among them: some of the same article, the rest of anywhere."""
    beside = [text for text in near if text != right]
    chosen = dice.sample(beside, min(NEIGHBOURS, len(beside)))
    rest = [text for text in every if text != right and text not in chosen]
    chosen = [right, *chosen, *dice.sample(rest, len(LABELS) - 1 - len(chosen))]
    dice.shuffle(chosen)
    return tuple(chosen)


def cases(every: Sequence[Source], dice: random.Random) -> Iterator[Case]:
    """Every kind of case for every source that it can be made of."""
    for source in every:
        yield from honest(source, dice)
        others = [
            other.sentence for other in dice.sample(every, 4) if other.sentence not in source.passages[source.home]
        ]
        yield from lies(source, dice, others or [source.question])
        yield from beyond(source, dice)


async def judged(case: Case) -> Sequence[Event]:
    """What the step that validates makes of a reply."""
    source = case.source
    passages = tuple(_passage(number, text) for number, text in enumerate(source.passages))
    found = PassagesFound(query=source.question, collection="bench", index_version=1, passages=passages)
    told = {"draft": case.raw, "finish_reason": case.finish_reason, "model": "m", "endpoint": "e", "prompt": "answer@1"}
    drafted = AnswerDrafted.model_validate(told)
    request = Request(messages=(Message(role="user", content=source.question),))
    events = (RequestReceived(agent="documents"), found, drafted)
    run = Run("resp_1", "default", "documents", request, datetime(2027, 1, 1, tzinfo=UTC), events=events)
    return await VALIDATE(drafted, run, Script())


def _passage(number: int, text: str) -> Passage:
    return Passage(id=f"psg_{number}", label=LABELS[number], document_id="doc", title="", source="bench", text=text)


async def table(every: Iterable[Case]) -> dict[str, Row]:
    rows: dict[str, Row] = {}
    for case in every:
        row = rows.setdefault(case.kind, Row(case.lie))
        began = time.perf_counter()
        *given, last = await judged(case)
        row.seconds.append(time.perf_counter() - began)
        row.cases += 1
        row.passed += isinstance(last, AnswerAccepted)
        if isinstance(last, AnswerAccepted) == case.lie:
            row.leaked.append(case)
        for verdict in given:
            if isinstance(verdict, VerdictGiven) and not verdict.passed:
                row.checks[verdict.check] += 1
    return rows


def line(kind: str, row: Row) -> str:
    right = row.cases - row.passed if row.lie else row.passed
    by = ", ".join(f"{check} {count}" for check, count in sorted(row.checks.items(), key=lambda it: -it[1])[:3])
    return f"| {kind} | {row.cases} | {100 * right / row.cases:.2f} % | {by} |"


def report(path: Path, show: int) -> None:
    dice = random.Random(SEED)
    rows = asyncio.run(table(cases(list(sources(path, dice)), dice)))
    print(f"\n{path.name}\n")
    parts = {
        "honest, let through": [kind for kind, row in rows.items() if not row.lie],
        "lie, stopped": [kind for kind in rows if kind in LIES],
        "beyond strings, stopped": [kind for kind, row in rows.items() if row.lie and kind not in LIES],
    }
    for head, kinds in parts.items():
        print(f"| {head} | cases | | stopped by |", "|---|---|---|---|", sep="\n")
        print("\n".join(line(kind, rows[kind]) for kind in kinds), end="\n\n")
    every = sorted(second for row in rows.values() for second in row.seconds)
    middle, slow = every[len(every) // 2] * 1e3, every[int(len(every) * 0.99)] * 1e3
    print(f"{len(every)} drafts, p50 {middle:.2f} ms, p99 {slow:.2f} ms")
    for kind, row in rows.items():
        for case in row.leaked[:show]:
            print(f"{kind}: {case.finish_reason} {case.raw[:400]}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--show", type=int, default=0, help="how many wrong ones of each kind to print")
    arguments = parser.parse_args()
    for file in arguments.files:
        report(file, arguments.show)
