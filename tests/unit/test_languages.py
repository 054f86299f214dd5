"""A shelf in eleven languages: each question, in other forms of its words, finds the passage that answers it first."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from agent.adapters.retrieval.index import LocalIndex, search
from agent.adapters.retrieval.records import Change, State
from agent.events import Passage

DATA = Path(__file__).parents[1] / "data/shelf.yaml"
SHELF: dict[str, list[dict[str, str]]] = yaml.safe_load(DATA.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> LocalIndex:
    index = LocalIndex(Path(tmp_path_factory.mktemp("shelf")) / "index")
    index.discard()
    index.apply(
        Change(f"{language}{number}", passage(f"{language}{number}", each["passage"]))
        for language, shelf in SHELF.items()
        for number, each in enumerate(shelf)
    )
    index.show(State("epoch", 1))
    return index


def passage(id: str, text: str) -> Passage:
    return Passage(id=id, label="", document_id=id, title="", source=id, text=text)


@pytest.mark.parametrize("language", SHELF)
def test_a_question_finds_its_answer_in_its_own_language(index: LocalIndex, language: str) -> None:
    assert index.snapshot is not None
    found = [search(index.snapshot.searcher, each["question"], 1)[0].id for each in SHELF[language]]
    assert found == [f"{language}{number}" for number in range(len(found))]
