"""Reads invoices and business cards into strict forms: one as a pydantic model, one as a JSON Schema.

    CUELIGHT_AGENT=examples.extraction:invoices,examples.extraction:cards CUELIGHT_PROMPTS_DIR=examples/prompts \
        CUELIGHT_MODEL_BASE_URL=… CUELIGHT_MODELS=… cuelight up
    cuelight ask --agent invoices "Invoice 2041 of 3 May 2026 … total 45.90 EUR"

The answer is JSON text that is valid as a whole; what is not is repaired, or the run fails and says why. The built-in
offline model fills in no such forms: configure an endpoint. The tests in `tests/unit/test_extraction.py` need none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from agent import Agent, Ask, Before, Budget, Draft, Event, RequestReceived, Run, RunFailed


class Item(BaseModel):
    """A line of an invoice. Amounts are whole cents: money is no fraction."""

    model_config = ConfigDict(extra="forbid")
    what: str
    count: int = Field(ge=1)
    each_cents: int = Field(ge=0)


class Invoice(BaseModel):
    """Every field is required, so that strict endpoints take the form as it is; what may be missing is null."""

    model_config = ConfigDict(extra="forbid")
    number: str = Field(min_length=1)
    issued: date
    due: date | None
    currency: Literal["EUR", "GBP", "USD"]
    items: list[Item] = Field(min_length=1)
    total_cents: int = Field(ge=0)


CARD = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "company": {"type": ["string", "null"]},
        "email": {"type": ["string", "null"], "format": "email"},
        "phones": {"type": "array", "items": {"type": "string", "pattern": "^\\+[0-9]{7,15}$"}, "uniqueItems": True},
    },
    "required": ["name", "company", "email", "phones"],
    "additionalProperties": False,
}


def adds_up(draft: Draft) -> Iterable[str]:
    """The model only copies; whether the copy adds up is for code to say."""
    invoice: Invoice = draft.value
    total = sum(item.count * item.each_cents for item in invoice.items)
    if total != invoice.total_cents:
        yield f"/total_cents is {invoice.total_cents}, but the items come to {total}; read the text again"


def number_is_in_the_text(draft: Draft) -> Iterable[str]:
    if draft.value.number not in draft.request.question:
        yield "/number does not stand in the text; copy it as it is written"


def address_is_in_the_text(draft: Draft) -> Iterable[str]:
    """For a JSON Schema the value is plain JSON."""
    if (email := draft.value["email"]) and email not in draft.request.question:
        yield "/email does not stand in the text; write null if there is none"


async def refuse_texts_without_digits(event: RequestReceived, run: Run, ask: Ask, /) -> Sequence[Event]:
    """A step of our own: an invoice has digits, and what has none is not worth a call."""
    if not re.search(r"\d", run.request.question):
        return [RunFailed(code="no_invoice", message="The text holds no number, so it is no invoice.")]
    return []


invoices = Agent(
    name="invoices",
    description="Reads an invoice into JSON.",
    prompt="extract",
    output=Invoice,
    checks=(adds_up, number_is_in_the_text),
    steps=(Before("generate", "precheck", refuse_texts_without_digits, (RunFailed,)),),
    budget=Budget(repairs=2, max_output_tokens=2_000, deadline_s=60),
)

cards = Agent(
    name="cards",
    description="Reads a business card into JSON.",
    prompt="extract",
    output=CARD,
    checks=(address_is_in_the_text,),
    budget=Budget(repairs=1, deadline_s=30),
)
