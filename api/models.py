"""`/v1/models`: the agents, as OpenAI's clients list models."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from api.door import AgentCard, Door
from api.errors import json_reply, not_found, shown


class Models:
    """The calls on models. `created` is when this process began to serve them."""

    def __init__(self, door: Door) -> None:
        self._agents = door.agents
        self._created = int(door.clock())

    async def list(self, request: Request) -> Response:
        """GET /v1/models"""
        return json_reply({"object": "list", "data": [self._model(card) for card in self._agents.values()]})

    async def retrieve(self, request: Request) -> Response:
        """GET /v1/models/{id}"""
        name = request.path_params["id"]
        if name not in self._agents:
            message = f"There is no model {shown(name)!r}; this service has: {', '.join(self._agents)}"
            raise not_found(message, code="model_not_found", param="model")
        return json_reply(self._model(self._agents[name]))

    def _model(self, card: AgentCard) -> dict[str, Any]:
        return {
            "id": card.name,
            "object": "model",
            "created": self._created,
            "owned_by": "cuelight",
            "description": card.agent.description,
        }
