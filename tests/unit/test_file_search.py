"""`file_search` of a request: what it may say, and what is refused by its place."""

from __future__ import annotations

from typing import Any

import pytest

from agent.filters import Combine, Compare
from agent.request import FileSearch, Request
from api.echo import echo
from tests.unit.test_fields import TIME, admitted, refused

EQUAL = {"type": "eq", "key": "lang", "value": "de"}


def search(**changes: Any) -> dict[str, Any]:
    return {"type": "file_search", "vector_store_ids": ["manuals"], **changes}


def asked(*tools: Any) -> Request:
    return admitted(model="lawyer", tools=list(tools))


def test_a_request_says_where_it_wants_its_passages_from_and_is_shown_it_again() -> None:
    late = {"type": "gte", "key": "year", "value": 2024}
    either = {"type": "or", "filters": [EQUAL, {"type": "in", "key": "tag", "value": ["a", 1, True]}]}
    where = {"type": "and", "filters": [late, either]}
    tool = search(vector_store_ids=["manuals", "laws", "manuals"], filters=where, max_num_results=9)
    request = asked(tool | {"ranking_options": {"ranker": "auto", "score_threshold": 0}})
    lang = Compare(type="eq", key="lang", value="de")
    tags = Compare(type="in", key="tag", value=("a", 1, True))
    year = Compare(type="gte", key="year", value=2024)
    inner = Combine(type="or", filters=(lang, tags))
    assert request.file_search == FileSearch(
        collections=("manuals", "laws"), where=Combine(type="and", filters=(year, inner)), limit=9
    )
    assert echo(request)["tools"] == [tool | {"vector_store_ids": ["manuals", "laws"]}]
    assert Request.model_validate_json(request.model_dump_json()) == request
    assert asked(search()).file_search == FileSearch(collections=("manuals",))
    assert "file_search" not in admitted().model_dump()


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"vector_store_ids": None}, "vector_store_ids"),
        ({"vector_store_ids": []}, "vector_store_ids"),
        ({"vector_store_ids": ["a"] * 9}, "vector_store_ids"),
        ({"vector_store_ids": [""]}, "vector_store_ids[0]"),
        ({"vector_store_ids": ["manuals", 7]}, "vector_store_ids[1]"),
        ({"max_num_results": 0}, "max_num_results"),
        ({"max_num_results": 51}, "max_num_results"),
        ({"max_num_results": True}, "max_num_results"),
        ({"ranking_options": {"ranker": "best"}}, "ranking_options.ranker"),
        ({"ranking_options": {"score_threshold": 0.5}}, "ranking_options.score_threshold"),
        ({"ranking_options": {"hybrid_search": {}}}, "ranking_options.hybrid_search"),
        ({"boost": 2}, "boost"),
        ({"filters": []}, "filters"),
        ({"filters": {}}, "filters.type"),
        ({"filters": {"type": ["eq"], "key": "a", "value": 1}}, "filters.type"),
        ({"filters": EQUAL | {"key": "a b"}}, "filters.key"),
        ({"filters": EQUAL | {"value": None}}, "filters.value"),
        ({"filters": EQUAL | {"value": ["de"]}}, "filters.value"),
        ({"filters": EQUAL | {"value": "x" * 513}}, "filters.value"),
        ({"filters": EQUAL | {"value": 2**60}}, "filters.value"),
        ({"filters": EQUAL | {"more": 1}}, "filters.more"),
        ({"filters": EQUAL | {"type": "gt", "value": True}}, "filters.value"),
        ({"filters": EQUAL | {"type": "in"}}, "filters.value"),
        ({"filters": EQUAL | {"type": "in", "value": [[]]}}, "filters.value"),
        ({"filters": EQUAL | {"type": "in", "value": ["x"] * 257}}, "filters.value"),
        ({"filters": {"type": "and", "filters": []}}, "filters.filters"),
        ({"filters": {"type": "and", "filters": [EQUAL, EQUAL | {"key": 1}]}}, "filters.filters[1].key"),
        ({"filters": {"type": "or", "filters": [EQUAL] * 64}}, "filters.filters[63]"),
    ],
)
def test_what_cannot_be_kept_is_refused_by_its_place(changes: Any, param: str) -> None:
    error = refused(model="lawyer", tools=[search(**changes)])
    assert (error.status, error.param) == (400, f"tools[0].{param}")


def test_a_filter_has_a_depth() -> None:
    deep: dict[str, Any] = EQUAL
    for _ in range(8):
        deep = {"type": "and", "filters": [deep]}
    assert "8 deep" in refused(model="lawyer", tools=[search(filters=deep)]).message
    assert asked(search(filters=deep["filters"][0])).file_search is not None


def test_there_is_one_search_and_it_may_stand_among_functions() -> None:
    assert refused(model="lawyer", tools=[search(), search()]).param == "tools[1]"
    error = refused(model="chat", tools=[search(), TIME, TIME])
    assert error.param == "tools[2].name"


@pytest.mark.parametrize(
    ("model", "collection", "says"),
    [
        ("chat", "manuals", "searches no documents"),
        ("documents", "manuals", "searches no documents"),
        ("lawyer", "payroll", "does not search the collection 'payroll'"),
    ],
)
def test_an_agent_searches_only_what_it_allows(model: str, collection: str, says: str) -> None:
    error = refused(model=model, tools=[search(vector_store_ids=[collection])])
    assert (error.status, error.param) == (400, "tools")
    assert says in error.message
