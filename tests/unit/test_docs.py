"""What the documentation says, held against the code."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent.envelope import Envelope, Key, seal
from agent.events import (
    CATALOGUE,
    AnswerAccepted,
    AnswerDrafted,
    ApprovalDecided,
    ApprovalRequested,
    ConversationRecalled,
    DraftRejected,
    Event,
    ModelsPassedOver,
    PassagesFound,
    RequestReceived,
    RunCancelled,
    RunFailed,
    ToolsAnswered,
    ToolsRequested,
    VerdictGiven,
)
from agent.ports import FeedRow
from agent.settings import Settings
from workers.relay import fact

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SAMPLES: list[Event] = [
    RequestReceived(agent="documents"),
    ConversationRecalled(previous="resp_0", messages=()),
    PassagesFound(query="q", collection="default", index_version=1, passages=()),
    AnswerDrafted(draft="d", model="m", endpoint="e", prompt="p@1.0.0+00000000"),
    ToolsRequested(calls=(), round=1),
    ToolsAnswered(results=(), round=1),
    ApprovalRequested(calls=(), round=1, wait_s=9),
    ApprovalDecided(approved=(), denied=(), by="b", round=1),
    VerdictGiven(check="c", passed=True, repairs=0),
    DraftRejected(problems=(), repairs=0),
    ModelsPassedOver(models=("m",), repairs=2),
    AnswerAccepted(text="t"),
    RunFailed(code="transport", message="m"),
    RunCancelled(by="client"),
    ConversationRecalled(previous="resp_0", messages=()),
]


def test_every_setting_is_documented_and_every_documented_setting_exists() -> None:
    documented = re.findall(r"^\| `(CUELIGHT_\w+)`", (ROOT / "docs/settings.md").read_text(), re.MULTILINE)
    assert sorted(documented) == sorted(f"CUELIGHT_{name.upper()}" for name in Settings.model_fields)


def test_the_documented_defaults_of_numbers_are_the_ones_in_the_code() -> None:
    page = (ROOT / "docs/settings.md").read_text()
    for name, field in Settings.model_fields.items():
        if isinstance(field.default, int | float) and not isinstance(field.default, bool):
            assert f"| `CUELIGHT_{name.upper()}` | {field.default:.12g} |" in page.replace(",", ""), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_setting_named_on_a_page_exists(page: Path) -> None:
    known = {f"CUELIGHT_{name.upper()}" for name in Settings.model_fields}
    assert set(re.findall(r"CUELIGHT_[A-Z][A-Z_]*[A-Z]", page.read_text())) <= known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_link_on_a_page_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_the_feeds_catalogue_names_exactly_the_fields_that_events_tell() -> None:
    assert {type(sample) for sample in SAMPLES} == set(CATALOGUE)
    documented = table("## Catalogue")
    assert documented == {f"{it.type} v{it.version}": set(it.public()) for it in SAMPLES}


def test_the_feeds_common_fields_are_the_ones_that_the_relay_writes() -> None:
    key, at = Key("resp_1", 1, 1), datetime(2026, 1, 1, tzinfo=UTC)
    told = fact(FeedRow(Envelope(key, seal(SAMPLES[3]), at), "default"), {})
    page = section("## Fields of every entry")
    assert set(re.findall(r"^\| `(\w+)`", page, re.MULTILINE)) == set(told)


def table(heading: str) -> dict[str, set[str]]:
    rows = re.findall(r"^\| `([\w.]+)` \| (\d+) \|[^|]*\|([^|]*)\|", section(heading), re.MULTILINE)
    return {f"{name} v{version}": set(re.findall(r"`(\w+)`", fields)) for name, version, fields in rows}


def section(heading: str) -> str:
    page: Any = (ROOT / "docs/feed.md").read_text()
    found: str = page.split(heading + "\n", 1)[1].split("\n## ", 1)[0]
    return found


def test_every_test_that_the_page_on_resilience_names_is_there_and_every_letter_is_explained() -> None:
    page = (ROOT / "docs/resilience.md").read_text()
    named = re.findall(r"^\| ([A-Z]\d) \| `(tests/[\w/]+\.py)(?:::(\w+))?`", page, re.MULTILINE)
    missing = [f"{path}::{name}" for _, path, name in named if name and f"def {name}(" not in (ROOT / path).read_text()]
    assert missing == []
    matrix = page[page.index("## Ways to die") : page.index("## The tests")]
    assert set(re.findall(r"\b[A-Z]\d\b", matrix)) == {letter for letter, _, _ in named}
