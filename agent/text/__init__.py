"""Words and sentences of any script, with their places. No word lists, no language."""

from agent.text.naming import Date, Name, dates, names
from agent.text.spans import Span, is_claim, marks, quotations, sentences, without_marks
from agent.text.words import Token, numbers, places_of_numbers, rarity, tokens, width

__all__ = [
    "Date",
    "Name",
    "Span",
    "Token",
    "dates",
    "is_claim",
    "marks",
    "names",
    "numbers",
    "places_of_numbers",
    "quotations",
    "rarity",
    "sentences",
    "tokens",
    "width",
    "without_marks",
]
