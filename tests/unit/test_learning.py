"""What an endpoint was found to take is kept for a while, by this worker and for all."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from agent.adapters.model.ladder import Shape
from agent.adapters.model.learning import LEARNED_S, LOOKED_S, Learned
from agent.effects import CallModel
from agent.errors import Transient
from agent.request import Message
from agent.settings import EndpointSettings, ModelSettings

SETTINGS = EndpointSettings(name="e", base_url="http://e/v1", models=(ModelSettings(name="m"),))
SCHEMA = '{"type":"object","properties":{"a":{"type":"string"}}}'
ASKED = CallModel(
    model="m", prompt="p@1", messages=(Message(role="user", content="?"),), max_output_tokens=9, output_schema=SCHEMA
)
OTHER = ASKED.model_copy(update={"output_schema": SCHEMA.replace("a", "b")})
LOWER = Shape("json_object", limit="max_completion_tokens")


@dataclass
class Shelf:
    kept: dict[str, str] = field(default_factory=dict)
    away: bool = False

    async def read(self, place: str, /) -> str | None:
        if self.away:
            raise Transient("away")
        return self.kept.get(place)

    async def write(self, place: str, text: str, lives_s: float, /) -> None:
        if self.away:
            raise Transient("away")
        assert lives_s == LEARNED_S
        self.kept[place] = text


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


async def test_a_rung_is_learned_for_its_schema_and_the_rest_for_the_model() -> None:
    learned = Learned(SETTINGS)
    await learned.learn(ASKED, await learned.shape(ASKED), LOWER)
    assert await learned.shape(ASKED) == LOWER
    assert await learned.shape(OTHER) == replace(Shape(), limit="max_completion_tokens")


async def test_what_one_worker_learned_others_begin_with() -> None:
    shelf = Shelf()
    one, other = Learned(SETTINGS, shelf), Learned(SETTINGS, shelf)
    await one.learn(ASKED, Shape(), LOWER)
    assert await other.shape(ASKED) == LOWER
    elsewhere = Learned(SETTINGS.model_copy(update={"base_url": "http://new/v1"}), shelf)
    assert await elsewhere.shape(ASKED) == Shape()


async def test_an_endpoint_that_takes_more_by_now_is_found_again() -> None:
    clock = Clock()
    learned = Learned(SETTINGS, Shelf(), clock)
    await learned.learn(ASKED, Shape(), LOWER)
    learned._notes = Shelf()  # Redis has forgotten it by then
    clock.now = LEARNED_S + 1
    assert await learned.shape(ASKED) == Shape()


async def test_without_the_notes_each_worker_learns_for_itself() -> None:
    shelf, clock = Shelf(away=True), Clock()
    learned = Learned(SETTINGS, shelf, clock)
    await learned.learn(ASKED, await learned.shape(ASKED), LOWER)
    clock.now = LOOKED_S + 1
    assert await learned.shape(ASKED) == LOWER


@pytest.mark.parametrize(
    "note",
    [
        "[]",
        "no json",
        '{"limit":"x"}',
        '{"rung":"top"}',
        '{"temperature":"yes"}',
        '{"without":[1]}',
        '{"choosing":7,"strict":null}',
    ],
)
async def test_notes_of_strangers_are_passed_over(note: str) -> None:
    shelf = Shelf()
    writer = Learned(SETTINGS, shelf)
    await writer.learn(ASKED, Shape(), LOWER)
    shelf.kept = dict.fromkeys(shelf.kept, note)
    assert await Learned(SETTINGS, shelf).shape(ASKED) == Shape()


async def test_a_rung_that_the_settings_name_stays() -> None:
    shelf = Shelf()
    await Learned(SETTINGS, shelf).learn(ASKED, Shape(), LOWER)
    named = Learned(SETTINGS.model_copy(update={"structured": "json_schema"}), shelf)
    assert (await named.shape(ASKED)).rung == "json_schema"
