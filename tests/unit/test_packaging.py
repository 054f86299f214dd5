"""What is installed: ranges for whoever installs it beside other things, exact versions for whoever wants ours."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
WANTED = [Requirement(text) for text in (*PROJECT["dependencies"], *EXTRAS["dev"], *EXTRAS["otel"])]
ROWS = [row for row in (ROOT / "constraints.txt").read_text().splitlines() if row and not row.startswith("#")]
PINNED = {canonicalize_name(row.partition("==")[0]): row.partition("==")[2] for row in ROWS}


@pytest.mark.parametrize("wanted", WANTED, ids=str)
def test_a_dependency_has_a_range_and_the_constraints_hold_a_version_of_it(wanted: Requirement) -> None:
    operators = {each.operator for each in wanted.specifier}
    assert operators & {">=", ">"} and operators & {"<", "<="}, "say the oldest and the first that was not tried"
    assert PINNED[canonicalize_name(wanted.name)] in wanted.specifier


@pytest.mark.parametrize("row", ROWS)
def test_a_constraint_is_an_exact_version_and_no_address(row: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.+!-]*", row)


def test_everything_that_an_installation_brings_is_constrained() -> None:
    assert sorted(brought(WANTED) - PINNED.keys()) == []


def brought(wanted: Iterable[Requirement]) -> set[str]:
    """The names of these distributions and of all that they want here, as far as they are installed."""
    found: dict[tuple[str, str], None] = {}
    left = [(it, extra) for it in wanted for extra in ("", *it.extras)]
    while left:
        requirement, extra = left.pop()
        key = (canonicalize_name(requirement.name), extra)
        if key in found:
            continue
        try:
            more = metadata.requires(requirement.name) or ()
        except metadata.PackageNotFoundError:
            continue
        found[key] = None
        left += [
            (it, inner)
            for it in map(Requirement, more)
            if it.marker is None or it.marker.evaluate({"extra": extra})
            for inner in ("", *it.extras)
        ]
    return {name for name, _ in found}
