"""Drafts that lie, and honest ones that are untidy, made from texts alone: nothing in here knows a check.

Each case is what a model might have said about a question and a few passages, as its raw text.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

LABELS = ("p1", "p2", "p3", "p4", "p5", "p6")
LEAST_WORDS = 6


@dataclass(frozen=True, slots=True)
class Source:
    """A question, the passages that were found for it, and the sentence of one of them (`home`) that answers it."""

    question: str
    passages: tuple[str, ...]
    home: int
    sentence: str
    answer: str
    language: str = "en"

    @property
    def label(self) -> str:
        return LABELS[self.home]


@dataclass(frozen=True, slots=True)
class Case:
    """One reply of a model. `lie` if it must be stopped."""

    kind: str
    lie: bool
    source: Source
    raw: str
    finish_reason: str = "stop"


def honest(source: Source, dice: random.Random) -> Iterator[Case]:
    """The sentence as it stands, and its quote made untidy in each way that can be applied to it."""
    yield Case("as it stands", False, source, draft(source))
    yield Case("a short answer", False, source, draft(source, answer=source.answer))
    for kind, spoil in UNTIDY.items():
        quote = spoil(source.sentence, dice)
        if quote != source.sentence:
            yield Case(kind, False, source, draft(source, quote=quote))


def lies(source: Source, dice: random.Random, others: Sequence[str]) -> Iterator[Case]:
    """One lie of each kind that can be told of the sentence; `others` are sentences of other passages."""
    for kind, tell in LIES.items():
        raw, reason = tell(source, dice, others)
        if raw is not None:
            yield Case(kind, True, source, raw, reason)


def beyond(source: Source, dice: random.Random) -> Iterator[Case]:
    """Lies whose every word may stand where it should: to see them, one would have to understand."""
    yield Case("refusal with a right quote", True, source, draft(source, answer=dice.choice(REFUSALS)))
    words = list(_WORD.finditer(source.sentence))
    if len(words) > 2:
        match = dice.choice(words[1:])
        head, tail = source.sentence[: match.start()], source.sentence[match.start() :]
        denied = f"{head}{NOT.get(source.language, 'not')} {tail}"
        yield Case("right quote, negation in the claim", True, source, draft(source, answer=denied))
        there = dice.choice(_WORD.findall(source.passages[source.home]))
        other = f"{head}{there}{source.sentence[match.end() :]}"
        yield Case("right quote, word of the passage swapped in the claim", True, source, draft(source, answer=other))


def draft(source: Source, *, answer: str | None = None, quote: str | None = None, label: str = "") -> str:
    """A reply in the form that was asked for, with one citation."""
    cited = {"passage_id": label or source.label, "quote": source.sentence if quote is None else quote}
    return reply(source.sentence if answer is None else answer, [cited])


def reply(answer: str, citations: Sequence[dict[str, str]], *, no_answer: bool = False) -> str:
    return json.dumps({"answer": answer, "citations": citations, "no_answer": no_answer}, ensure_ascii=False)


# ------------------------------------------------------------------------------------------------ untidiness

Spoil = Callable[[str, random.Random], str]
_QUOTES = {'"': "“”«»„", "'": "’‘", "“": '"«', "”": '"»', "’": "'", "‘": "'", "«": '"“', "»": '"”', "„": '"'}
_DASHES = {"-": "‐‑–", "–": "-—", "—": "-–", "‐": "-"}
_LIGATURES = {"ffi": "ﬃ", "ffl": "ﬄ", "ff": "ﬀ", "fi": "ﬁ", "fl": "ﬂ"}


def _exchanged(text: str, by: dict[str, str], dice: random.Random) -> str:
    return "".join(dice.choice(by[char]) if char in by else char for char in text)


def _white_space(text: str, dice: random.Random) -> str:
    return "".join(dice.choice(["  ", "\n", "\t", "\u00a0", " \r\n "]) if char == " " else char for char in text)


def _dashes(text: str, dice: random.Random) -> str:
    """Not a dash before a digit that may be a minus: whoever changes that changes a number."""
    return re.sub(r"(?<!\s)[-–—‐]|[-–—‐](?=\s)", lambda it: dice.choice(_DASHES[it[0]]), text)


def _case(text: str, dice: random.Random) -> str:
    return dice.choice([str.upper, str.lower, str.title, str.swapcase])(text)


def _ligatures(text: str, dice: random.Random) -> str:
    return re.sub("ffi|ffl|ff|fi|fl", lambda it: _LIGATURES[it[0]], text)


def _full_stop(text: str, dice: random.Random) -> str:
    return text.rstrip(".。।") if text.endswith((".", "。", "।")) else text + "."


def _ellipsis(text: str, dice: random.Random) -> str:
    words = text.split(" ")
    kept = words[: max(LEAST_WORDS, len(words) - dice.randint(0, 4))]
    return " ".join(kept).rstrip(".,;:") + dice.choice(["…", "...", " …", " [...]"])


def _soft_hyphens(text: str, dice: random.Random) -> str:
    return re.sub(r"(?<=[^\W\d_]{2})(?=[^\W\d_]{2})", lambda it: "\u00ad" if dice.random() < 0.3 else "", text)


UNTIDY: dict[str, Spoil] = {
    "white space": _white_space,
    "quotes": lambda text, dice: _exchanged(text, _QUOTES, dice),
    "dashes": _dashes,
    "case": _case,
    "ligatures": _ligatures,
    "trailing full stop": _full_stop,
    "ellipsis at the end": _ellipsis,
    "soft hyphens": _soft_hyphens,
}

# ------------------------------------------------------------------------------------------------------ lies

Told = tuple[str | None, str]
Tell = Callable[[Source, random.Random, Sequence[str]], Told]
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_WORD = re.compile(r"[^\W\d_]{3,}")
NOT = {"de": "nicht", "es": "no", "fr": "pas", "ru": "не", "ro": "nu", "tr": "değil", "vi": "không", "el": "δεν"}


def _changed_number(text: str, dice: random.Random) -> str | None:
    """The text with one digit of one of its numbers changed, or none left out or added: 1936, 1986, 193, 19360."""
    found = list(_NUMBER.finditer(text))
    if not found:
        return None
    match = dice.choice(found)
    digits = match[0]
    place = dice.randrange(len(digits))
    if not digits[place].isdecimal():
        place = 0
    other = dice.choice([digit for digit in "123456789" if digit != digits[place]])
    made = dice.choice([digits[:place] + other + digits[place + 1 :], digits + other, other + digits])
    return text[: match.start()] + made + text[match.end() :]


def _number(source: Source, dice: random.Random, others: Sequence[str]) -> Told:
    quote = _changed_number(source.sentence, dice)
    return (None if quote is None else draft(source, answer=quote, quote=quote)), "stop"


def _claim(source: Source, dice: random.Random, others: Sequence[str]) -> Told:
    answer = _changed_number(source.sentence, dice)
    return (None if answer is None else draft(source, answer=answer)), "stop"


def _negation(source: Source, dice: random.Random, others: Sequence[str]) -> Told:
    blanks = [match.start() for match in re.finditer(" ", source.sentence)]
    if len(blanks) < 2:
        return None, "stop"
    at = dice.choice(blanks)
    quote = f"{source.sentence[:at]} {NOT.get(source.language, 'not')}{source.sentence[at:]}"
    return draft(source, answer=quote, quote=quote), "stop"


def _swap(source: Source, dice: random.Random, others: Sequence[str]) -> Told:
    """A word of the sentence in place of another one, or one of another text."""
    words = list(_WORD.finditer(source.sentence))
    there = [word for word in _WORD.findall(dice.choice(others)) if word.casefold() not in source.sentence.casefold()]
    if len(words) < 2 or not there:
        return None, "stop"
    match = dice.choice(words)
    quote = source.sentence[: match.start()] + dice.choice(there) + source.sentence[match.end() :]
    return draft(source, answer=quote, quote=quote), "stop"


def _stitched(source: Source, dice: random.Random, others: Sequence[str]) -> Told:
    """The beginning of the sentence, and the end of another one of the passages."""
    other = dice.choice(others).split(" ")
    head = source.sentence.split(" ")
    if len(head) < 8 or len(other) < 8:
        return None, "stop"
    joint = dice.choice([" ", " … ", " [...] ", "; "])
    quote = (
        " ".join(head[: dice.randint(4, len(head) - 3)]) + joint + " ".join(other[-dice.randint(4, len(other) - 3) :])
    )
    return draft(source, quote=quote), "stop"


def _wrong_passage(source: Source, dice: random.Random, others: Sequence[str]) -> Told:
    label = dice.choice([it for it in LABELS[: len(source.passages)] if it != source.label])
    return draft(source, label=label), "stop"


def _made_up_id(source: Source, dice: random.Random, others: Sequence[str]) -> Told:
    return draft(source, label=dice.choice(["p0", "p7", "p99", "psg_4f1e", "1", "the first one", ""]) or "?"), "stop"


def _empty(source: Source, dice: random.Random, others: Sequence[str]) -> Told:
    cited = [{"passage_id": source.label, "quote": source.sentence}]
    made = [reply(text, cited) for text in ("", " ", "\n", "\u200b", "…", "\u00ad")]
    return dice.choice([*made, "", "{}", "null", "[]", reply(source.sentence, [])]), "stop"


def _truncated(source: Source, dice: random.Random, others: Sequence[str]) -> Told:
    whole = draft(source)
    return whole[: dice.randint(1, len(whole) - 1)], dice.choice(["stop", "length"])


def _other_language(source: Source, dice: random.Random, others: Sequence[str]) -> Told:
    language = dice.choice([code for code in FOREIGN if code != source.language])
    return draft(source, answer=dice.choice(FOREIGN[language])), "stop"


def _refusal(source: Source, dice: random.Random, others: Sequence[str]) -> Told:
    said = dice.choice(REFUSALS)
    return dice.choice([(said, "stop"), (said, "refusal"), (reply(said, []), "stop"), (said, "content_filter")])


def _no_answer(source: Source, dice: random.Random, others: Sequence[str]) -> Told:
    cited = [{"passage_id": source.label, "quote": source.sentence}]
    return reply(dice.choice(["", "The documents do not say.", source.sentence]), cited, no_answer=True), "stop"


LIES: dict[str, Tell] = {
    "number changed": _number,
    "negation added": _negation,
    "word swapped": _swap,
    "stitched quotes": _stitched,
    "wrong passage": _wrong_passage,
    "made-up id": _made_up_id,
    "right quote, wrong number in the claim": _claim,
    "empty": _empty,
    "truncated JSON": _truncated,
    "other language": _other_language,
    "refusal": _refusal,
    "plausible no-answer with citations": _no_answer,
}

REFUSALS = (
    "I'm sorry, but I can't help with that.",
    "As a language model I am not able to answer this question.",
    "I cannot answer that, because it would be against my guidelines.",
    "Unfortunately the request cannot be fulfilled.",
)

FOREIGN = {
    "ar": ("تم الانتهاء من هذا العمل بعد سنوات طويلة من الانتظار.", "هذا هو الفريق الذي فاز بالمباراة الأخيرة."),
    "de": (
        "Das geschah erst nach einer langen Zeit des Wartens.",
        "Es war die Mannschaft, die das letzte Spiel gewann.",
    ),
    "el": ("Αυτό έγινε μετά από πολλά χρόνια αναμονής.", "Ήταν η ομάδα που κέρδισε τον τελευταίο αγώνα."),
    "en": ("This was only done after many years of waiting.", "It was the team that had won the last game."),
    "es": ("Esto se hizo después de muchos años de espera.", "Fue el equipo que ganó el último partido."),
    "fr": (
        "Cela ne fut fait qu'après de longues années d'attente.",
        "C'était l'équipe qui avait gagné le dernier match.",
    ),
    "hi": ("यह कई वर्षों के इंतज़ार के बाद ही किया गया था।", "यह वही टीम थी जिसने पिछला मैच जीता था।"),
    "it": ("Questo è stato fatto solo dopo molti anni di attesa.", "Era la squadra che aveva vinto l'ultima partita."),
    "ja": ("これは長い年月を待った後にようやく行われました。", "それは最後の試合に勝ったチームでした。"),
    "nl": ("Dit werd pas gedaan na vele jaren van wachten.", "Het was de ploeg die de laatste wedstrijd won."),
    "pl": ("Zrobiono to dopiero po wielu latach oczekiwania.", "Była to drużyna, która wygrała ostatni mecz."),
    "pt": ("Isso só foi feito depois de muitos anos de espera.", "Foi a equipa que tinha ganho o último jogo."),
    "ro": ("Acest lucru s-a făcut abia după mulți ani de așteptare.", "A fost echipa care câștigase ultimul meci."),
    "ru": ("Это было сделано лишь после долгих лет ожидания.", "Это была команда, которая выиграла последнюю игру."),
    "th": ("สิ่งนี้ทำขึ้นหลังจากรอคอยมาหลายปี", "มันคือทีมที่ชนะการแข่งขันครั้งล่าสุด"),
    "tr": ("Bu ancak uzun yıllar bekledikten sonra yapıldı.", "Son maçı kazanan takım buydu."),
    "vi": ("Việc này chỉ được thực hiện sau nhiều năm chờ đợi.", "Đó là đội đã thắng trận đấu cuối cùng."),
    "zh": ("这是经过多年等待之后才完成的。", "那是赢得上一场比赛的球队。"),
}
"""Sentences without a number, a name or a quotation: nothing but their language is wrong."""
