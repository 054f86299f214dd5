"""Marks by themselves: which entry carries which work, written late, together, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from agent.adapters.ledger.marks import Marks
from agent.errors import Transient
from agent.ports import Pointer

FIRST = Pointer("resp_1", 1, 1, "retrieve", 1)
SECOND = Pointer("resp_2", 1, 1, "retrieve", 1)


class Book:
    """Keeps what it is told; fails as it is told."""

    def __init__(self, *failures: Exception) -> None:
        self.pages: list[dict[Pointer, str]] = []
        self.failures = list(failures)
        self.told = asyncio.Event()

    async def __call__(self, marks: Mapping[Pointer, str]) -> None:
        self.told.set()
        if self.failures:
            raise self.failures.pop(0)
        self.pages.append(dict(marks))


async def test_marks_of_one_moment_are_written_together_without_being_asked_for() -> None:
    book = Book()
    marks = Marks(book, within_s=0)
    marks.add(FIRST, "1-0")
    marks.add(SECOND, "2-0")
    await book.told.wait()
    assert book.pages == [{FIRST: "1-0", SECOND: "2-0"}]


async def test_work_that_was_begun_meanwhile_is_not_marked() -> None:
    book = Book()
    marks = Marks(book, within_s=3600)
    marks.add(FIRST, "1-0")
    marks.add(SECOND, "2-0")
    marks.begun(FIRST)
    await marks.drain()
    assert book.pages == [{SECOND: "2-0"}]


async def test_a_mark_that_cannot_be_written_is_lost_and_the_next_is_not() -> None:
    book = Book(Transient("away"))
    marks = Marks(book, within_s=3600)
    marks.add(FIRST, "1-0")
    await marks.drain()
    marks.add(SECOND, "2-0")
    await marks.drain()
    assert book.pages == [{SECOND: "2-0"}]
