"""What went wrong in each golden case, and how to make it go wrong again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agent.testing.fake_model.trace import Header, ProcessFault, Trace, TraceLine
from tests.crash.crashing_worker import Death
from tests.crash.stage import until
from tests.traces.theatre import Theatre

Act = Callable[[Theatre, str], Awaitable[None]]
"""What a person does while a run is open."""

QUESTION = "How long is the warranty?"
RIGHT = {
    "answer": "The warranty lasts two years.",
    "citations": [{"passage_id": "p1", "quote": "The warranty lasts two years"}],
    "no_answer": False,
}
MADE_UP = {
    "answer": "Zephyrs juggle marmalade.",
    "citations": [{"passage_id": "p1", "quote": "Zephyrs juggle marmalade"}],
    "no_answer": False,
}
OTHER = {**MADE_UP, "answer": "Marmalade juggles zephyrs."}
COUNTRY = {
    "type": "object",
    "properties": {"country": {"type": "string", "enum": ["NO", "SE"]}},
    "required": ["country"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class Recipe:
    """`wrong` is one sentence for the case's note and the page; `end` the run's status, or the code of its failure."""

    name: str
    wrong: str
    end: str
    lines: Sequence[Mapping[str, Any]]
    agent: str = "documents"
    prompt: str = "answer"
    input: str = QUESTION
    more: Mapping[str, Any] = field(default_factory=dict)
    """Of the request."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    deaths: Sequence[Death] = ()
    """Workers that die before one comes that lives."""
    act: Act | None = None

    @property
    def body(self) -> Mapping[str, Any]:
        return {"model": self.agent, "input": self.input, "background": True, **self.more}

    @property
    def trace(self) -> Trace:
        return Trace.of(Header(note=self.wrong), self._parts())

    def _parts(self) -> Iterator[TraceLine | ProcessFault]:
        attempt = 0
        for line in self.lines:
            if "when" in line:
                yield ProcessFault.model_validate({**line, "when": {"prompt": self.prompt, **line["when"]}})
                continue
            for _ in range(line.get("calls", 1)):
                attempt += 1
                said = {name: value for name, value in line.items() if name != "calls"}
                yield TraceLine.model_validate({"prompt": self.prompt, "attempt": attempt, **said})


def says(answer: Any, **more: Any) -> Mapping[str, Any]:
    return {"answer": answer, **more}


def fails(kind: str, calls: int = 1, model: str | None = None, **more: Any) -> Mapping[str, Any]:
    which = {} if model is None else {"model": model}
    return {"fault": {"kind": kind, **more}, "calls": calls, **which}


def wants(name: str, arguments: Any, id: str = "call_1") -> Mapping[str, Any]:
    return {"tool_calls": [{"id": id, "function": {"name": name, "arguments": arguments}}]}


def strikes(fault: str, attempt: int = 1, at: str = "before_answer", **more: Any) -> Mapping[str, Any]:
    return {"fault": fault, "when": {"attempt": attempt, "at": at}, **more}


async def cancel(theatre: Theatre, run: str) -> None:
    """The client does not want it any more once a model is at it."""
    await theatre.stage.asked(run)
    reply = await theatre.http.post(f"/v1/responses/{run}/cancel")
    assert reply.status_code == 200, reply.text


async def deny(theatre: Theatre, run: str) -> None:
    """An operator denies what waits for an approval."""

    async def waits() -> bool:
        return bool((await theatre.http.get("/v1/approvals")).json()["data"])

    await until(waits)
    body = {"approve": False, "reason": "The order was never paid."}
    reply = await theatre.http.post(f"/v1/responses/{run}/approval", json=body)
    assert reply.status_code == 200, reply.text


TWO = {"models": ("large", "small")}

RECIPES: tuple[Recipe, ...] = (
    # The model's endpoint.
    Recipe(
        "told-to-wait",
        "The endpoint turned the call away and named a time; it was waited for.",
        "completed",
        [fails("rate_limited", retry_after=0.3), says(RIGHT)],
    ),
    Recipe(
        "told-to-wait-for-too-long",
        "The endpoint named a time to wait that is longer than the run had left.",
        "deadline_exceeded",
        [fails("rate_limited", retry_after=60)],
        agent="hasty",
    ),
    Recipe(
        "outage",
        "The endpoint was gone, and the failures that a run may have were used up.",
        "transport",
        [fails("drop", calls=3)],
        agent="impatient",
    ),
    Recipe(
        "short-outage",
        "The endpoint was broken for two calls.",
        "completed",
        [fails("server_error", status=503), fails("server_error", status=502), says(RIGHT)],
    ),
    Recipe(
        "half-a-body",
        "Each body stopped in the middle; half an answer is none.",
        "malformed",
        [fails("cut_json", calls=3)],
    ),
    Recipe(
        "web-page",
        "A proxy answered with a web page, and then the model did.",
        "completed",
        [fails("html"), says(RIGHT)],
    ),
    Recipe(
        "error-with-status-200",
        "The endpoint told an error as if it were an answer.",
        "completed",
        [fails("error_in_200"), says(RIGHT)],
    ),
    Recipe("empty-answer", "The model said nothing at all, three times.", "empty", [fails("empty_choices", calls=3)]),
    Recipe("key-rejected", "The endpoint does not know the key.", "unauthorized", [fails("unauthorized")]),
    Recipe("quota-used-up", "The account has no money left.", "quota", [fails("insufficient_quota")]),
    Recipe("request-rejected", "The endpoint refuses the request as it is.", "rejected", [fails("bad_request")]),
    Recipe(
        "context-too-long",
        "The prompt is longer than the model can read.",
        "context_length_exceeded",
        [fails("context_length")],
    ),
    Recipe(
        "next-model",
        "The first model of the chain is not there any more; the second one answered.",
        "completed",
        [fails("not_found", model="large"), says(RIGHT, model="small")],
        settings=TWO,
    ),
    Recipe(
        "no-model-left",
        "Both models of the chain failed, each in its way.",
        "quota",
        [fails("unauthorized", model="large"), fails("insufficient_quota", model="small")],
        settings=TWO,
    ),
    # What the model said.
    Recipe("refused", "The model declined to answer.", "refused", [fails("refusal")]),
    Recipe(
        "refused-and-passed-on",
        "The first model declined, and the agent has the next one asked then.",
        "completed",
        [fails("refusal", model="large"), says(RIGHT, model="small")],
        agent="eager",
        settings=TWO,
    ),
    Recipe("filtered", "A content filter stopped the answer.", "refused", [fails("content_filter")]),
    Recipe(
        "truncated",
        "The answer was cut off at the token limit, whenever it was asked for.",
        "no_valid_answer",
        [{**fails("length", calls=2), "answer": RIGHT}],
    ),
    Recipe(
        "no-json",
        "The model chatted where JSON was wanted, and was told so.",
        "completed",
        [says("Sure! It is two years."), says(RIGHT)],
    ),
    Recipe(
        "wrong-schema",
        "The reply was JSON of another shape, and was repaired.",
        "completed",
        [fails("wrong_schema"), says(RIGHT)],
    ),
    Recipe(
        "made-up-quote",
        "The quote stands in no passage; the repaired answer's does.",
        "completed",
        [says(MADE_UP), says(RIGHT)],
    ),
    Recipe(
        "made-up-again",
        "The repaired draft had the same fault as the first one, so nobody asked again.",
        "no_valid_answer",
        [says(MADE_UP), says(OTHER)],
    ),
    Recipe(
        "made-up-to-the-end",
        "Three drafts, each made up in its own way, and no repair was left.",
        "no_valid_answer",
        [says(MADE_UP), says("Two years, I think."), says({**RIGHT, "answer": "It is 7 years."})],
    ),
    Recipe(
        "wrong-number",
        "The quote is real, and the number in the answer is not the one there.",
        "completed",
        [says({**RIGHT, "answer": "The warranty lasts 7 years."}), says(RIGHT)],
    ),
    Recipe(
        "unknown-passage",
        "The answer cites a passage that nobody showed to the model.",
        "completed",
        [says({**RIGHT, "citations": [{"passage_id": "p9", "quote": "The warranty lasts two years"}]}), says(RIGHT)],
    ),
    Recipe(
        "markup-that-acts",
        "The answer held an image that would have called out from the reader's browser.",
        "completed",
        [says({**RIGHT, "answer": "Two years. <img src=x onerror=alert(1)>"}), says(RIGHT)],
    ),
    Recipe(
        "broken-characters",
        "The answer held a NUL and half a character.",
        "completed",
        [fails("bad_characters"), says(RIGHT)],
    ),
    Recipe(
        "schema-of-the-client",
        "The answer did not fit the JSON Schema that the client gave.",
        "completed",
        [says({"country": "France"}), says({"country": "NO"})],
        agent="chat",
        prompt="chat",
        input="Where is Oslo?",
        more={"text": {"format": {"type": "json_schema", "name": "where", "schema": COUNTRY, "strict": True}}},
    ),
    # Limits and people.
    Recipe(
        "no-time-left",
        "The model never answered, and the run's time was over.",
        "deadline_exceeded",
        [fails("hang")],
        agent="hasty",
    ),
    Recipe(
        "budget-used-up",
        "Two calls were all that the run might make, and neither draft held.",
        "budget",
        [says(MADE_UP), says("Two years, I think.")],
        agent="thrifty",
    ),
    Recipe("cancelled", "The client cancelled while a model was at it.", "cancelled", [fails("hang")], act=cancel),
    # Tools.
    Recipe(
        "tool-says-no",
        "A tool told the model why there is no result.",
        "completed",
        [wants("look_up", {"number": 404}), says("There is no such order.")],
        agent="clerk",
        prompt="chat",
        input="Where is order 404?",
    ),
    Recipe(
        "tool-has-a-bug",
        "A tool failed in a way that its author had not thought of.",
        "completed",
        [wants("look_up", {"number": 500}), says("I cannot look that up now.")],
        agent="clerk",
        prompt="chat",
        input="Where is order 500?",
    ),
    Recipe(
        "tool-called-wrongly",
        "The model called a tool with arguments that are none, and was told so.",
        "completed",
        [
            wants("look_up", {"number": "the blue one"}),
            wants("look_up", {"number": 7}, "call_2"),
            says("It left on Monday."),
        ],
        agent="clerk",
        prompt="chat",
        input="Where is my order?",
    ),
    Recipe(
        "tools-for-ever",
        "The model wanted one call after another, and more rounds than the agent allows.",
        "completed",
        [*(wants("look_up", {"number": n}, f"call_{n}") for n in (1, 2, 3)), says("They left on Monday.")],
        agent="clerk",
        prompt="chat",
        input="Where are all orders?",
    ),
    Recipe(
        "approval-denied",
        "An operator denied a call that was to pay money back.",
        "completed",
        [wants("refund", {"number": 7, "usd": 40}), says("I may not pay it back.")],
        agent="cashier",
        prompt="chat",
        input="I want my money back for order 7.",
        act=deny,
    ),
    Recipe(
        "approval-expired",
        "Nobody decided on a call in time, so it was not made.",
        "completed",
        [wants("refund", {"number": 7, "usd": 40}), says("Nobody was there to approve it.")],
        agent="cashier",
        prompt="chat",
        input="I want my money back for order 7.",
    ),
    # Processes and engines.
    Recipe(
        "worker-killed-in-a-call",
        "The worker was killed while the model was at it: the call is lost, and repeated.",
        "completed",
        [strikes("kill_worker"), says(RIGHT), says(RIGHT)],
    ),
    Recipe(
        "worker-killed-before-it-wrote",
        "The worker was killed with the answer in its hands.",
        "completed",
        [says(RIGHT), says(RIGHT)],
        deaths=(Death("generate", "commit", "before"),),
    ),
    Recipe(
        "worker-killed-in-the-search",
        "The worker was killed before what it had found was on record.",
        "completed",
        [says(RIGHT)],
        deaths=(Death("retrieve", "search", "after"),),
    ),
    Recipe(
        "worker-frozen-and-overtaken",
        "A worker froze in a call and woke up when another one had answered.",
        "completed",
        [strikes("freeze_worker", seconds=1.0), says(RIGHT), says(RIGHT)],
    ),
    Recipe(
        "redis-lost-everything",
        "Redis lost all it had while the model was at it.",
        "completed",
        [strikes("flushall"), says(RIGHT, delay_ms=100)],
    ),
    Recipe(
        "poison",
        "The work killed every worker that took it, and was set aside.",
        "deliveries",
        [],
        deaths=(Death("generate", "intend", "before"),) * 2,
        settings={"max_deliveries": 2},
    ),
    Recipe(
        "bug-in-a-check",
        "A check of the agent's author failed on every draft.",
        "bug",
        [says("Fine.")],
        agent="buggy",
        prompt="chat",
        input="How are you?",
    ),
)
