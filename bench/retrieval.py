"""How well and how fast search finds: SQuAD-shaped questions, each with the one paragraph that answers it.

`make bench-retrieval` runs it. By hand: `python -m bench.retrieval FILE... [--others FOLDER]`; one paragraph is one
passage, each file is a collection of its own and a line of the table, and passages of the other texts, if there are
any, stand in the way as distractors.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from math import log2
from pathlib import Path
from statistics import quantiles

from agent.adapters.retrieval.index import LocalIndex, search
from agent.adapters.retrieval.reading import Skipped, read
from agent.adapters.retrieval.records import Change, State
from agent.events import Passage

MOST_DISTRACTORS = 50_000
LIMIT = 10


HEAD = f"{'file':28} {'passages':>8} {'questions':>9} {'nDCG@10':>8} {'first':>6} {'p50 ms':>7} {'p99 ms':>7} {'MB':>6}"


def main(datasets: Sequence[Path], others: Path | None) -> None:
    distractors = list(islice(texts(others), MOST_DISTRACTORS)) if others else []
    print(HEAD)
    for dataset in datasets:
        print(measured(dataset, distractors), flush=True)


def measured(dataset: Path, distractors: Sequence[str]) -> str:
    """A line of the table."""
    paragraphs, questions = load(dataset)
    passages = [*paragraphs, *distractors]
    with tempfile.TemporaryDirectory() as folder:
        index = LocalIndex(Path(folder) / "index")
        fill(index, passages)
        size_mb = sum(file.stat().st_size for file in index.folder.iterdir()) / 1e6
        gain, first, times_ms = ask_all(index, questions)
    cuts = quantiles(times_ms, n=100)
    found = f"{gain:>8.4f} {first:>6.3f} {cuts[49]:>7.2f} {cuts[98]:>7.2f} {size_mb:>6.1f}"
    return f"{dataset.name[:28]:28} {len(passages):>8} {len(questions):>9} {found}"


def load(dataset: Path) -> tuple[list[str], list[tuple[str, int]]]:
    """The paragraphs, and each question with the number of its paragraph."""
    paragraphs: list[str] = []
    questions: list[tuple[str, int]] = []
    for article in json.loads(dataset.read_text(encoding="utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            questions += [(question["question"], len(paragraphs)) for question in paragraph["qas"]]
            paragraphs.append(paragraph["context"])
    return paragraphs, questions


def texts(folder: Path) -> Iterator[str]:
    """Passages of whatever the folder holds, source code read as plain text."""
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".py", ".md", ".rst", ".txt") and path.is_file():
            try:
                document = read(path.read_bytes(), f"{path.name}.txt", "")
            except Skipped:
                continue
            yield from (piece.text for piece in document.pieces)


def fill(index: LocalIndex, passages: Sequence[str]) -> None:
    index.discard()
    index.apply(
        Change(str(number), Passage(id=str(number), label="", document_id="", title="", source="", text=text))
        for number, text in enumerate(passages)
    )
    index.show(State("bench", 1))


def ask_all(index: LocalIndex, questions: Sequence[tuple[str, int]]) -> tuple[float, float, list[float]]:
    """nDCG, the share of questions whose paragraph came first, and how long each took in ms."""
    assert index.snapshot is not None
    gains, first, times_ms = 0.0, 0, []
    for question, right in questions:
        started = time.perf_counter()
        found = search(index.snapshot.searcher, question, LIMIT)
        times_ms.append((time.perf_counter() - started) * 1_000)
        ids = [passage.id for passage in found]
        if str(right) in ids:
            rank = ids.index(str(right))
            gains += 1 / log2(rank + 2)
            first += rank == 0
    return gains / len(questions), first / len(questions), times_ms


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", type=Path, nargs="+", metavar="FILE")
    parser.add_argument("--others", type=Path, metavar="FOLDER")
    arguments = parser.parse_args()
    main(arguments.datasets, arguments.others)
