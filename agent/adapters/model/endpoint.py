"""One OpenAI-compatible endpoint: a call is one HTTP request, bounded in time and size, and read strictly."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx2
import openai
import orjson

from agent.adapters.model.classify import MAX_BODY_BYTES, Reply, classify
from agent.adapters.model.complaint import excerpt
from agent.adapters.model.forms import rung_of, schema_of
from agent.adapters.model.ladder import Shape, adapted, body
from agent.adapters.model.learning import Learned
from agent.adapters.model.tightening import loosened
from agent.effects import CallModel, ModelAnswer
from agent.errors import Misconfigured, Permanent, Transient
from agent.ports import Notes
from agent.settings import EndpointSettings, ModelSettings

CONNECT_S = 10.0
"""How long a connection may take, and how long a call may wait for one of the pool's."""
LIMITS = httpx2.Limits(max_connections=1000, max_keepalive_connections=100)
# The length and the encoding were the sent body's, not those of what was read.
_OF_THE_WIRE = ("content-encoding", "content-length", "transfer-encoding")


class _BoundedClient(httpx2.AsyncClient):
    """Reads every reply to its end or to just above `MAX_BODY_BYTES`, errors too: the SDK reads those without limit."""

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        response = await super().send(request, **{**options, "stream": True})
        try:
            content = await _read(response)
        finally:
            await response.aclose()
        headers = [(name, value) for name, value in response.headers.multi_items() if name not in _OF_THE_WIRE]
        return httpx2.Response(response.status_code, headers=headers, content=content, request=request)


async def _read(response: httpx2.Response) -> bytes:
    content = bytearray()
    async for chunk in response.aiter_bytes():
        content += chunk[: MAX_BODY_BYTES + 1 - len(content)]
        if len(content) > MAX_BODY_BYTES:
            break
    return bytes(content)


class Endpoint:
    """An endpoint with its pool of connections and what was learned about its models. Close it at the end."""

    def __init__(self, settings: EndpointSettings, notes: Notes | None = None) -> None:
        """`notes` are those of all workers. Raises `Misconfigured` if the URL or the key cannot be used."""
        self.settings = settings
        self._key = _usable_key(settings)
        self._models = {model.name: model for model in settings.models}
        self._learned = Learned(settings, notes)
        self._client = openai.AsyncOpenAI(
            base_url=_usable_url(settings),
            api_key=self._key or "none",
            max_retries=0,  # retries have one owner, and it is not the SDK
            timeout=settings.timeout_s,
            http_client=_BoundedClient(
                limits=LIMITS,
                # A redirect would be a second request, and it might take the prompt to somebody else.
                follow_redirects=False,
                headers={"Accept-Encoding": "identity"},
            ),
        )

    async def close(self) -> None:
        await self._client.close()

    async def call(self, effect: CallModel, *, timeout_s: float, headers: Mapping[str, str]) -> ModelAnswer:
        """One answer, within `timeout_s` and the endpoint's own limit, whichever is shorter. `headers` are sent along.

        It is one HTTP request, but for a 400 that refuses a field we can do without: then it is asked again without.

        Raises:
            Transient, Overloaded, Permanent: as `classify` says; `transport` if no reply came in time.
        """
        model = self._model(effect)
        limit_s = min(timeout_s, self.settings.timeout_s)
        if limit_s <= 0:
            raise Transient(f"no time is left to ask {self.settings.name}", kind="transport")
        try:
            async with asyncio.timeout(limit_s):
                reply, taken = await self._converse(effect, limit_s, headers)
        except TimeoutError as error:
            message = f"{self.settings.name} did not answer within {limit_s:g} s"
            raise Transient(message, kind="transport") from error
        answer = classify(reply, endpoint=self.settings.name, model=model, secret=self._key, asked=effect)
        return _loosened(answer, effect) if rung_of(effect, taken.rung) == "json_schema_strict" else answer

    def _model(self, effect: CallModel) -> ModelSettings:
        if effect.model not in self._models:
            known = ", ".join(self._models)
            raise Permanent(f"{self.settings.name} has no model {effect.model!r}, it has {known}", kind="rejected")
        return self._models[effect.model]

    async def _converse(self, effect: CallModel, limit_s: float, headers: Mapping[str, str]) -> tuple[Reply, Shape]:
        """Ask until no field is refused. What was found out is kept only if it led to an answer."""
        known = await self._learned.shape(effect)
        shape: Shape | None = known
        while shape is not None:
            tried = shape
            reply = await self._post(body(effect, tried), limit_s, headers)
            shape = adapted(tried, effect, reply)
        if reply.succeeded and tried != known:
            await self._learned.learn(effect, known, tried)
        return reply, tried

    async def _post(self, content: dict[str, Any], limit_s: float, headers: Mapping[str, str]) -> Reply:
        try:
            response = await self._client.post(
                "/chat/completions",
                cast_to=httpx2.Response,
                content=orjson.dumps(content),
                options={"headers": {**headers, **self._own_headers()}, "timeout": _time_outs(limit_s)},
            )
        except openai.APIStatusError as error:
            response = error.response
        except (openai.APIConnectionError, RuntimeError, AttributeError) as error:
            # uvloop and the HTTP client fail with the latter two on a connection that was reset under them.
            reason = excerpt(f"{type(error.__cause__ or error).__name__}: {error.__cause__ or error}", self._key)
            raise Transient(f"{self.settings.name} cannot be reached: {reason}", kind="transport") from error
        return Reply(response.status_code, dict(response.headers), response.content, datetime.now(UTC))

    def _own_headers(self) -> dict[str, str | openai.Omit]:
        """Said outright, because the SDK would fill in what `OPENAI_*` variables hold, which is for somebody else."""
        omit = openai.Omit()
        authorization = f"Bearer {self._key}" if self._key else omit
        return {"Authorization": authorization, "OpenAI-Organization": omit, "OpenAI-Project": omit}


def _loosened(answer: ModelAnswer, effect: CallModel) -> ModelAnswer:
    """The answer without what the strict form alone forced; probabilities are told of words as they were written."""
    text = loosened(answer.text, schema_of(effect))
    return answer if text == answer.text else answer.model_copy(update={"text": text, "logprobs": ""})


def _time_outs(limit_s: float) -> httpx2.Timeout:
    quick_s = min(CONNECT_S, limit_s)
    return httpx2.Timeout(connect=quick_s, pool=quick_s, read=limit_s, write=limit_s)


def _usable_key(settings: EndpointSettings) -> str:
    key = settings.api_key.get_secret_value().strip() if settings.api_key else ""
    if not (key.isascii() and key.isprintable()):
        raise Misconfigured(f"the API key of endpoint {settings.name!r} has characters that no header can carry")
    return key


def _usable_url(settings: EndpointSettings) -> str:
    try:
        url = httpx2.URL(settings.base_url)
    except httpx2.InvalidURL:
        url = httpx2.URL("")
    if url.scheme not in ("http", "https") or not url.host:
        raise Misconfigured(f"the URL of endpoint {settings.name!r} must be http(s)://host/..., usually ending in /v1")
    return settings.base_url
