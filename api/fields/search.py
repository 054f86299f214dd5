"""`file_search` among the tools: where passages come from, which documents are searched, how many are wanted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agent.filters import KEY, MOST_CHARS, MOST_CONDITIONS, MOST_DEPTH, MOST_LISTED, Combine, Compare, Filter, Scalar
from agent.filters import is_scalar as fits
from agent.request import FileSearch
from agent.steps.parts import MOST_PASSAGES
from api.body import join
from api.errors import invalid, unsupported
from api.parts import read_object, refuse_more

KIND = "file_search"
MOST_COLLECTIONS = 8
MOST_NAME_CHARS = 200
_COMPARISONS = ("eq", "ne", "gt", "gte", "lt", "lte", "in", "nin")
_COMBINATIONS = ("and", "or")
_RANKERS = (None, "auto", "default-2024-11-15")


def is_search(tool: Any) -> bool:
    """Whether one of the tools says where to search."""
    return isinstance(tool, dict) and tool.get("type") == KIND


def read_search(tools: Any) -> FileSearch | None:
    """What the tools say about the search. Raises `ApiError` 400 by JSON path."""
    if not isinstance(tools, list):
        return None
    places = [place for place, tool in enumerate(tools) if is_search(tool)]
    if len(places) > 1:
        raise invalid(join("tools", places[1]), "there are two tools of type file_search; name all collections in one")
    return _search(tools[places[0]], join("tools", places[0])) if places else None


def _search(tool: dict[str, Any], path: str) -> FileSearch:
    refuse_more(tool, {"type", "vector_store_ids", "filters", "max_num_results", "ranking_options"}, path)
    _refuse_ranking(tool.get("ranking_options"), join(path, "ranking_options"))
    return FileSearch(
        collections=_collections(tool.get("vector_store_ids"), join(path, "vector_store_ids")),
        where=_where(tool.get("filters"), join(path, "filters")),
        limit=_limit(tool.get("max_num_results"), join(path, "max_num_results")),
    )


def _collections(value: Any, path: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_COLLECTIONS:
        raise invalid(path, f"must be an array of 1 to {MOST_COLLECTIONS} names of collections")
    for place, name in enumerate(value):
        if not isinstance(name, str) or not 1 <= len(name) <= MOST_NAME_CHARS:
            raise invalid(join(path, place), f"must be a text of 1 to {MOST_NAME_CHARS} characters")
    return tuple(dict.fromkeys(value))


def _limit(value: Any, path: str) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MOST_PASSAGES:
        raise invalid(path, f"must be a whole number from 1 to {MOST_PASSAGES}")
    return value


def _refuse_ranking(value: Any, path: str) -> None:
    """There is one ranking, by words; its scores have no upper end that a threshold could be a part of."""
    if value is None:
        return
    options = read_object(value, path)
    refuse_more(options, {"ranker", "score_threshold", "hybrid_search"}, path)
    if options.get("ranker") not in _RANKERS:
        raise unsupported(join(path, "ranker"), "another ranker than auto")
    if options.get("score_threshold") not in (None, 0):
        raise unsupported(join(path, "score_threshold"), "a threshold of the score")
    if options.get("hybrid_search") is not None:
        raise unsupported(join(path, "hybrid_search"), "a search by embeddings")


def _where(value: Any, path: str) -> Filter | None:
    if value is None:
        return None
    count = [0]
    return _filter(value, path, 1, count)


def _filter(value: Any, path: str, depth: int, count: list[int]) -> Filter:
    told = read_object(value, path)
    count[0] += 1
    if depth > MOST_DEPTH or count[0] > MOST_CONDITIONS:
        raise invalid(path, f"a filter holds up to {MOST_CONDITIONS} others, {MOST_DEPTH} deep")
    kind = told.get("type")
    if kind in _COMPARISONS:
        return _comparison(told, path)
    if kind not in _COMBINATIONS:
        raise invalid(join(path, "type"), f"must be one of {', '.join((*_COMPARISONS, *_COMBINATIONS))}")
    refuse_more(told, {"type", "filters"}, path)
    inner, within = told.get("filters"), join(path, "filters")
    if not isinstance(inner, list) or not inner:
        raise invalid(within, "must be an array of filters")
    parts = (_filter(each, join(within, place), depth + 1, count) for place, each in enumerate(inner))
    return Combine(type=kind, filters=tuple(parts))


def _comparison(told: dict[str, Any], path: str) -> Compare:
    refuse_more(told, {"type", "key", "value"}, path)
    kind, key, value, where = told["type"], told.get("key"), told.get("value"), join(path, "value")
    if not isinstance(key, str) or not KEY.fullmatch(key):
        raise invalid(join(path, "key"), "must be 1 to 64 letters, digits, `_`, `.` and `-`")
    if kind in ("in", "nin"):
        return Compare(type=kind, key=key, value=_listed(value, where))
    if not fits(value):
        raise invalid(where, f"must be a text of up to {MOST_CHARS} characters, a number, true or false")
    if isinstance(value, bool) and kind not in ("eq", "ne"):
        raise invalid(where, f"true and false have no order: {kind!r} wants a number or a text")
    return Compare(type=kind, key=key, value=value)


def _listed(value: Any, path: str) -> Sequence[Scalar]:
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_LISTED or not all(map(fits, value)):
        raise invalid(path, f"must be an array of 1 to {MOST_LISTED} short texts, numbers, true or false")
    return tuple(value)
