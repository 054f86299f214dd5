"""`/v1/models`: what the caller may ask for, as OpenAI's clients list models."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from api.access import caller_of
from api.door import Door
from api.errors import json_reply
from api.offers import Offer, choose, offers


class Models:
    """The calls on models. `created` is when this process began to serve them."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._created = int(door.clock())

    async def list(self, request: Request) -> Response:
        """GET /v1/models"""
        there = offers(self._door, caller_of(request).rules)
        return json_reply({"object": "list", "data": [self._model(offer) for offer in there.values()]})

    async def retrieve(self, request: Request) -> Response:
        """GET /v1/models/{id}"""
        return json_reply(self._model(choose(request.path_params["id"], self._door, caller_of(request).rules)))

    def _model(self, offer: Offer) -> dict[str, Any]:
        return {
            "id": offer.name,
            "object": "model",
            "created": self._created,
            "owned_by": "cuelight",
            "description": offer.card.agent.description,
        }
