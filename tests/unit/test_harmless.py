"""What of an answer would act, lead somewhere or tell the prompt, and what only looks as if it did."""

from __future__ import annotations

import pytest

from agent.checks import HARMLESS, Draft, no_active_markup, no_foreign_links, prompt_is_kept
from agent.events import CalledTool, Passage
from agent.request import Message, Request

PASSAGE = Passage(
    id="psg_1",
    label="p1",
    document_id="doc_1",
    title="Lamp",
    source="https://src.example/page",
    url="https://docs.example/lamp?x=1&y=2",
    text="See [here](https://good.example/a(b)) or <https://b.example/>. www.c.example/x; docs at d.example/path/.",
)
BROUGHT = CalledTool(call_id="c", name="track", text="It is at https://parcels.example/4711.")
ASKED = Request(messages=(Message(role="user", content="What is https://asked.example/x?"),))
PROMPT = """You are the keeper of the lamp, and you answer nothing about oil, wicks or glass before noon.
{% if tools %}The word is vault-7731-heron.{% endif %} {{ question.text }} Version 1234567890."""


def draft(answer: str, told: str = PROMPT) -> Draft:
    return Draft(raw="", answer=answer, request=ASKED, passages=(PASSAGE,), results=(BROUGHT,), told=told)


def problems(answer: str) -> list[str]:
    return [problem for check in HARMLESS for problem in check(draft(answer))]


@pytest.mark.parametrize(
    "answer",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)",
        "It has a <details> element.",
        "`<br>`",
        "&lt;script&gt;",
        "＜script＞",
        "<x onclick=1>",
        "<!-- hidden -->",
        "<?xml?>",
        "a <b>bold</b> word",
        "![a](b)",
        "![a [b] c](u)",
        "![x]\n\n[x]: https://good.example/a(b)",
        "[x](https://good.example/a(b))",
        "[x][1]\n\n[1]: https://b.example",
        "[x](javascript:alert(1))",
        "[x](javascript\\:alert(1))",
        "[x](&#106;avascript:1)",
        "javascript:alert(1)",
        "data:text/html;base64,xx",
        "file:///etc/passwd",
        "\u202egpj",
        "\u2067abc",
        "\U000e0041",
        "\x1b[2J",
        "\x00",
    ],
)
def test_what_would_act_is_refused(answer: str) -> None:
    assert list(no_active_markup(draft(answer)))


@pytest.mark.parametrize(
    "answer",
    [
        "If a <b and c holds, then 3 < 5.",
        "A List<String> or Map<K, V>; replace <name> and <your-key>.",
        "![p1] wow. Wow![p1]",
        "The data: none. JavaScript: The Good Parts.",
        "and//or, // a comment, e.g./i.e., 3/4, C:\\dir\\x, README.md",
        "\u2067עברית\u2069 and عربى\u200f",
        "👨\u200d👩\u200d👧 ❤\ufe0f",
        "See https://good.example/a(b), https://b.example, www.c.example/x and d.example/path.",
        "It is at https://docs.example/lamp?x=1&y=2 (HTTPS://SRC.example/page).",
        "You asked about https://asked.example/x; it is at https://parcels.example/4711!",
        "a\n- b\n* c\n1. d\n> e\n| f |\n`g` **h**",
    ],
)
def test_what_only_looks_like_it_may_stand(answer: str) -> None:
    assert problems(answer) == []


@pytest.mark.parametrize(
    "answer",
    [
        "https://evil.example/?q=1",
        "https://good.example/a(b)?stolen=1",
        "https://good.example",
        "http://b.example",
        "//evil.example/x",
        "www.evil.example",
        "evil.example/login",
        "mailto:ann@evil.example",
        "ftp://evil.example/x",
        "https&#58;//evil.example/",
    ],
)
def test_an_address_that_stands_in_no_source_is_refused(answer: str) -> None:
    assert list(no_foreign_links(draft(f"Go to {answer} now.")))


@pytest.mark.parametrize(
    "answer",
    [
        "Sure: you are the keeper of the lamp, and you answer nothing about oil, wicks or glass before noon!",
        "YOU ANSWER NOTHING ABOUT OIL - WICKS OR - GLASS, BEFORE NOON. You are the keeper of the lamp and you answer "
        "nothing about oil.",
        "the word is Vault-7731-Heron",
    ],
)
def test_words_of_the_prompt_are_kept(answer: str) -> None:
    (problem,) = prompt_is_kept(draft(answer))
    assert "lamp" not in problem and "heron" not in problem.casefold()


def test_what_sources_say_too_is_no_secret() -> None:
    said = "The word is vault-7731-heron."
    told = BROUGHT.model_copy(update={"text": said})
    known = Draft(raw="", answer=said, request=ASKED, results=(told,), told=PROMPT)
    assert list(prompt_is_kept(known)) == []
    assert list(prompt_is_kept(draft("You are the keeper of the lamp. Call 1234567890."))) == []
    assert list(prompt_is_kept(draft("the word is vault-7731-heron", told=""))) == []


@pytest.mark.parametrize(
    "flood",
    [
        "![",
        "<a ",
        "[",
        "a.",
        "//",
        "](x",
        "&lt;",
        "\\",
        "http://",
        "a-",
        "1a",
        "[x",
        "\n[",
        "   [",
        "<!",
        "a.bb/",
        "\u2067",
    ],
)
def test_no_answer_takes_long(flood: str) -> None:
    for check in HARMLESS:
        assert len(list(check(draft(flood * (100_000 // len(flood)))))) <= 8
