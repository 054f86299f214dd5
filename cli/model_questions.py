"""Five small questions with the passages to answer them from: the same for every model that is checked."""

from __future__ import annotations

from agent.events import Passage


def _passage(number: int, title: str, text: str) -> Passage:
    return Passage(
        id=f"check_{number}",
        label=f"p{number}",
        document_id=f"check_document_{number}",
        title=title,
        source=f"check/{number}.md",
        text=text,
        score=1.0,
    )


PASSAGES = (
    _passage(1, "Warranty", "The warranty of the Aurora lamp lasts two years. It begins on the day of purchase."),
    _passage(
        2, "Opening hours", "The workshop opens at 8:30 in the morning and closes at 17:00. It is closed on Sundays."
    ),
    _passage(3, "Batteries", "The Aurora lamp takes three AA batteries. Rechargeable batteries may be used as well."),
    _passage(
        4, "Shipping", "Shipping within the country costs 4.90 euros. Orders above 60 euros are shipped free of charge."
    ),
)

QUESTIONS = (
    "How long does the warranty of the Aurora lamp last?",
    "When does the workshop open in the morning?",
    "How many batteries does the Aurora lamp take?",
    "What does shipping within the country cost?",
    "Who designed the bridge over the river Tay?",  # no passage says so: a good model has no answer
)
