"""What can happen in a run, in the past tense. Facts only: no behaviour lives here.

An event's `type` and `version` stand beside its data, in the ledger as in the feed. They are data themselves and are
never renamed; a new field gets a default, a changed meaning gets a new version with an `upcast` for the old one.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from agent.items import FinishReason, FunctionCall, Lean, Message


class Event(Lean):
    """A fact about a run. Frozen, because history does not change."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    type: ClassVar[str]
    version: ClassVar[int] = 1

    @classmethod
    def upcast(cls, data: dict[str, Any], version: int) -> dict[str, Any]:
        """Data of an older `version` of this event, as this version would have written it."""
        return data

    @property
    def rest_s(self) -> float:
        """How long the run rests at this event before a step takes it; somebody may move it on before."""
        return 0.0

    def public(self) -> Mapping[str, str]:
        """What the feed may carry of this event: ids, counts and names, never text of a prompt or an answer."""
        return {}


EndStatus = Literal["completed", "failed", "incomplete", "cancelled"]


class Ending(Event):
    """The last fact of a run. It is the run's result and no step takes it."""

    @property
    def status(self) -> EndStatus:
        return "completed"


class Passage(BaseModel):
    """A piece of a stored document, word for word. `label` is its short name in one run (`p1`, `p2`, ...)."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    id: str
    label: str
    document_id: str
    title: str
    source: str
    """Where the document came from: its path or URL, as it was ingested."""
    url: str | None = None
    """The document's own address, if it has one that a reader can open."""
    text: str
    score: float = 0.0


class Usage(BaseModel):
    """Tokens of one call. `cached` ones are part of `input`."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0


class Problem(BaseModel):
    """One thing that is wrong with a draft. `check` names the check, `message` is what the model is told."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    check: str
    message: str


class Citation(Lean):
    """Both ends of a citation, in code points: the span of the answer and the span of the passage.

    `quote` is cut from the passage by us and is never the model's own spelling; `repaired` if that had a slip in it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    later = frozenset({"repaired"})
    answer_start: int
    answer_end: int
    passage_id: str
    document_id: str
    title: str
    source: str
    url: str | None = None
    passage_start: int
    passage_end: int
    quote: str
    repaired: bool = False


EvidenceStatus = Literal[
    "found",
    "repaired",
    "misattributed",
    "stitched",
    "not_found",
    "too_short",
    "unknown_passage",
    "uncited",
    "unfounded",
]
"""What became of a piece of a draft that was looked for in passages.

`found` word for word; `repaired`, where our own cut stands in for a slip of the pen; `misattributed`, in another
passage; `stitched` out of pieces; `unfounded`, a number, date, name or quotation that stands in no cited passage.
"""


class Evidence(BaseModel):
    """A place that a check looked at: a span of the draft and, where there is one, the span of a passage beside it.

    Spans are half-open, in code points. `start` and `end` count within the draft's answer, or within the quote of its
    `citation` (from 1) where that is given.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    status: EvidenceStatus | None = None
    start: int
    end: int
    citation: int | None = None
    passage_id: str | None = None
    passage_start: int | None = None
    passage_end: int | None = None


class RequestReceived(Event):
    """The run was opened; the request itself stands on the run."""

    type = "request.received"
    agent: str

    def public(self) -> Mapping[str, str]:
        return {"agent": self.agent}


class ConversationRecalled(Event):
    """The turns before this run's own, up to the end of the response `previous`. They are kept with this run."""

    type = "conversation.recalled"
    previous: str
    messages: tuple[Message, ...]

    def public(self) -> Mapping[str, str]:
        return {"previous": self.previous, "messages": str(len(self.messages))}


class Searched(BaseModel):
    """A collection and its change number that was searched."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    collection: str
    index_version: int


class PassagesFound(Event):
    """What the search brought. `index_version` is the collection's change number that was searched.

    `more` are the collections that were searched beside the first.
    """

    type = "passages.found"
    version = 2
    later = frozenset({"more"})
    query: str
    collection: str
    index_version: int
    passages: tuple[Passage, ...]
    more: tuple[Searched, ...] = ()

    @classmethod
    def upcast(cls, data: dict[str, Any], version: int) -> dict[str, Any]:
        if version < 2:  # version 1 searched the one collection there was and did not name it
            return {"collection": "default", **data}
        return data

    def public(self) -> Mapping[str, str]:
        return {
            "collection": ",".join((self.collection, *(it.collection for it in self.more))),
            "index_version": ",".join(map(str, (self.index_version, *(it.index_version for it in self.more)))),
            "passages": ",".join(passage.id for passage in self.passages),
        }


class AnswerDrafted(Event):
    """A model's words, not yet checked: nothing of `draft` may leave the service."""

    type = "answer.drafted"
    later = frozenset({"calls", "reasoning", "logprobs"})
    draft: str
    finish_reason: FinishReason = "stop"
    model: str
    endpoint: str
    offline: bool = False
    prompt: str
    """The prompt that was asked: `name@version+hash`."""
    usage: Usage = Usage()
    cost_usd: Decimal | None = None
    """None where the price is unknown."""
    repairs: int = 0
    """How many repairs led to this draft."""
    calls: tuple[FunctionCall, ...] = ()
    reasoning: str = ""
    """The model's thoughts as the endpoint told them; nothing of them leaves the service."""
    logprobs: str = ""
    """The probabilities of the draft's tokens as JSON, where they were asked for."""

    def public(self) -> Mapping[str, str]:
        return {
            "model": self.model,
            "endpoint": self.endpoint,
            "prompt": self.prompt,
            "finish_reason": self.finish_reason,
            "repairs": str(self.repairs),
            "input_tokens": str(self.usage.input_tokens),
            "output_tokens": str(self.usage.output_tokens),
            "calls": str(len(self.calls)),
        }


class VerdictGiven(Event):
    """What one check said of the newest draft. `problems` may quote the draft, so they do not leave the service."""

    type = "verdict.given"
    check: str
    passed: bool
    repairs: int
    """How many repairs led to the draft."""
    problems: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()

    def public(self) -> Mapping[str, str]:
        return {
            "check": self.check,
            "passed": str(self.passed).lower(),
            "problems": str(len(self.problems)),
            "evidence": str(len(self.evidence)),
            "repairs": str(self.repairs),
        }


class ToolsRequested(Event):
    """A model wants tools of the agent called; the calls hold. `round` counts such replies of the run, from 1."""

    type = "tools.requested"
    calls: tuple[FunctionCall, ...]
    round: int

    def public(self) -> Mapping[str, str]:
        return {"tools": ",".join(call.name for call in self.calls), "round": str(self.round)}


class CalledTool(BaseModel):
    """What came of one call, for the model to read."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    call_id: str
    name: str
    text: str
    failed: bool = False


class ToolsAnswered(Event):
    """What the calls of a round brought, in their order: others' words, never instructions."""

    type = "tools.answered"
    results: tuple[CalledTool, ...]
    round: int

    def public(self) -> Mapping[str, str]:
        failed = sum(result.failed for result in self.results)
        return {"tools": ",".join(it.name for it in self.results), "failed": str(failed), "round": str(self.round)}


class ApprovalRequested(Event):
    """Calls that somebody has to approve; the run rests here for `wait_s`, and then they are denied."""

    type = "approval.requested"
    calls: tuple[FunctionCall, ...]
    round: int
    wait_s: float

    @property
    def rest_s(self) -> float:
        return self.wait_s

    def public(self) -> Mapping[str, str]:
        return {"tools": ",".join(call.name for call in self.calls), "round": str(self.round)}


class ApprovalDecided(Event):
    """What was decided about them, by their ids. `by` is a key's or an operator's name, or `deadline`."""

    type = "approval.decided"
    approved: tuple[str, ...]
    denied: tuple[str, ...]
    by: str
    reason: str = ""
    round: int

    def public(self) -> Mapping[str, str]:
        return {"approved": str(len(self.approved)), "denied": str(len(self.denied)), "round": str(self.round)}


class DraftRejected(Event):
    """The newest draft did not hold. Each problem names its check."""

    type = "draft.rejected"
    problems: tuple[Problem, ...]
    repairs: int

    def public(self) -> Mapping[str, str]:
        checks = sorted({problem.check for problem in self.problems})
        return {"checks": ",".join(checks), "problems": str(len(self.problems)), "repairs": str(self.repairs)}


class ModelsPassedOver(Event):
    """These models of the chain are not asked any more in this run: their drafts did not hold, repaired or not."""

    type = "models.passed_over"
    models: tuple[str, ...]
    repairs: int
    """How many repairs led to the last of their drafts."""

    def public(self) -> Mapping[str, str]:
        return {"models": ",".join(self.models), "repairs": str(self.repairs)}


class AnswerAccepted(Ending):
    """The one checked answer: text, calls of the client's functions, or both.

    `text` is empty where there are only calls. `reasoning` are summaries that passed an agent's own checks.
    """

    type = "answer.accepted"
    later = frozenset({"calls", "reasoning", "logprobs", "mends"})
    text: str
    citations: tuple[Citation, ...] = ()
    no_answer: bool = False
    incomplete: Literal["max_output_tokens"] | None = None
    checks: tuple[str, ...] = ()
    """The checks that it passed."""
    model: str = ""
    offline: bool = False
    repairs: int = 0
    calls: tuple[FunctionCall, ...] = ()
    reasoning: tuple[str, ...] = ()
    logprobs: str = ""
    """The probabilities of the text's tokens as JSON, where they were asked for."""
    mends: tuple[str, ...] = ()
    """What was mended in the model's words before they were JSON: `thoughts`, `fence`, `prose`, `lenient`."""

    @property
    def status(self) -> EndStatus:
        return "incomplete" if self.incomplete else "completed"

    def public(self) -> Mapping[str, str]:
        return {
            "status": self.status,
            "citations": str(len(self.citations)),
            "no_answer": str(self.no_answer).lower(),
            "model": self.model,
            "repairs": str(self.repairs),
            "calls": str(len(self.calls)),
        }


class RunFailed(Ending):
    """There is no answer. `message` is for the client and holds no word of a model or a document."""

    type = "run.failed"
    code: str
    message: str
    repairs: int = 0

    @property
    def status(self) -> EndStatus:
        return "failed"

    def public(self) -> Mapping[str, str]:
        return {"status": "failed", "code": self.code, "repairs": str(self.repairs)}


CancelledBy = Literal["client", "disconnect", "operator"]


class RunCancelled(Ending):
    """Somebody did not want the answer any more. `disconnect`: the one who waited for it hung up."""

    type = "run.cancelled"
    by: CancelledBy

    @property
    def status(self) -> EndStatus:
        return "cancelled"

    def public(self) -> Mapping[str, str]:
        return {"status": "cancelled", "by": self.by}


ENDINGS: tuple[type[Ending], ...] = (AnswerAccepted, RunFailed, RunCancelled)
"""What a Response object can be made of; every flow has to end in one of them."""

CATALOGUE: tuple[type[Event], ...] = (
    RequestReceived,
    ConversationRecalled,
    PassagesFound,
    AnswerDrafted,
    VerdictGiven,
    ToolsRequested,
    ApprovalRequested,
    ApprovalDecided,
    ToolsAnswered,
    DraftRejected,
    ModelsPassedOver,
    AnswerAccepted,
    RunFailed,
    RunCancelled,
)
"""Every event of the chains that ship; an agent's own events join through its routes."""
