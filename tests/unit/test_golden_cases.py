"""The golden cases are those of their recipes, and can be given to anybody."""

from __future__ import annotations

import re

import pytest

from agent.cases import read
from agent.cases.files import SUFFIX
from tests.cases.make import PAGE, page
from tests.cases.recipes import RECIPES, Recipe

FOLDER = PAGE.parent
PLACES = re.compile(r"/(?:tmp|home|root|Users|var|dev|opt|usr|private)/")
LEAST = 20


def test_there_are_enough_of_them_and_each_went_wrong_in_its_own_way() -> None:
    made = {path.name.removesuffix(SUFFIX) for path in FOLDER.glob(f"*{SUFFIX}")}
    assert made == {it.name for it in RECIPES} and len(made) == len(RECIPES) >= LEAST
    assert len({it.wrong for it in RECIPES}) == len(RECIPES)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda it: it.name)
def test_a_case_says_what_went_wrong_ends_as_its_recipe_and_names_no_place_of_a_machine(recipe: Recipe) -> None:
    path = FOLDER / f"{recipe.name}{SUFFIX}"
    case = read(path)
    assert (case.note, case.end) == (recipe.wrong, recipe.end)
    assert case.agent.spec.endswith(f":{recipe.agent}")
    assert PLACES.findall(path.read_text()) == []


def test_the_page_has_a_line_for_each() -> None:
    assert page(PAGE.read_text()) == PAGE.read_text()
