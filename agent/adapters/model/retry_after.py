"""How long an endpoint asks us to wait."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite

MAX_WAIT_S = 3600.0


def retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds to wait, from 0 to 3600; None if the reply does not say. Header names are in lower case.

    `retry-after-ms` goes before `retry-after`, as OpenAI's own clients read them. A date is measured against the
    reply's `date`, so that two clocks that differ do no harm; against `now` where there is none.
    """
    milliseconds = _number(headers.get("retry-after-ms", ""))
    wait_s = _number(headers.get("retry-after", "")) if milliseconds is None else milliseconds / 1000
    if wait_s is None:
        wait_s = _until(headers, now)
    return None if wait_s is None else min(max(wait_s, 0.0), MAX_WAIT_S)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if isfinite(value) else None


def _until(headers: Mapping[str, str], now: datetime) -> float | None:
    then = _date(headers.get("retry-after", ""))
    return None if then is None else (then - (_date(headers.get("date", "")) or now)).total_seconds()


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
