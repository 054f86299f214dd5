"""The application: which path leads where."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Route

from api import elsewhere
from api.access import Gate
from api.approving import Approving
from api.calls import Calls
from api.cancelling import Cancelling
from api.chat.completions import ChatCompletions
from api.door import Door
from api.endings import Endings
from api.errors import handlers
from api.foreground import Foreground
from api.health import Health
from api.holding import Holding
from api.input_items import InputItems
from api.input_tokens import InputTokens
from api.keyring import Keyring
from api.metrics import Metrics
from api.middleware import EveryReply
from api.models import Models
from api.openapi import document
from api.opening import Opening
from api.passages import Passages
from api.responses import Responses
from api.verdicts import TellingShelf
from api.waiting import Waiters

__all__ = ["Door", "create_app"]


def create_app(door: Door) -> FastAPI:
    """The HTTP service. Its lifespan must run, or waiting calls are only answered at their deadline."""
    door = replace(door, shelf=TellingShelf(door.shelf, door.settings.ledger_timeout_s, door.sleep))
    waiters = Waiters(door.doorbell, door.shelf, door.sleep)
    holding = Holding(door.callers, door.instance, door.sleep)
    cancelling = Cancelling(door)
    keyring = Keyring(door.access, door.settings.ledger_timeout_s)
    opening, endings, calls = Opening(door, holding), Endings(door, waiters), Calls(door, holding, cancelling)
    responses = Responses(door, opening, endings, calls, cancelling)
    chat = ChatCompletions(door, opening, Foreground(door, endings, calls))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        beside = (keyring, holding, cancelling, waiters, opening, responses)
        async with AsyncExitStack() as stack:
            for each in beside:
                await stack.enter_async_context(each.running())
            yield

    return FastAPI(
        title="Cuelight",
        routes=_routes(door, keyring, responses, chat),
        middleware=[Middleware(EveryReply, hsts_s=door.settings.hsts_s), Middleware(Gate, keyring=keyring)],
        exception_handlers=handlers(),
        lifespan=lifespan,
        redirect_slashes=False,
        # The framework's own would export exceptions' messages, and those may quote a model or a document.
        telemetry={"tracing": False, "metrics": False, "logs": False},
        # The generated pages load scripts from elsewhere and know nothing of bodies that are read by hand. Ours is
        # `api.openapi`.
        openapi_url=None,
    )


def _routes(door: Door, keyring: Keyring, responses: Responses, chat: ChatCompletions) -> list[BaseRoute]:
    models, passages, health = Models(door), Passages(door, keyring), Health(door)
    return [
        Route("/v1/responses", responses.create, methods=["POST"]),
        *elsewhere.routes(),
        Route("/v1/responses/input_tokens", InputTokens(door).count, methods=["POST"]),
        Route("/v1/responses/{id}", responses.one, methods=["GET", "DELETE"]),
        Route("/v1/responses/{id}/cancel", responses.cancel, methods=["POST"]),
        Route("/v1/responses/{id}/approval", Approving(door).decide, methods=["POST"]),
        Route("/v1/approvals", Approving(door).waiting, methods=["GET"]),
        Route("/v1/responses/{id}/input_items", InputItems(door).list),
        Route("/v1/chat/completions", chat.create, methods=["POST"]),
        Route("/v1/models", models.list),
        Route("/v1/models/{id}", models.retrieve),
        Route("/passages/{id}", passages.show),
        Route("/healthz", health.live),
        Route("/readyz", health.ready),
        Route("/metrics", Metrics(door).page),
        Route("/openapi.json", document.show),
    ]
