"""The neighbours of passages that were found: what stands before and after them in their documents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from agent.adapters.retrieval.records import Placed
from agent.events import Passage


def with_neighbours(found: Sequence[Passage], placed: Iterable[Placed]) -> tuple[Passage, ...]:
    """Each passage among its neighbours, as its document has them, and labelled `p1`, `p2`, ... in that order.

    Stretches of a document come in the order of the best passage in each, and none twice. A passage that has left its
    document meanwhile stands alone.
    """
    hits = {passage.id: passage for passage in found}
    stretches = {passage.id: stretch for stretch in _stretches(placed) for passage in stretch}
    ordered: dict[str, Passage] = {}
    for hit in found:
        for passage in stretches.get(hit.id, [hit]):
            ordered.setdefault(passage.id, hits.get(passage.id, passage))
    return tuple(it.model_copy(update={"label": f"p{rank}"}) for rank, it in enumerate(ordered.values(), 1))


def _stretches(placed: Iterable[Placed]) -> Iterator[list[Passage]]:
    """Runs of passages that follow each other without a gap."""
    ordered = sorted(placed, key=lambda it: (it.passage.document_id, it.ordinal))
    # A run's places and their ranks grow alike, so that their difference stays what it is.
    for _, run in groupby(enumerate(ordered), key=lambda it: (it[1].passage.document_id, it[1].ordinal - it[0])):
        yield [each.passage for _, each in run]
