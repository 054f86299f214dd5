"""Search over a worker's own index, kept up to date from a real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from agent.adapters.embedded import Engines
from agent.adapters.ledger.connect import Pool
from agent.adapters.retrieval.index import COMMON_FROM, LocalIndex, search
from agent.adapters.retrieval.ingest import ingest
from agent.adapters.retrieval.library import Library
from agent.adapters.retrieval.records import Change, Document, Piece, State
from agent.adapters.retrieval.searching import Searcher
from agent.effects import Search
from agent.errors import Misconfigured, Transient
from agent.events import Passage
from agent.filters import Combine, Compare
from tests.e2e.shelves import migrated_pool, write


@pytest.fixture
async def pool(engines: Engines) -> AsyncIterator[Pool]:
    async with migrated_pool(engines.urls) as pool:
        yield pool


class CountingLibrary(Library):
    """Counts how often the log was read, and tells when it is."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool)
        self.reads = 0
        self.reading = asyncio.Event()

    async def changes(
        self, project: str, collection: str, since: int, until: int, *, after: str = "", limit: int = 2_000
    ) -> list[Change]:
        self.reads += 1
        self.reading.set()
        return await super().changes(project, collection, since, until, after=after, limit=limit)


@pytest.fixture
def library(pool: Pool) -> CountingLibrary:
    return CountingLibrary(pool)


@pytest.fixture
def searcher(library: Library, data_dir: Path) -> Iterator[Searcher]:
    searcher = Searcher(library, data_dir / "index")
    yield searcher
    searcher.close()


async def put(library: Library, collection: str = "default", /, **texts: str) -> None:
    """One document of one passage for each name."""
    documents = [
        Document(source, "/root", source.title(), text, (Piece(text, 0, len(text), "Heading"),))
        for source, text in texts.items()
    ]
    await library.put("default", collection, documents)


async def found(searcher: Searcher, query: str, collection: str = "default", limit: int = 6) -> tuple[Passage, ...]:
    return (await searcher.search(Search(collection=collection, query=query, limit=limit), "default")).passages


async def sources(searcher: Searcher, query: str, collection: str = "default") -> list[str]:
    return [passage.source for passage in await found(searcher, query, collection)]


async def test_the_best_passage_comes_first_with_all_that_a_citation_needs(
    library: Library, searcher: Searcher, data_dir: Path
) -> None:
    docs = write(
        data_dir / "docs",
        feed="---\nurl: https://docs.example/feed\n---\n# Feed\n\n## Retention\n\nEvents are kept for seven days.",
        keys="# Keys\n\nKeys are kept in a safe place.",
        other="# Other\n\nNothing of the kind.",
    )
    report = await ingest(library, [docs])
    answer = await searcher.search(Search(collection="default", query="How long are events kept?", limit=2), "default")
    assert answer.index_version == report.version
    first, second = answer.passages
    assert (first.label, second.label) == ("p1", "p2")
    assert first.score > second.score > 0
    assert (first.text, first.title) == ("Events are kept for seven days.", "Feed › Retention")
    assert (first.source, first.url) == ("docs/feed.md", "https://docs.example/feed")
    stored = await library.passage(first.id, "default")
    assert stored is not None
    assert (stored.text, stored.title, stored.document_id) == (first.text, first.title, first.document_id)


async def test_headings_are_searched_too(library: Library, searcher: Searcher, data_dir: Path) -> None:
    await ingest(library, [write(data_dir / "docs", a="# Rotation\n\nDo it weekly.", b="# Backup\n\nDo it daily.")])
    assert await sources(searcher, "backup") == ["docs/b.md"]


async def test_a_search_sees_what_was_written_before_it(library: Library, searcher: Searcher) -> None:
    await put(library, one="Alpha comes first.")
    assert await sources(searcher, "alpha") == ["one"]
    await put(library, two="Alpha comes second.")
    assert sorted(await sources(searcher, "alpha")) == ["one", "two"]
    await put(library, one="Beta took its place.")
    assert await sources(searcher, "alpha") == ["two"]
    await library.remove("default", "default", ["two"])
    assert await sources(searcher, "alpha") == []


async def test_an_unknown_collection_is_empty_and_at_version_zero(searcher: Searcher) -> None:
    answer = await searcher.search(Search(collection="no\x00where", query="alpha"), "default")
    assert (answer.passages, answer.index_version) == ((), 0)


@pytest.mark.parametrize("query", ["", "?!", "hello AND", "a:b", '"', "(" * 50, "\x00\ud800", "*", "-alpha", "/a"])
async def test_no_query_is_a_program(library: Library, searcher: Searcher, query: str) -> None:
    await put(library, one="Alpha.")
    assert await sources(searcher, query) in ([], ["one"])


async def test_a_page_pasted_as_a_query_is_searched(library: Library, searcher: Searcher) -> None:
    await put(library, one="Alpha.", two="Omega.")
    assert await sources(searcher, " ".join(f"word{number}" for number in range(20_000)) + " omega") == ["two"]


async def test_of_a_long_query_the_rarest_words_are_searched(library: Library, searcher: Searcher) -> None:
    rare = " ".join(str(number) for number in range(1_000, 1_064))
    await put(library, rare=f"7 {rare}.", one="7.", two="7.")
    assert len(await sources(searcher, "7 1000")) == 3
    assert await sources(searcher, f"7 {rare}") == ["rare"]


@pytest.mark.parametrize("limit", [-1, 0])
async def test_a_limit_below_one_finds_nothing(library: Library, searcher: Searcher, limit: int) -> None:
    await put(library, one="Alpha.")
    assert await found(searcher, "alpha", limit=limit) == ()


async def test_searches_at_once_read_the_log_once(library: CountingLibrary, searcher: Searcher) -> None:
    await put(library, one="Alpha.")
    answers = await asyncio.gather(*(sources(searcher, "alpha") for _ in range(20)))
    assert answers == [["one"]] * 20
    assert library.reads == 1


async def test_a_search_that_is_given_up_does_not_spoil_the_others(
    library: CountingLibrary, searcher: Searcher
) -> None:
    await put(library, one="Alpha.")
    given_up = asyncio.create_task(found(searcher, "alpha"))
    await library.reading.wait()
    given_up.cancel()
    assert await sources(searcher, "alpha") == ["one"]
    assert library.reads == 1


async def test_writing_and_searching_at_once_ends_with_everything_found(library: Library, searcher: Searcher) -> None:
    async def write_one(number: int) -> None:
        await put(library, **{f"n{number}": f"Alpha number {number}."})
        assert f"n{number}" in [passage.source for passage in await found(searcher, f"alpha {number}", limit=50)]

    await asyncio.gather(*(write_one(number) for number in range(15)))
    assert len(await found(searcher, "alpha", limit=50)) == 15


async def test_a_restart_goes_on_with_the_index_it_finds(library: CountingLibrary, data_dir: Path) -> None:
    await put(library, one="Alpha.")
    for reads in (1, 1):
        searcher = Searcher(library, data_dir / "index")
        assert await sources(searcher, "alpha") == ["one"]
        assert library.reads == reads
        searcher.close()


async def test_two_workers_never_share_an_index(library: CountingLibrary, data_dir: Path) -> None:
    await put(library, one="Alpha.")
    workers = [Searcher(library, data_dir / "index") for _ in range(2)]
    assert [await sources(worker, "alpha") for worker in workers] == [["one"], ["one"]]
    assert sorted(path.name for path in (data_dir / "index").iterdir()) == ["0", "1"]
    for worker in workers:
        worker.close()


@pytest.mark.parametrize("damage", ["marker", "cut", "garbage", "texts", "format", "lost"])
async def test_a_damaged_index_is_built_anew(library: CountingLibrary, data_dir: Path, damage: str) -> None:
    await put(library, one="Alpha.")
    searcher = Searcher(library, data_dir / "index")
    await found(searcher, "alpha")
    searcher.close()
    folder = data_dir / "index" / "0" / "default" / "default"
    for path in folder.iterdir():
        if path.suffix in (".store", ".term", ".idx"):
            data = path.read_bytes()
            if damage == "cut":
                path.write_bytes(data[: len(data) // 2])
            elif damage == "garbage":
                path.write_bytes(bytes(byte ^ 0x5A for byte in data[:-60]) + data[-60:])
            elif damage == "texts" and path.suffix == ".store":
                # Nothing is noticed before the first text is fetched.
                path.write_bytes(bytes(byte ^ 0x5A for byte in data[:100]) + data[100:])
            elif damage == "lost":
                path.unlink()
    marker = folder / "state.json"
    if damage == "marker":
        marker.write_text("[")
    elif damage == "format":
        marker.write_text(marker.read_text().replace('"format":', '"format":9'))
    again = Searcher(library, data_dir / "index")
    assert await sources(again, "alpha") == ["one"]
    assert await sources(again, "alpha") == ["one"]
    assert library.reads == 2
    again.close()


async def test_an_index_of_another_database_is_not_believed(library: Library, pool: Pool, data_dir: Path) -> None:
    await put(library, one="Alpha.")
    searcher = Searcher(library, data_dir / "index")
    assert await sources(searcher, "alpha") == ["one"]
    await pool.execute("truncate collections cascade")
    await put(library, two="Alpha.")
    assert await sources(searcher, "alpha") == ["two"]
    searcher.close()


async def test_a_database_that_was_set_back_is_followed_back(library: Library, pool: Pool, searcher: Searcher) -> None:
    await put(library, one="Alpha.")
    await put(library, two="Alpha.")
    assert len(await found(searcher, "alpha")) == 2
    await pool.execute("delete from passage_changes where version = 2")
    await pool.execute("update collections set version = 1")
    assert await sources(searcher, "alpha") == ["one"]


async def test_collections_are_searched_apart_whatever_their_names(library: Library, searcher: Searcher) -> None:
    names = ["default", "Default", "../default", "a/b", "=x", "ä" * 100, "", "."]
    for number, name in enumerate(names):
        await put(library, name, **{f"n{number}": "Alpha."})
    assert [await sources(searcher, "alpha", name) for name in names] == [[f"n{n}"] for n in range(len(names))]


async def test_without_a_folder_the_index_is_temporary(library: Library) -> None:
    await put(library, one="Alpha.")
    searcher = Searcher(library, None)
    assert await sources(searcher, "alpha") == ["one"]
    searcher.close()


async def test_a_folder_that_cannot_be_used_stops_the_start(library: Library, data_dir: Path) -> None:
    (data_dir / "file").write_text("")
    with pytest.raises(Misconfigured, match="Not a directory"):
        Searcher(library, data_dir / "file" / "index")


async def test_a_database_that_went_away_is_worth_another_try(pool: Pool, searcher: Searcher) -> None:
    await pool.close()
    with pytest.raises(Transient) as raised:
        await found(searcher, "alpha")
    assert raised.value.kind == "transport"


async def test_a_disk_that_cannot_be_written_is_worth_another_try(
    library: Library, searcher: Searcher, data_dir: Path
) -> None:
    await put(library, one="Alpha.")
    (data_dir / "index" / "0" / "default").write_text("in the way")
    with pytest.raises(Transient) as raised:
        await found(searcher, "alpha")
    assert raised.value.kind == "index"
    (data_dir / "index" / "0" / "default").unlink()
    assert await sources(searcher, "alpha") == ["one"]


def test_words_that_stand_everywhere_do_not_count_where_others_do(data_dir: Path) -> None:
    index = LocalIndex(data_dir / "index")
    index.discard()
    texts = ["The note."] * COMMON_FROM + ["The zebra."]
    index.apply(
        Change(str(number), Passage(id=str(number), label="", document_id="", title="", source="", text=text))
        for number, text in enumerate(texts)
    )
    index.show(State("epoch", 1))
    assert index.snapshot is not None
    assert [passage.text for passage in search(index.snapshot.searcher, "the zebra", 6)] == ["The zebra."]
    assert len(search(index.snapshot.searcher, "the", 6)) == 6


async def test_only_documents_that_meet_a_condition_are_searched(
    library: Library, searcher: Searcher, data_dir: Path
) -> None:
    front = "---\naudience: {}\nyear: {}\ntags: [a, {}]\nday: 2026-01-0{}\n---\n"
    docs = write(
        data_dir / "docs",
        one=front.format("public", 2024, "x", 1) + "Alpha.",
        two=front.format("staff", 2025, "y", 2) + "Alpha.",
        three="Alpha.",
    )

    async def hits(*conditions: Compare) -> list[str]:
        where = Combine(type="and", filters=conditions)
        answer = await searcher.search(Search(collection="default", query="alpha", where=where), "default")
        return sorted(passage.source.removesuffix(".md").removeprefix("docs/") for passage in answer.passages)

    report = await ingest(library, [docs])
    assert await hits(Compare(type="eq", key="audience", value="public")) == ["one"]
    assert await hits(Compare(type="ne", key="audience", value="public")) == ["three", "two"]
    assert await hits(Compare(type="eq", key="tags", value="a"), Compare(type="gt", key="year", value=2024)) == ["two"]
    assert await hits(Compare(type="lt", key="day", value="2026-01-02")) == ["one"]
    # What is given wins over what a document says of itself, and an attribute alone is a change.
    again = await ingest(library, [docs], attributes={"audience": ("staff",)})
    assert (again.replaced, again.unchanged, again.version) == (3, 0, report.version + 1)
    assert await hits(Compare(type="eq", key="audience", value="public")) == []
    assert await hits(Compare(type="eq", key="audience", value="staff")) == ["one", "three", "two"]
    assert (await ingest(library, [docs], attributes={"audience": ("staff",)})).version == again.version


async def test_passages_come_with_their_neighbours_in_the_order_of_the_document(
    library: Library, searcher: Searcher, pool: Pool
) -> None:
    await pool.execute("insert into projects (id, name) values ('other', 'Other')")
    lines = ["Zero.", "One alpha alpha.", "Two.", "Three.", "Four.", "Five.", "Six.", "Seven alpha."]
    pieces = tuple(Piece(text, place, place, "Heading") for place, text in enumerate(lines))
    for project in ("default", "other"):
        document = Document("doc", "/root", "Doc", project, pieces if project == "default" else pieces[::-1])
        await library.put(project, "default", [document])
    await put(library, lone="Alpha is here as well, and here it stands by itself.")

    async def hits(neighbours: int) -> list[tuple[str, str, bool]]:
        asked = Search(collection="default", query="alpha", neighbours=neighbours)
        answer = await searcher.search(asked, "default")
        return [(it.label, it.text.split()[0].strip("."), it.score > 0) for it in answer.passages]

    assert await hits(0) == [("p1", "One", True), ("p2", "Seven", True), ("p3", "Alpha", True)]
    assert await hits(1) == [
        ("p1", "Zero", False), ("p2", "One", True), ("p3", "Two", False),
        ("p4", "Six", False), ("p5", "Seven", True), ("p6", "Alpha", True),
    ]  # fmt: skip
    assert [text for _, text, _ in await hits(3)] == [
        "Zero",
        "One",
        "Two",
        "Three",
        "Four",
        "Five",
        "Six",
        "Seven",
        "Alpha",
    ]
    # Places move without a word to the indexes.
    await library.put("default", "default", [Document("doc", "/root", "Doc", "new", (pieces[7], *pieces[:7]))])
    assert [text for _, text, _ in await hits(1)] == ["Seven", "Zero", "One", "Two", "Alpha"]


async def test_thai_and_chinese_are_searched_like_everything_else(library: Library, searcher: Searcher) -> None:
    await put(library, thai="กรุงเทพเป็นเมืองหลวงของไทย", chinese="北京是中国的首都", english="Rome is old.")
    assert (await sources(searcher, "เมืองหลวง"))[0] == "thai"
    assert (await sources(searcher, "中国的首都是哪里"))[0] == "chinese"
