"""What is made of files, well-meant ones and others."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader, PdfWriter

from agent.adapters.retrieval.reading import MOST_BYTES, READERS, Empty, Skipped, read, read_bytes
from agent.adapters.retrieval.records import Document


def reading(data: str | bytes, name: str) -> Document:
    return read(data.encode() if isinstance(data, str) else data, name, "/root")


def texts(document: Document) -> list[str]:
    return [piece.text for piece in document.pieces]


def pdf(*pages: str, password: str = "") -> bytes:
    """A PDF of one line a page, written by hand."""
    contents = [f"BT /F1 12 Tf 72 720 Td ({page}) Tj ET".encode() for page in pages]
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for number, content in enumerate(contents):
        resources = b"<< /Font << /F1 3 0 R >> >>"
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources %b /Contents %d 0 R >>"
            % (resources, 5 + 2 * number)
        )
        objects.append(b"<< /Length %d >>\nstream\n%b\nendstream" % (len(content), content))
    out = bytearray(b"%PDF-1.4\n")
    places = []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table)
    if not password:
        return bytes(out)
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(bytes(out))))
    writer.encrypt(password, algorithm="RC4-128")
    protected = io.BytesIO()
    writer.write(protected)
    return protected.getvalue()


def test_markdown_is_kept_word_for_word() -> None:
    document = reading("# The *feed*\n\nSee **[keys](k.md)** &amp; `x`.\r\n\r\n* one\n", "docs/feed.md")
    assert document.title == "The feed"
    assert texts(document) == ["See **[keys](k.md)** &amp; `x`.\n\n* one"]


def test_front_matter_names_title_and_address_and_is_no_passage() -> None:
    document = reading("---\ntitle: Feeds\nurl: https://docs.example/feed\ntags: [a]\n---\nText.\n", "feed.md")
    assert (document.title, document.url, texts(document)) == ("Feeds", "https://docs.example/feed", ["Text."])


@pytest.mark.parametrize(
    "front", ["[" * 40_000, "url: [1]\ntitle: 3", "2024-99-99", "? {a: b}\n: c", "a: &a [*a, *a]\nb: *c", "- x", "\t"]
)
def test_front_matter_that_is_nonsense_is_passed_over(front: str) -> None:
    document = reading(f"---\n{front}\n---\nText.\n", "feed.md")
    assert (document.title, document.url, texts(document)) == ("feed.md", None, ["Text."])


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "file:///etc/passwd", "//x", "https://", "http://[", "https://a b/", "https://a/\x07"],
)
def test_only_web_addresses_become_links(url: str) -> None:
    assert reading(f"---\nurl: {json.dumps(url)}\n---\nText.\n", "a.md").url is None
    assert reading(f"<link rel=canonical href='{url}'><p>Text.</p>", "a.html").url is None


def test_plain_text_is_named_after_its_file() -> None:
    document = reading("Hello.\n\nWorld.", "notes/hello.txt")
    assert (document.title, texts(document), document.url) == ("hello.txt", ["Hello.\n\nWorld."], None)


def test_html_is_read_as_it_is_seen() -> None:
    document = reading(
        """<?xml version="1.0"?><html><head><title> The
        page </title><link rel="canonical" href="https://e.example/p"><style>p {}</style></head>
        <body><nav>Home</nav><h1>Top</h1><p>A <b>bold</b>
        claim<br>here &amp; now.</p><script>evil()</script><!-- no --><p hidden>no</p>
        <div style="DISPLAY : none">no</div><template>no</template><ul><li>x<li>y</ul>
        <table><tr><th>k</th><th>v</th></tr><tr><td>1<td>2</table>
        <h2>Code</h2><pre>if a:
    b</pre></body></html>""",
        "page.html",
    )
    assert (document.title, document.url) == ("The page", "https://e.example/p")
    assert [(piece.heading, piece.text) for piece in document.pieces] == [
        ("Top", "A bold claim\nhere & now.\n\nx\ny\n\nk | v\n1 | 2"),
        ("Top › Code", "if a:\n    b"),
    ]


def test_html_is_read_in_the_encoding_that_it_declares() -> None:
    page = '<meta charset="iso-8859-1"><p>café</p>'
    assert texts(reading(page.encode("latin-1"), "a.html")) == ["café"]


def test_pages_of_a_pdf_are_its_headings() -> None:
    document = reading(pdf("First page.", "Second page."), "guide.pdf")
    assert document.title == "guide.pdf"
    assert [(piece.heading, piece.text) for piece in document.pieces] == [
        ("p. 1", "First page."),
        ("p. 2", "Second page."),
    ]


@pytest.mark.parametrize(
    ("data", "name", "reason"),
    [
        (b"caf\xe9", "a.txt", "not UTF-8 text"),
        (b"\xff\xfe\x00", "a.md", "not UTF-16-LE text"),
        (b"<meta charset=nonsense>caf\xe9", "a.html", "not NONSENSE text"),
        (b"%PDF-1.4 and so on", "a.pdf", "cannot be read: "),
        (pdf("Secret.", password="x"), "a.pdf", "protected by a password"),
    ],
)
def test_what_cannot_be_read_is_skipped_with_its_reason(data: bytes, name: str, reason: str) -> None:
    with pytest.raises(Skipped, match=reason):
        reading(data, name)


@pytest.mark.parametrize("data", [b"", b" \n\t\n", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.html"])
def test_a_file_without_text_is_empty(data: bytes, name: str) -> None:
    with pytest.raises(Empty):
        reading(data, name)


def test_a_file_of_nothing_but_headings_is_still_found() -> None:
    assert texts(reading("# One\n## Two\n", "a.md")) == ["# One\n## Two"]


def test_what_the_database_refuses_is_replaced_in_place() -> None:
    assert texts(reading(b"a\x00b", "a.txt")) == ["a\ufffdb"]
    assert reading("Hello.", "a\udce9.txt").source == "a?.txt"


def test_utf_16_is_read_where_it_says_so() -> None:
    assert texts(reading("Grüße".encode("utf-16"), "a.txt")) == ["Grüße"]


def test_files_above_the_limit_are_skipped(tmp_path: Path) -> None:
    large = tmp_path / "large.txt"
    with large.open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(Skipped, match="larger than 20 MB"):
        read_bytes(large)
    with pytest.raises(Skipped, match="No such file"):
        read_bytes(tmp_path / "gone.txt")


@pytest.mark.parametrize(
    "page",
    [
        "<div>" * 30_000 + "deep",
        "<table><tr><td>x" * 10_000,
        "<ul>" * 2_000 + "<li>deep",
        "<p>" + "<br>" * 20_000 + "x",
        "<table><tr>" + "<td>x</td>" * 10_000,
        "<script>x</script>" * 10_000 + "y",
    ],
)
def test_hostile_pages_are_read_in_reasonable_time(page: str) -> None:
    assert reading(page, "a.html").pieces


@settings(deadline=None)
@given(st.binary(max_size=300), st.sampled_from(sorted(READERS)))
def test_any_bytes_are_read_or_skipped(data: bytes, suffix: str) -> None:
    try:
        document = reading(data, f"a{suffix}")
    except Skipped:
        return
    assert document.pieces
    for piece in document.pieces:
        piece.text.encode()
        assert "\x00" not in piece.text + piece.heading + document.title


def test_random_bytes_never_crash_the_pdf_reader() -> None:
    with pytest.raises(Skipped):
        reading(b"%PDF-1.7\n" + os.urandom(2_000), "a.pdf")
