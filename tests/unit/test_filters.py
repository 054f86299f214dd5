"""Conditions on documents: what they mean, and that a search index means the same."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.adapters.retrieval.attributes import merged, readable, stored, written
from agent.adapters.retrieval.index import LocalIndex, search
from agent.adapters.retrieval.records import Change, State
from agent.effects import Search, read_effect
from agent.events import Passage
from agent.filters import MOST_ATTRIBUTES, MOST_VALUES, Attributes, Combine, Compare, Filter, equal, matches

SHELF: list[Attributes] = [
    {},
    {"year": (2024,), "lang": ("de",)},
    {"year": (2025.0,), "lang": ("en", "de")},
    {"year": ("2024",), "draft": (True,)},
    {"year": (-1, 3.5), "draft": (False,), "lang.x": ("de",)},
    {"date": ("2026-01-05",), "lang": ("",)},
    {"date": ("2026-11-25",), "draft": (1,)},
]
KEYS = ("year", "lang", "date", "draft", "lang.x", "none")
VALUES: st.SearchStrategy[Any] = st.sampled_from(
    [2024, 2024.0, 2025, -1, 3.5, 0, 1, True, False, "de", "en", "", "2024", "2026-01-05", "2026-06-01", "\x00", "ß"]
)


def compare(kind: Any, key: str, value: Any) -> Compare:
    return Compare(type=kind, key=key, value=value)


COMPARISONS = st.one_of(
    st.builds(compare, st.sampled_from(["eq", "ne"]), st.sampled_from(KEYS), VALUES),
    st.builds(compare, st.sampled_from(["gt", "gte", "lt", "lte"]), st.sampled_from(KEYS), VALUES),
    st.builds(compare, st.sampled_from(["in", "nin"]), st.sampled_from(KEYS), st.lists(VALUES, min_size=1).map(tuple)),
)
FILTERS: st.SearchStrategy[Filter] = st.recursive(
    COMPARISONS,
    lambda inner: st.builds(
        lambda kind, parts: Combine(type=kind, filters=tuple(parts)),
        st.sampled_from(["and", "or"]),
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def index() -> Iterator[LocalIndex]:
    with tempfile.TemporaryDirectory() as folder:
        index = LocalIndex(Path(folder))
        index.discard()
        index.apply(
            Change(str(number), passage(number), attributes) for number, attributes in enumerate([*SHELF, *SHELF])
        )
        index.show(State("epoch", 1))
        yield index


def passage(number: int) -> Passage:
    text = f"alpha {'beta ' * number}"
    return Passage(id=str(number), label="", document_id="d", title="", source="s", text=text)


def found(index: LocalIndex, where: Filter | None) -> dict[int, float]:
    assert index.snapshot is not None
    passages = search(index.snapshot.searcher, "alpha beta", 50, where)
    assert [it.label for it in passages] == [f"p{rank}" for rank in range(1, len(passages) + 1)]
    return {int(it.id): it.score for it in passages}


@settings(deadline=None, max_examples=150)
@given(where=FILTERS)
def test_an_index_finds_exactly_what_meets_a_condition_and_scores_it_as_ever(index: LocalIndex, where: Filter) -> None:
    every = found(index, None)
    wanted = {number for number in every if matches(where, SHELF[number % len(SHELF)])}
    narrowed = found(index, where)
    assert set(narrowed) == wanted
    assert narrowed == {number: pytest.approx(every[number]) for number in wanted}


@pytest.mark.parametrize(
    ("where", "documents"),
    [
        (compare("eq", "year", 2024), [1]),
        (compare("eq", "year", "2024"), [3]),
        (compare("ne", "year", 2024), [0, 2, 3, 4, 5, 6]),
        (compare("gte", "year", 2024), [1, 2]),
        (compare("lt", "year", 2024), [4]),
        (compare("gt", "date", "2026-06"), [6]),
        (compare("in", "lang", ("en", "fr")), [2]),
        (compare("nin", "lang", ("en", "de")), [0, 3, 4, 5, 6]),
        (compare("eq", "draft", True), [3]),
        (compare("eq", "draft", 1), [6]),
        (compare("eq", "lang", ""), [5]),
    ],
)
def test_conditions_mean_what_they_say(where: Filter, documents: list[int]) -> None:
    assert [number for number, attributes in enumerate(SHELF) if matches(where, attributes)] == documents


def test_a_mapping_wants_every_attribute_and_of_several_values_one() -> None:
    assert equal({}) is None
    assert equal({"lang": "de"}) == compare("eq", "lang", "de")
    assert equal({"lang": ["de", "en"], "year": 3}) == Combine(
        type="and", filters=(compare("in", "lang", ("de", "en")), compare("eq", "year", 3))
    )


@pytest.mark.parametrize("where", [{"a b": 1}, {"": 1}, {"a": []}, {"a": "x" * 513}, {"a": float("nan")}, {"a": 2**60}])
def test_a_mapping_that_cannot_be_met_is_a_mistake(where: Any) -> None:
    with pytest.raises(ValueError, match=r"must be|is no name"):
        equal(where)


def test_what_a_search_had_not_before_leaves_its_hash_as_it_was() -> None:
    plain = Search(collection="default", query="tides")
    assert plain.hash() == "8e8973772ccb7651e5eb0e4f3d393131ff0bea71fcd176dbc9fadb00e3f6b593"
    narrowed = Search(collection="default", query="tides", where=equal({"lang": ["de"], "year": 3}), neighbours=2)
    assert narrowed.hash() != plain.hash()
    back = read_effect(narrowed.canonical())
    assert (back, back.hash()) == (narrowed, narrowed.hash())


def test_of_a_front_matter_what_can_be_an_attribute_becomes_one() -> None:
    told = {"tags": ["a", "b", {}], "deep": {"a": 1}, "a b": 1, "none": None, "long": "x" * 513, 3: "x", "ok": False}
    assert readable(told) == {"tags": ("a", "b"), "ok": (False,)}
    assert readable("no mapping") == {}
    many = readable({f"k{number}": list(range(99)) for number in range(99)})
    assert (len(many), len(many["k0"])) == (MOST_ATTRIBUTES, MOST_VALUES)


def test_attributes_that_were_given_are_not_crowded_out_by_a_document() -> None:
    own: Attributes = {f"k{number}": (number,) for number in range(MOST_ATTRIBUTES)}
    both = merged({"audience": ("public",), "k3": ("given",)}, {**own, "audience": ("everybody",)})
    assert (both["audience"], both["k3"], len(both)) == (("public",), ("given",), MOST_ATTRIBUTES)
    assert stored(written(both)) == both
