"""All models there are, by name."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from agent.adapters.model.endpoint import Endpoint
from agent.adapters.model.prices import worst_case
from agent.effects import CallModel, ModelAnswer
from agent.errors import Misconfigured, Permanent
from agent.events import Usage
from agent.outcome import TOO_LONG
from agent.ports import Notes
from agent.settings import OFFLINE, EndpointSettings, ModelSettings


class Offline(Protocol):
    """The model that answers where no endpoint is configured."""

    async def call(self, effect: CallModel, /) -> ModelAnswer: ...


@dataclass(frozen=True, slots=True)
class Quote:
    """What a call would be, before it is made. `worst_case_usd` is None where a price is unknown.

    A `paid` call goes on record before it is made; every endpoint's call does, whatever its price.
    """

    endpoint: str
    worst_case_usd: Decimal | None
    paid: bool


class ModelBook:
    """Every configured model and the endpoint that has it; the offline model if there is none. Close it at the end."""

    def __init__(self, endpoints: Sequence[EndpointSettings], offline: Offline, notes: Notes | None = None) -> None:
        """Raises `Misconfigured` if two endpoints have a model of one name, or one of them cannot be used."""
        self._offline = offline
        self._endpoints = [Endpoint(settings, notes) for settings in endpoints]
        self._entries: dict[str, tuple[Endpoint, ModelSettings]] = {}
        for endpoint in self._endpoints:
            for model in endpoint.settings.models:
                if model.name in self._entries:
                    raise Misconfigured(f"the model {model.name!r} is configured twice; name it once")
                self._entries[model.name] = (endpoint, model)

    @property
    def chain(self) -> tuple[str, ...]:
        """All model names in the order of the configuration: the chain of an agent that names none."""
        return tuple(self._entries) if self._endpoints else (OFFLINE,)

    def quote(self, effect: CallModel) -> Quote:
        """Raises `Permanent` (`rejected`) if there is no such model."""
        entry = self._entry(effect.model)
        if entry is None:
            return Quote(OFFLINE, Decimal(0), paid=False)
        endpoint, model = entry
        return Quote(endpoint.settings.name, worst_case(effect, model), paid=True)

    async def call(self, effect: CallModel, *, timeout_s: float, headers: Mapping[str, str]) -> ModelAnswer:
        """As `Endpoint.call`. Raises `Permanent` (`rejected`) if there is no such model, or it takes no such parts.

        Raises `Permanent` (`context_length_exceeded`) for what is longer than the settings say that it takes.
        """
        entry = self._entry(effect.model)
        _refuse_parts(effect, entry[1].accepts if entry else ())
        _refuse_length(effect, entry[1].context_tokens if entry else None)
        if entry is None:
            return await self._offline.call(effect)
        return await entry[0].call(effect, timeout_s=timeout_s, headers=headers)

    async def close(self) -> None:
        for endpoint in self._endpoints:
            await endpoint.close()

    def _entry(self, name: str) -> tuple[Endpoint, ModelSettings] | None:
        """Where a model is; None for the offline one."""
        if name not in self.chain:
            raise Permanent(f"there is no model {name!r}; there is {', '.join(self.chain)}", kind="rejected")
        return self._entries.get(name)


def _refuse_length(effect: CallModel, most: int | None) -> None:
    """Some endpoints drop what does not fit and say nothing: where the settings name a size, it is kept here."""
    if most is not None and (wanted := effect.prompt_tokens() + effect.max_output_tokens) > most:
        message = f"about {wanted} tokens with the reply; the model {effect.model!r} takes {most}"
        error = Permanent(message, kind=TOO_LONG)
        error.usage, error.cost_usd = Usage(), Decimal(0)
        raise error


def _refuse_parts(effect: CallModel, accepts: Collection[str]) -> None:
    """A model that is further down the chain may take less than the one that the request was let in for."""
    for part in (part for message in effect.messages for part in message.parts):
        if (wanted := part.needs) is not None and wanted not in accepts:
            raise Permanent(f"the model {effect.model!r} takes no {wanted}", kind="rejected")
