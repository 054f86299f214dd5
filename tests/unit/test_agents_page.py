"""The code on the page about agents, run as a newcomer would."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from agent import Agent, Draft
from agent.flow import examine
from agent.prompting import PromptBook
from cli.init import starter

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "agents.md").read_text()
BLOCKS: list[str] = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def run(*blocks: str) -> dict[str, Any]:
    """What these blocks define, one after the other."""
    names: dict[str, Any] = {"__name__": "page"}
    for block in blocks:
        exec(compile(block, "docs/agents.md", "exec"), names)  # noqa: S102  # our own page
    return names


def block(word: str) -> str:
    (found,) = (it for it in BLOCKS if word in it)
    return found


def test_the_agent_and_the_step_of_the_page_have_a_flow_that_holds() -> None:
    found = run(block("manual = Agent("), block("Before(")).values()
    agents = {it.name: it.bind(PromptBook.here(), ("m",)) for it in found if isinstance(it, Agent)}
    assert {name: examine(bound) for name, bound in agents.items()} == {"manual": [], "ranked": []}
    assert [route.name for route in agents["ranked"].router.routes.values()][:3] == ["retrieve", "rank", "generate"]


def test_the_test_of_the_page_passes_with_what_init_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path, words in starter("shop_hours").items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(words)
    module = ModuleType("shop_hours")
    monkeypatch.setitem(sys.modules, "shop_hours", module)
    monkeypatch.setenv("CUELIGHT_PROMPTS_DIR", str(tmp_path / "prompts"))
    exec((tmp_path / "shop_hours.py").read_text(), module.__dict__)  # noqa: S102  # our own words
    run(block("rehearse("))["test_the_hours_are_looked_up"]()


def test_every_field_of_an_agent_and_of_a_draft_is_on_the_page() -> None:
    named = set(re.findall(r"`(\w+)`", PAGE))
    assert {name for name in Agent.__dataclass_fields__ if name != "description"} <= named
    assert set(Draft.__dataclass_fields__) <= named
