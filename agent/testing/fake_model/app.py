"""The fake model's endpoints: decides what a request gets, and keeps the log. The waiting is the wire's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from functools import partial

from agent.errors import Misconfigured
from agent.testing.fake_model.call import (
    PROMPT_HEADER,
    REQUEST_HEADER,
    RUN_HEADER,
    Call,
    prompt_name,
    read_body,
    text_of,
)
from agent.testing.fake_model.completion import Completion, dumps, error_payload, json_reply
from agent.testing.fake_model.following import Following, Stagehand
from agent.testing.fake_model.log import Entry, Log, entry_of
from agent.testing.fake_model.obedience import obey
from agent.testing.fake_model.script import Line, Playing, Script, ScriptedToolCall
from agent.testing.fake_model.trace import Trace, TraceLine
from agent.testing.fake_model.wire import MAX_BODY_BYTES, Reply, Request

KEPT_BYTES = 100_000_000
"""The request bodies of the log together; the oldest entries beyond that are forgotten, but stay counted."""
DEFAULT_MODEL = "fake-model"
DEFAULT_ANSWER = "This is the fake model's answer."
"""What a fault spoils where its line has no answer."""


class FakeApp:
    """One script or trace being played, and the log of it. Not thread-safe: all of it runs in one event loop."""

    def __init__(self, told: Script | Trace, hand: Stagehand | None = None) -> None:
        """`hand` makes a trace's faults of processes. Raises `Misconfigured` if there are some, and nobody to do it."""
        self._hand = hand
        self._doing: set[asyncio.Future[None]] = set()
        self._crowds: list[tuple[int, asyncio.Event]] = []
        self._playing = self._opened(told)
        self._log = Log(KEPT_BYTES)
        self._started = time.monotonic()
        self._routes: dict[tuple[str, str], Callable[[Request], Reply]] = {
            ("POST", "/v1/chat/completions"): self._chat,
            ("GET", "/v1/models"): self._models,
            ("GET", "/log"): self._show_log,
            ("GET", "/log/count"): lambda _: json_reply(self._log.counts()),
            ("DELETE", "/log"): self._clear_log,
            ("GET", "/script"): self._show_script,
            ("PUT", "/script"): self._replace_script,
            ("GET", "/trace"): self._show_trace,
            ("PUT", "/trace"): self._replace_trace,
        }

    def _opened(self, told: Script | Trace) -> Playing | Following:
        if isinstance(told, Script):
            return Playing(told)
        if told.faults and self._hand is None:
            number, fault = told.faults[0]
            raise Misconfigured(
                f"line {number} of the trace has {fault.fault} done to a process, and nobody is here to do it: "
                "see docs/traces.md about playing it with workers"
            )
        return Following(told)

    def __call__(self, request: Request) -> Reply:
        """What this request gets."""
        if request.too_large:
            message = f"The body of your request is longer than {MAX_BODY_BYTES} bytes."
            return json_reply(error_payload(message, "invalid_request_error"), 413)
        route = self._routes.get((request.method, request.path))
        if route is None:
            message = f"Invalid URL ({request.method} {request.path})"
            return json_reply(error_payload(message, "invalid_request_error"), 404)
        return route(request)

    def _chat(self, request: Request) -> Reply:
        body, problem = read_body(request)
        run, prompt = request.headers.get(RUN_HEADER), request.headers.get(PROMPT_HEADER)
        n, attempt = self._log.next_call(run, prompt_name(prompt))
        self._let_go(n)
        key, asked = request.headers.get("authorization", ""), request.headers.get(REQUEST_HEADER)
        call = Call(n, run, prompt, attempt, body, problem, key, asked)
        entry = entry_of(call, request, self._now_s())
        reply = self._decide(call, entry)
        entry.status = None if reply.only_bytes == 0 else reply.status
        entry.retry_after_s = _retry_after_s(reply)
        self._log.add(entry)
        named = {**reply.headers, "x-request-id": f"req_fake{n}"}
        reply = replace(reply, headers=named, on_end=lambda complete: self._end(entry, complete))
        return self._with_faults(reply, call)

    def _decide(self, call: Call, entry: Entry) -> Reply:
        if call.problem is not None:
            entry.fault = "invalid_request"
            return json_reply(error_payload(call.problem, "invalid_request_error"), 400)
        taken = self._playing.take(call)
        if taken is None:
            traced = isinstance(self._playing, Following)
            entry.fault = "off_trace" if traced else "unscripted"
            told = str(self._playing.missed(call)) if isinstance(self._playing, Following) else _unscripted(call)
            return json_reply(error_payload(told, entry.fault, entry.fault), 501)
        entry.line, line = taken
        reply = _played(line, call, entry)
        if isinstance(line, TraceLine) and line.after_calls is not None:
            return replace(reply, first=partial(self._together, self._crowd(line.after_calls, call.n)))
        return reply

    def _with_faults(self, reply: Reply, call: Call) -> Reply:
        """The reply, with what happens to a process at this call."""
        hand, waits = self._hand, reply.first
        fault = self._playing.fault_at(call) if isinstance(self._playing, Following) else None
        if hand is None or fault is None:
            return reply

        async def before() -> None:
            await waits()
            await self._done(hand.before(fault, call))

        async def after() -> None:
            await self._done(hand.after(fault, call))

        return replace(reply, first=before, last=after)

    async def _done(self, act: Awaitable[None]) -> None:
        """To its end, even if the caller leaves meanwhile: it may be the one that is killed."""
        task = asyncio.ensure_future(act)
        self._doing.add(task)
        task.add_done_callback(self._doing.discard)
        await asyncio.shield(task)

    async def _together(self, crowd: asyncio.Event) -> None:
        await crowd.wait()

    def _crowd(self, size: int, came: int) -> asyncio.Event:
        """Set once so many calls have come in."""
        together = asyncio.Event()
        if came >= size:
            together.set()
        else:
            self._crowds.append((size, together))
        return together

    def _let_go(self, came: int) -> None:
        for size, together in self._crowds:
            if came >= size:
                together.set()
        self._crowds = [it for it in self._crowds if not it[1].is_set()]

    def _end(self, entry: Entry, complete: bool) -> None:
        entry.ended_at_s = self._now_s()
        entry.client_left = not complete

    def _now_s(self) -> float:
        return round(time.monotonic() - self._started, 6)

    def _models(self, request: Request) -> Reply:
        names = {line.model for line in self._lines() if line.model} | {DEFAULT_MODEL}
        models = [{"id": name, "object": "model", "created": 0, "owned_by": "cuelight"} for name in sorted(names)]
        return json_reply({"object": "list", "data": models})

    def _lines(self) -> Iterable[Line]:
        if isinstance(self._playing, Playing):
            return self._playing.script.lines
        return (line for _, line in self._playing.trace.lines)

    def _show_log(self, request: Request) -> Reply:
        return json_reply([entry.wire() for entry in self._log.entries(request.query.get("run"))])

    def _clear_log(self, request: Request) -> Reply:
        self._log.clear()
        return json_reply(self._log.counts())

    def _show_script(self, request: Request) -> Reply:
        if not isinstance(self._playing, Playing):
            return _not_played("a trace is followed, and no script")
        plain = self._playing.script.plain()
        return json_reply([{"line": line, "used": n} for line, n in zip(plain, self._playing.used, strict=True)])

    def _replace_script(self, request: Request) -> Reply:
        try:
            self._playing = playing = Playing(Script.parse(request.body))
        except Misconfigured as error:
            return json_reply(error_payload(str(error), "invalid_request_error"), 422)
        return json_reply({"lines": len(playing.used)})

    def _show_trace(self, request: Request) -> Reply:
        if not isinstance(self._playing, Following):
            return _not_played("a script is played, and no trace")
        return json_reply(self._playing.report())

    def _replace_trace(self, request: Request) -> Reply:
        try:
            trace = Trace.parse(request.body)
            self._playing = self._opened(trace)
        except Misconfigured as error:
            return json_reply(error_payload(str(error), "invalid_request_error"), 422)
        return json_reply({"lines": len(trace.lines)})


def _not_played(what: str) -> Reply:
    return json_reply(error_payload(what, "invalid_request_error"), 404)


def _played(line: Line, call: Call, entry: Entry) -> Reply:
    fault = line.fault_for(call)
    completion = _completion(line, call)
    reply = completion.reply() if fault is None else fault.reply(completion := fault.alter(completion))
    billed = True if fault is None else fault.billed
    entry.fault = None if fault is None else fault.kind
    entry.billed = billed if line.billed is None else line.billed
    entry.tokens = completion.tokens if entry.billed else entry.tokens
    entry.answer = (completion.refusal or completion.content) if billed else None
    return replace(reply, delay_s=line.delay_ms / 1000)


def _completion(line: Line, call: Call) -> Completion:
    usage = None if line.usage == "none" else line.usage
    obeyed = obey(call) if line.obedient else None
    wanted = obeyed.calls if obeyed else line.tool_calls
    tools = tuple(_tool_call(call, place, tool, line.fills) for place, tool in enumerate(wanted))
    return Completion(
        n=call.n,
        created=int(time.time()),
        model=call.model,
        content=obeyed.content if obeyed else _content(line, call),
        prompt_chars=sum(len(text_of(message)) for message in call.messages),
        tool_calls=tools,
        reasoning=line.reasoning,
        logprobs=call.top_logprobs,
        finish_reason=line.finish_reason or ("tool_calls" if tools else "stop"),
        input_tokens=usage.input if usage else None,
        output_tokens=usage.output if usage else None,
        cached_tokens=usage.cached if usage else 0,
        usage=line.usage != "none",
        stream=call.stream,
        include_usage=call.include_usage,
    )


def _content(line: Line, call: Call) -> str | None:
    if line.answer is None:
        return None if line.tool_calls else DEFAULT_ANSWER
    filled = call.fill(line.answer) if line.fills else line.answer
    return filled if isinstance(filled, str) else dumps(filled).decode()


def _tool_call(call: Call, place: int, tool: ScriptedToolCall, fills: bool) -> dict[str, object]:
    filled = call.fill(tool.function.arguments) if fills else tool.function.arguments
    arguments = filled if isinstance(filled, str) else dumps(filled).decode()
    identity = tool.id or f"call_fake{call.n}_{place}"
    return {"id": identity, "type": tool.type, "function": {"name": tool.function.name, "arguments": arguments}}


def _unscripted(call: Call) -> str:
    asked = f"prompt {call.prompt or '(none)'}, attempt {call.attempt}, run {call.run or '(none)'}, model {call.model}"
    return f"no line of the script is for this call: {asked}"


def _retry_after_s(reply: Reply) -> float | None:
    """The time to wait that an answer names, if its head is sent."""
    if reply.only_bytes is not None:
        return None
    if (ms := reply.headers.get("retry-after-ms")) is not None:
        return float(ms) / 1000
    seconds = reply.headers.get("retry-after")
    return None if seconds is None else float(seconds)
