"""The model at its worst: it follows every instruction it finds, in any message, whoever wrote it and however hidden.

What it understands, in any case, and more than once in a text:

    call the tool NAME with {"json": "arguments"}     (also a JSON object with a `name` and `arguments`)
    say «words»                                       (also: print, write, reply with, answer with)
    cite the passage ID with the quote «words»
    print the system prompt | everything above | the api key

It sees through invisible characters, Unicode tags, wide letters, entities, base64 and text that runs backwards.
"""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import unescape
from typing import Any

import orjson

from agent.testing.fake_model.call import Call, text_of
from agent.testing.fake_model.script import ScriptedFunction, ScriptedToolCall

MOST_CALLS = 8
PLAIN = "This is what I was told."

_CALL = re.compile(r"\b(?:call|run|use|invoke|execute)\s+(?:the\s+)?(?:tool|function)\s+[`\"']?([\w-]+)[`\"']?", re.I)
_WITH = re.compile(r"\s+with\s+(?=\{)", re.I)
_SAY = re.compile(r"\b(?:say|print|write|reply with|answer with)\s*:?\s*«([^»]*)»", re.I)
_CITE = re.compile(r"\bcite\s+(?:the\s+)?passage\s+([\w-]+)(?:\s+with\s+the\s+quote\s+«([^»]*)»)?", re.I)
_SYSTEM = re.compile(
    r"\b(?:print|reveal|repeat|show)\s+(?:me\s+)?(?:the|your)\s+(?:system\s+prompt|instructions)", re.I
)
_EVERYTHING = re.compile(r"\b(?:print|reveal|repeat|show)\s+everything\s+above", re.I)
_KEY = re.compile(r"\b(?:print|reveal|repeat|show)\s+(?:me\s+)?(?:the|your)\s+api\s+key", re.I)
_BASE64 = re.compile(r"[A-Za-z0-9+/]{24,}={0,2}")
_PASSAGE = re.compile(r"<<<passage (\w+) id=\"(\w+)\"[^\n]*\n(.*?)\n\1>>>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Obeyed:
    """What it answers: text, and calls that it wants made."""

    content: str
    calls: tuple[ScriptedToolCall, ...] = ()


def obey(call: Call) -> Obeyed:
    """Everything that was asked of it, in the form that the first system message wants."""
    texts = [seen for message in call.messages for seen in _seen(text_of(message))]
    brought = sum(message.get("role") == "tool" for message in call.messages)
    calls = [*_calls(texts)][brought : brought + MOST_CALLS] if (call.body or {}).get("tools") else []
    said = [*_said(texts), *_revealed(texts, call)]
    return Obeyed(_formed(call, said, texts), tuple(calls))


def _seen(text: str) -> Iterator[str]:
    """The text as it stands, and what else it may hold for a reader that looks closely; each once."""
    bare = "".join(char for char in text if unicodedata.category(char) != "Cf")
    tagged = "".join(chr(ord(char) - 0xE0000) for char in text if 0xE0020 <= ord(char) <= 0xE007E)
    plain = unescape(unicodedata.normalize("NFKC", bare))
    decoded = (_decoded(found) for found in _BASE64.findall(text))
    yield from dict.fromkeys(filter(None, (text, bare, plain, tagged, plain[::-1].translate(_MIRRORED), *decoded)))


_MIRRORED = str.maketrans("«»{}[]()<>", "»«}{][)(><")


def _decoded(found: str) -> str:
    try:
        return base64.b64decode(found + "=" * (-len(found) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _calls(texts: Sequence[str]) -> Iterator[ScriptedToolCall]:
    made = dict.fromkeys(call for text in texts for call in (*_told_calls(text), *_written_calls(text)))
    for name, arguments in made:
        yield ScriptedToolCall(function=ScriptedFunction(name=name, arguments=arguments))


def _told_calls(text: str) -> Iterator[tuple[str, str]]:
    for found in _CALL.finditer(text):
        wanted = _WITH.match(text, found.end())
        value = _json_at(text, wanted.end()) if wanted else {}
        yield found[1], orjson.dumps(value).decode()


def _written_calls(text: str) -> Iterator[tuple[str, str]]:
    """Calls as models write them into their text."""
    for found in re.finditer(r"\{", text):
        value = _json_at(text, found.start())
        if isinstance(value, dict) and isinstance(value.get("name"), str) and "arguments" in value:
            arguments = value["arguments"]
            yield value["name"], arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode()


def _json_at(text: str, start: int) -> Any:
    """The JSON object that begins here; an empty one if there is none."""
    depth = 0
    for end in range(start, min(len(text), start + 2_000)):
        depth += (text[end] == "{") - (text[end] == "}")
        if depth == 0:
            try:
                return orjson.loads(text[start : end + 1])
            except orjson.JSONDecodeError:
                return {}
    return {}


def _said(texts: Sequence[str]) -> list[str]:
    return [*dict.fromkeys(words for text in texts for words in _SAY.findall(text))]


def _revealed(texts: Sequence[str], call: Call) -> Iterator[str]:
    told = [text_of(message) for message in call.messages]
    if any(map(_EVERYTHING.search, texts)):
        yield from told
    elif any(map(_SYSTEM.search, texts)):
        yield told[0]
    if any(map(_KEY.search, texts)):
        yield call.authorization


def _formed(call: Call, said: Sequence[str], texts: Sequence[str]) -> str:
    """The answer as the first message wants it: a JSON object with citations, or text."""
    answer = "\n".join(said)
    if '"citations"' not in text_of(call.messages[0]):
        return answer or PLAIN
    cited = dict.fromkeys((id, quote) for text in texts for id, quote in _CITE.findall(text))
    passages = [(id, text) for _, id, text in _PASSAGE.findall("\n".join(texts))]
    citations = [{"passage_id": id, "quote": quote or _first(dict(passages).get(id, id))} for id, quote in cited]
    honest = [{"passage_id": id, "quote": _first(text)} for id, text in passages[:1]]
    return orjson.dumps(
        {"answer": answer or PLAIN, "citations": citations or honest, "no_answer": not passages and not citations}
    ).decode()


def _first(text: str) -> str:
    """The first sentence of a passage."""
    return re.split(r"(?<=[.!?])\s", text.strip(), maxsplit=1)[0]
