"""A slice of the bench of grounding on texts of our own: lies are stopped, and honest untidiness is let through."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from bench.grounding import cases, sources, table
from bench.lies import LIES, UNTIDY

DATA = Path(__file__).parents[1] / "data"
HONEST = {"as it stands", "a short answer", *UNTIDY}


@pytest.mark.parametrize("language", ["en", "de"])
async def test_every_kind_of_lie_is_stopped_and_every_kind_of_untidiness_let_through(language: str) -> None:
    dice = random.Random(1)
    every = list(sources(DATA / f"grounding.{language}.json", dice))
    rows = await table(cases(every, dice))
    assert HONEST | LIES.keys() <= rows.keys()
    wrong = {kind: [case.raw for case in row.leaked] for kind, row in rows.items() if kind in HONEST | LIES.keys()}
    assert {kind: raw for kind, raw in wrong.items() if raw} == {}
    assert sum(row.cases for row in rows.values()) > 200
