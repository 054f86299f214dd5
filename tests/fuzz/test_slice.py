"""Bodies that were made worse: each is refused with a typed error and leaves nothing behind, or is answered."""

from __future__ import annotations

from tests.fuzz.judge import judged
from tests.fuzz.mutations import mutated
from tests.stage import Stage, accepted


async def test_a_body_that_was_made_worse_is_refused_by_name_or_answered_and_a_refused_one_opens_no_run() -> None:
    stage = Stage(lambda request: accepted())
    async with stage.client() as http:
        verdict = await judged(mutated(seed=1, count=300), http)
    assert not verdict.wrong, "\n".join(verdict.wrong)
    assert len(stage.ledger.runs) == verdict.opened
    assert min(verdict.statuses[200], verdict.statuses[400], verdict.statuses[415]) > 0, "the mutations reach nothing"


def test_the_same_seed_makes_the_same_bodies() -> None:
    assert list(mutated(seed=7, count=40)) == list(mutated(seed=7, count=40)) != list(mutated(seed=8, count=40))
