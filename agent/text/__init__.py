"""Words and sentences of any script, with their places. No word lists, no language."""

from agent.text.spans import Span, is_claim, marks, quotations, sentences, without_marks
from agent.text.words import Token, numbers, rarity, tokens, width

__all__ = [
    "Span",
    "Token",
    "is_claim",
    "marks",
    "numbers",
    "quotations",
    "rarity",
    "sentences",
    "tokens",
    "width",
    "without_marks",
]
