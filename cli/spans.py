"""Lengths of time on the command line: as people write them, and as they read them."""

from __future__ import annotations

import re

import typer

UNITS_S = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}


def seconds(value: str) -> float:
    """`90`, `90s`, `15m`, `2h` or `3d` in seconds. Raises `typer.BadParameter`."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", value.strip())
    if found is None:
        raise typer.BadParameter(f"{value!r} is no length of time; write 90s, 15m, 2h or 3d")
    return float(found[1]) * UNITS_S[found[2] or "s"]


def short(value_s: float | None) -> str:
    """At most six characters: `0.3 s`, `42 s`, `15 m`, `7 h`, `3 d`; `-` for None."""
    if value_s is None:
        return "-"
    for unit, most in (("s", 120.0), ("m", 120.0), ("h", 48.0)):
        amount = value_s / UNITS_S[unit]
        if abs(amount) < most:
            return f"{amount:.1f} {unit}" if unit == "s" and abs(amount) < 10 else f"{amount:.0f} {unit}"
    return f"{value_s / UNITS_S['d']:.0f} d"
