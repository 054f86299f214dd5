"""The JSON Schema Test Suite's required tests for Draft 2020-12, with what is refused by design named here."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from agent.checks.json_schema import BadSchema, JsonSchema

SUITE = Path(__file__).parents[1] / "data/json_schema/draft2020-12.json.gz"
OTHER_DOCUMENTS = "nothing is fetched"
OTHER_VOCABULARIES = "must stand at the root and name a draft that is known"
ASSERTED = "format.json"
"""Here a format is asserted; the suite's default is that it says nothing. See docs/decisions.md."""


def cases() -> Iterator[tuple[str, dict[str, Any]]]:
    suite = orjson.loads(gzip.decompress(SUITE.read_bytes()))
    return ((name, group) for name, groups in suite.items() for group in groups)


def refused(group: dict[str, Any]) -> str | None:
    """Why a schema is refused; None if it is taken."""
    try:
        JsonSchema(orjson.dumps(group["schema"]).decode())
    except BadSchema as error:
        return error.problem
    return None


def test_every_verdict_is_the_suites_own() -> None:
    agreed, wrong = 0, []
    for name, group in cases():
        if refused(group) is None:
            schema = JsonSchema(orjson.dumps(group["schema"]).decode())
            for test in group["tests"]:
                right = (not schema.problems(test["data"])) == test["valid"]
                agreed += right
                wrong += [] if right else [(name, test["description"])]
    unexpected = [case for case in wrong if case[0] != ASSERTED or "only an annotation" not in case[1]]
    assert not unexpected
    assert len(wrong) == 19 and agreed == 1_185


def test_only_what_needs_other_documents_or_vocabularies_is_refused() -> None:
    why: Counter[str] = Counter()
    for _, group in cases():
        problem = refused(group)
        if problem is not None:
            assert problem.endswith((OTHER_DOCUMENTS, OTHER_VOCABULARIES)), (group["description"], problem)
            why[OTHER_DOCUMENTS if problem.endswith(OTHER_DOCUMENTS) else OTHER_VOCABULARIES] += len(group["tests"])
    assert why == {OTHER_DOCUMENTS: 48, OTHER_VOCABULARIES: 5}
