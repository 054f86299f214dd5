"""How well and how fast search finds: SQuAD-shaped questions, each with the one paragraph that answers it.

Run it with `python -m bench.retrieval path/to/xquad.en.json [folder of other texts]`: one paragraph is one passage;
passages of the other texts, if there are any, stand in the way as distractors.
"""

from __future__ import annotations

import json
import sys
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


def main(dataset: Path, others: Path | None) -> None:
    paragraphs, questions = load(dataset)
    distractors = list(islice(texts(others), MOST_DISTRACTORS)) if others else []
    with tempfile.TemporaryDirectory() as folder:
        index = LocalIndex(Path(folder) / "index")
        started = time.perf_counter()
        fill(index, [*paragraphs, *distractors])
        print(f"{len(paragraphs) + len(distractors)} passages indexed in {time.perf_counter() - started:.2f} s")
        print(f"{sum(file.stat().st_size for file in index.folder.iterdir()) / 1e6:.1f} MB on disk")
        ask_all(index, questions)


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


def ask_all(index: LocalIndex, questions: Sequence[tuple[str, int]]) -> None:
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
    cuts = quantiles(times_ms, n=100)
    count = len(questions)
    print(f"{count} questions: nDCG@{LIMIT} {gains / count:.4f}, right passage first {first / count:.4f}")
    print(f"query p50 {cuts[49]:.2f} ms, p99 {cuts[98]:.2f} ms")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) == 3 else None)
