"""Folders into the library and its log of changes, in a real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import asyncpg
import pytest

from agent.adapters.embedded import Engines
from agent.adapters.ledger.connect import Pool
from agent.adapters.retrieval.ingest import ingest
from agent.adapters.retrieval.library import Library
from agent.adapters.retrieval.records import Document, Piece
from agent.adapters.retrieval.shelving import IngestReport
from agent.errors import Refused, Transient
from tests.e2e.shelves import migrated_pool, move, write


@pytest.fixture
async def pool(engines: Engines) -> AsyncIterator[Pool]:
    async with migrated_pool(engines.urls) as pool:
        yield pool


@pytest.fixture
def library(pool: Pool) -> Library:
    return Library(pool)


@pytest.fixture
def docs(data_dir: Path) -> Path:
    return write(data_dir / "docs", feed="# Feed\n\nKept for a week.\n\n## Old\n\nGone.", keys="# Keys\n\nTurn them.")


async def texts(library: Library, collection: str = "default") -> list[str]:
    """The texts that a follower of the whole log holds in the end."""
    until = await library.version("default", collection)
    changes = await library.changes("default", collection, 0, until)
    return sorted(change.passage.text for change in changes if change.passage)


def counts(report: IngestReport) -> tuple[int, int, int, int]:
    return report.added, report.unchanged, report.replaced, report.removed


def document(source: str, *passages: str, title: str = "Title") -> Document:
    pieces = tuple(Piece(text, 0, len(text)) for text in passages)
    return Document(source, "/root", title, str(hash(passages)), pieces)


async def passage_id(library: Library, text: str) -> str:
    version = await library.version("default", "default")
    changes = await library.changes("default", "default", 0, version)
    return next(change.passage_id for change in changes if change.passage and change.passage.text == text)


async def test_a_folder_is_read_and_its_documents_are_named_after_it(library: Library, docs: Path) -> None:
    seen: list[tuple[int, int, str]] = []
    report = await ingest(library, [docs], progress=lambda *step: seen.append(step))
    assert counts(report) == (2, 0, 0, 0)
    assert (report.passages, report.version, report.skipped) == (3, 1, ())
    assert seen == [(1, 2, "docs/feed.md"), (2, 2, "docs/keys.md")]
    stored = await library.passage(await passage_id(library, "Gone."), "default")
    assert stored is not None
    assert (stored.title, stored.source, stored.text, stored.current) == ("Feed › Old", "docs/feed.md", "Gone.", True)


async def test_reading_the_same_again_changes_nothing(library: Library, docs: Path) -> None:
    first = await ingest(library, [docs])
    again = await ingest(library, [docs])
    assert counts(again) == (0, 2, 0, 0)
    assert again.version == first.version


async def test_a_changed_file_keeps_the_ids_of_passages_that_stayed(library: Library, docs: Path) -> None:
    before = await ingest(library, [docs])
    kept, gone = await passage_id(library, "Kept for a week."), await passage_id(library, "Gone.")
    write(docs, feed="# Feed\n\n## New\n\nFirst of all.\n\n# Feed\n\nKept for a week.")
    report = await ingest(library, [docs])
    assert counts(report) == (0, 1, 1, 0)
    assert report.version == before.version + 1
    changes = await library.changes("default", "default", before.version, report.version)
    assert {change.passage_id: change.passage is not None for change in changes} == {
        await passage_id(library, "First of all."): True,
        gone: False,
    }
    assert await passage_id(library, "Kept for a week.") == kept


async def test_a_replaced_passage_can_still_be_opened_but_by_its_project_only(
    library: Library, pool: Pool, docs: Path
) -> None:
    await pool.execute("insert into projects (id, name) values ('other', 'Other')")
    await ingest(library, [docs])
    gone = await passage_id(library, "Gone.")
    (docs / "feed.md").unlink()
    assert counts(await ingest(library, [docs])) == (0, 1, 0, 1)
    stored = await library.passage(gone, "default")
    assert stored is not None
    assert (stored.text, stored.current) == ("Gone.", False)
    assert await library.passage(gone, "other") is None
    assert await library.passage("psg_\x00nothing", "default") is None


async def test_only_what_was_under_the_same_folder_is_removed(library: Library, docs: Path, data_dir: Path) -> None:
    other = write(data_dir / "other", notes="Notes.")
    await ingest(library, [docs, other])
    (docs / "keys.md").unlink()
    (other / "notes.md").unlink()
    assert counts(await ingest(library, [docs])) == (0, 1, 0, 1)
    assert await texts(library) == ["Gone.", "Kept for a week.", "Notes."]


async def test_a_folder_that_is_not_there_is_no_reason_to_forget(library: Library, docs: Path, data_dir: Path) -> None:
    await ingest(library, [docs])
    move(docs, data_dir / "away")
    report = await ingest(library, [docs])
    assert counts(report) == (0, 0, 0, 0)
    assert report.skipped == ((str(docs), "no such file or folder"),)
    assert report.passages == 3


async def test_a_document_that_comes_back_has_its_old_passages_again(library: Library, docs: Path) -> None:
    await ingest(library, [docs])
    old = await passage_id(library, "Turn them.")
    text = (docs / "keys.md").read_text()
    (docs / "keys.md").unlink()
    await ingest(library, [docs])
    (docs / "keys.md").write_text(text)
    assert counts(await ingest(library, [docs])) == (1, 1, 0, 0)
    assert await passage_id(library, "Turn them.") == old


async def test_an_emptied_file_is_removed_and_one_that_broke_is_kept(library: Library, docs: Path) -> None:
    await ingest(library, [docs])
    (docs / "keys.md").write_text("")
    (docs / "feed.md").write_bytes(b"\xff\x00\xff")
    report = await ingest(library, [docs])
    assert counts(report) == (0, 0, 0, 1)
    assert report.skipped == (
        (str(docs / "feed.md"), "not UTF-8 text"),
        (str(docs / "keys.md"), "no text in it"),
    )
    assert await texts(library) == ["Gone.", "Kept for a week."]


async def test_what_is_hidden_unknown_or_leads_out_is_not_read(library: Library, docs: Path, data_dir: Path) -> None:
    write(docs / ".git", secret="Hidden.")
    write(docs / "inner", deep="Deep.")
    (docs / ".hidden.md").write_text("Hidden.")
    (docs / "image.png").write_bytes(b"\x89PNG")
    (data_dir / "secret.md").write_text("Outside.")
    (docs / "link.md").symlink_to(data_dir / "secret.md")
    (docs / "same.md").symlink_to(docs / "keys.md")
    (docs / "loop").symlink_to(docs)
    report = await ingest(library, [docs])
    assert report.skipped == ((str(docs / "link.md"), "a link that leads out of the folder"),)
    assert await texts(library) == ["Deep.", "Gone.", "Kept for a week.", "Turn them.", "Turn them."]


async def test_single_files_go_by_their_name_and_two_of_one_name_are_reported(
    library: Library, docs: Path, data_dir: Path
) -> None:
    other = write(data_dir / "other", feed="Other.")
    (data_dir / "x.bin").write_text("x")
    report = await ingest(library, [docs / "feed.md", other / "feed.md", data_dir / "x.bin"])
    assert report.added == 1
    assert [reason.split(" .")[0] for _, reason in report.skipped] == [
        "another file is called feed.md already",
        "not one of",
    ]
    assert set(await library.documents("default", "default")) == {"feed.md"}


async def test_a_folder_of_the_same_name_elsewhere_replaces_nothing_and_is_reported(
    library: Library, docs: Path, data_dir: Path
) -> None:
    await ingest(library, [docs])
    (data_dir / "elsewhere").mkdir()
    other = write(data_dir / "elsewhere" / "docs", keys="Other keys.", more="More.")
    report = await ingest(library, [other])
    assert counts(report) == (1, 0, 0, 0)
    assert report.skipped == (
        (str(other / "keys.md"), f"another document is called docs/keys.md already, from {docs}"),
    )
    assert await texts(library) == ["Gone.", "Kept for a week.", "More.", "Turn them."]


async def test_a_folder_that_was_moved_brings_its_changed_documents_along(
    library: Library, docs: Path, data_dir: Path
) -> None:
    await ingest(library, [docs])
    (data_dir / "elsewhere").mkdir()
    move(docs, data_dir / "elsewhere" / "docs")
    moved = write(data_dir / "elsewhere" / "docs", keys="Push them.")
    assert counts(await ingest(library, [moved])) == (0, 1, 1, 0)
    assert await texts(library) == ["Gone.", "Kept for a week.", "Push them."]


async def test_a_new_title_or_address_reaches_those_who_follow_the_log(library: Library) -> None:
    await library.put("default", "default", [document("a", "Text.", title="Old")])
    await library.put("default", "default", [document("a", "Text.", title="New")])
    assert await library.version("default", "default") == 2
    [change] = await library.changes("default", "default", 1, 2)
    assert change.passage is not None
    assert change.passage.title == "New"


async def test_equal_passages_of_one_document_are_two(library: Library) -> None:
    await library.put("default", "default", [document("a", "Same.", "Same.")])
    assert await texts(library) == ["Same.", "Same."]
    await library.put("default", "default", [document("a", "Same.")])
    assert await library.count("default", "default") == 1


async def test_the_log_can_be_read_in_pages_and_as_it_was(library: Library) -> None:
    await library.put("default", "default", [document("a", *(f"Text {number}." for number in range(25)))])
    await library.remove("default", "default", ["a"])
    found: list[str] = []
    while page := await library.changes("default", "default", 0, 1, after=found[-1] if found else "", limit=10):
        assert all(change.passage for change in page)
        found += [change.passage_id for change in page]
    assert len(set(found)) == 25
    assert not any(change.passage for change in await library.changes("default", "default", 0, 2))


async def test_versions_have_no_gaps_however_many_write_at_once(library: Library, pool: Pool) -> None:
    def writing(number: int) -> list[Document]:
        return [document(f"source {number}", f"Text {number}.")]

    await asyncio.gather(*(library.put("default", "default", writing(number)) for number in range(12)))
    rows = await pool.fetch("select version, count(*) from passage_changes group by 1 order by 1")
    assert [tuple(row) for row in rows] == [(number, 1) for number in range(1, 13)]
    assert await library.version("default", "default") == 12


async def test_of_two_writers_of_one_document_the_later_leaves_nothing_of_the_earlier(library: Library) -> None:
    writings = [[document("a", *(f"Text {number} of {writer}." for number in range(50)))] for writer in range(6)]
    await asyncio.gather(*(library.put("default", "default", writing) for writing in writings))
    assert len({text.split(" of ")[1] for text in await texts(library)}) == 1
    assert await library.count("default", "default") == 50


async def test_a_write_that_fails_leaves_no_version_behind(library: Library) -> None:
    broken = document("a", "Text \x00.")
    with pytest.raises(asyncpg.DataError):
        await library.put("default", "default", [document("b", "Fine."), broken])
    assert await library.version("default", "default") == 0
    assert await texts(library) == []


async def test_collections_and_projects_share_nothing(library: Library, pool: Pool, docs: Path) -> None:
    await pool.execute("insert into projects (id, name) values ('other', 'Other')")
    places: Sequence[tuple[str, str]] = [("default", "one"), ("default", "two"), ("other", "one")]
    for project, collection in places:
        await ingest(library, [docs], project=project, collection=collection)
    await library.remove("default", "one", ["docs/feed.md", "docs/keys.md"])
    assert [await library.count(*place) for place in places] == [0, 3, 3]
    assert [await library.version(*place) for place in places] == [2, 1, 1]


async def test_names_from_strangers_do_not_break_the_ingest(library: Library, data_dir: Path) -> None:
    docs = data_dir / "docs"
    docs.mkdir()
    (Path(docs) / b"caf\xe9 \xe2\x80\xae.md".decode("utf-8", "surrogateescape")).write_text("Text\x00.")
    report = await ingest(library, [docs], collection="a\x00b")
    assert counts(report) == (1, 0, 0, 0)
    assert await library.version("default", "a\x00b") == 1


async def test_a_project_that_is_not_there_is_refused(library: Library, docs: Path) -> None:
    with pytest.raises(Refused, match="nobody"):
        await ingest(library, [docs], project="nobody")


async def test_a_database_that_went_away_is_worth_another_try(library: Library, pool: Pool) -> None:
    await pool.close()
    with pytest.raises(Transient) as raised:
        await library.version("default", "default")
    assert raised.value.kind == "transport"


async def test_operators_see_every_collection(library: Library, pool: Pool, docs: Path) -> None:
    await ingest(library, [docs])
    (docs / "keys.md").unlink()
    await ingest(library, [docs])
    [row] = await pool.fetch("select * from library")
    assert (row["collection"], row["version"], row["documents"], row["passages"]) == ("default", 2, 1, 2)
    assert row["replaced_passages"] == 1
