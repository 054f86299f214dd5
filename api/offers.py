"""What a caller may ask for by name: agents of its project, and names that the settings give to some of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from agent.access import Project
from api.door import AgentCard, Door
from api.errors import ApiError, not_found, shown


@dataclass(frozen=True, slots=True)
class Offer:
    """One value of `model`. `models` is the chain in place of the agent's own; empty for that one."""

    name: str
    card: AgentCard
    models: tuple[str, ...] = ()

    @property
    def chain(self) -> Sequence[str]:
        """The models that will be asked, the first choice first."""
        return self.models or self.card.models


def offers(door: Door, rules: Project) -> Mapping[str, Offer]:
    """All that a project may ask for, by name; the first one is meant by requests that name nothing."""
    return {offer.name: offer for offer in _offered(door, rules)}


def choose(name: str | None, door: Door, rules: Project) -> Offer:
    """What a request is for. Raises `ApiError` 404 that lists what there is for this project, and nothing else."""
    there = offers(door, rules)
    wanted = next(iter(there), "") if name is None else name
    if wanted in there:
        return there[wanted]
    raise no_model(wanted, there)


def no_model(name: str, there: Mapping[str, Offer]) -> ApiError:
    """404: nobody knows this name, or not for this project."""
    known = f"this service has: {', '.join(there)}" if there else "this project may use none"
    return not_found(f"There is no model {shown(name)!r}; {known}", code="model_not_found", param="model")


def _offered(door: Door, rules: Project) -> Iterator[Offer]:
    for name in sorted(door.agents, key=lambda name: name != door.default_agent):
        yield from _allowed(Offer(name, door.agents[name]), rules)
    for name, meant in door.names.items():
        yield from _allowed(Offer(name, door.agents[meant.agent], meant.models), rules)


def _allowed(offer: Offer, rules: Project) -> Iterator[Offer]:
    """The offer with the models that the project may use; nothing if none is left, or the project has no such agent."""
    left = tuple(model for model in offer.chain if rules.models is None or model in rules.models)
    if left and rules.may_use(offer.card.name):
        yield Offer(offer.name, offer.card, () if left == tuple(offer.card.models) else left)
