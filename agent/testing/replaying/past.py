"""What the world said in a case, question by question, for a run that may go another way and ask other ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from agent.cases import Asked, Attempt, Case, Refused
from agent.effects import AnyEffect, CallModel, CallTool
from agent.outcome import BUDGET

Came = Asked | Refused
Kind = tuple[str, str]
"""The type of a question, and the name of the prompt or the tool that it is asked with."""


@dataclass(slots=True)
class Question:
    """A question of then and all that came of it, oldest first."""

    kind: Kind
    came: list[Came] = field(default_factory=list)
    given: int = 0

    @property
    def is_used_up(self) -> bool:
        """Whether all that came of it has been given."""
        return self.given >= len(self.came)

    @property
    def coming(self) -> Came:
        """What came of it next; once there is no more, what came of it last."""
        return self.came[min(self.given, len(self.came) - 1)]

    def next(self) -> Came:
        found = self.coming
        self.given += 1
        return found


class Past:
    """Finds what came of a question then: of the very same one, or of the one that stood in its place.

    The place of a question is its number among those of its kind, each counted once however often it was asked. What a
    budget refused is left out: the budget of now is asked. So is a call that died with its worker and was made again,
    and what a worker was answered that another one overtook. `calls` counts the calls of models that are left.
    """

    def __init__(self, case: Case) -> None:
        self._known: dict[str, Question] = {}
        came = list(_came(case))
        made = [it for it in came if isinstance(it, Asked) and not is_unknown(it)]
        self.calls = sum(it.type == CallModel.type for it in made)
        for it in came:
            self._known.setdefault(it.hash, Question(_kind_then(it))).came.append(it)
        for question in self._known.values():
            last = len(question.came) - 1
            question.came = [it for place, it in enumerate(question.came) if place == last or not is_unknown(it)]
        self._then: dict[Kind, list[Question]] = defaultdict(list)
        for question in self._known.values():
            self._then[question.kind].append(question)
        self._now: dict[Kind, dict[str, int]] = defaultdict(dict)

    def coming(self, effect: AnyEffect) -> Came | None:
        """What `same` will give."""
        found = self._known.get(effect.hash())
        return found.coming if found else None

    def same(self, effect: AnyEffect) -> Came | None:
        """What came of this very question."""
        name = effect.hash()
        places = self._now[kind_of(effect)]
        places.setdefault(name, len(places))
        found = self._known.get(name)
        return found.next() if found else None

    def pass_over(self, attempts: Iterable[Attempt]) -> None:
        """Take what these attempts asked as given: a run begins behind them."""
        passed = {id(it) for attempt in attempts for it in (*attempt.refused, *attempt.asked)}
        for name, question in self._known.items():
            given = sum(id(it) in passed for it in question.came)
            if given:
                question.given = given
                self._now[question.kind].setdefault(name, len(self._now[question.kind]))

    def is_used_up(self, effect: AnyEffect) -> bool:
        """Whether nothing is left of what came of this very question, if it was asked at all."""
        found = self._known.get(effect.hash())
        return found is None or found.is_used_up

    def in_place(self, effect: AnyEffect) -> Came | None:
        """What came of the question that stood in its place. Once there is none, passages are those found last."""
        kind = kind_of(effect)
        then, place = self._then[kind], self._now[kind].get(effect.hash(), 0)
        if not isinstance(effect, CallModel | CallTool):
            place = min(place, len(then) - 1)
        return then[place].next() if 0 <= place < len(then) else None


def kind_of(effect: AnyEffect) -> Kind:
    match effect:
        case CallModel():
            return effect.type, effect.prompt.partition("@")[0]
        case CallTool():
            return effect.type, effect.tool
    return effect.type, ""


def is_unknown(it: Came) -> bool:
    """Whether nobody knows what came of it."""
    return isinstance(it, Asked) and it.answer is None and it.fault is None


def _came(case: Case) -> Iterator[Came]:
    yield from (it for it in case.earlier if it.answer is not None)  # a later generation begins behind its failures
    settled = {it.hash for attempt in case.attempts if attempt.counts for it in attempt.asked if not is_unknown(it)}
    for attempt in case.attempts:
        yield from attempt.refused
        for it in attempt.asked:
            overtaken = not attempt.counts and it.hash in settled
            if not overtaken and (it.fault is None or it.fault.kind != BUDGET):
                yield it


def _kind_then(it: Came) -> Kind:
    if isinstance(it, Refused) or not isinstance(it.effect, dict):
        return it.type, ""
    said = it.effect.get("prompt") or it.effect.get("tool") or ""
    return it.type, str(said).partition("@")[0]
