"""The story of a run as a tree: events in causal order, under each the attempts at it and what they asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import orjson
from rich.console import Group, RenderableType
from rich.text import Text
from rich.tree import Tree

from agent.adapters.ledger.story import Row, RunStory
from agent.envelope import Sealed, unseal
from agent.errors import AgentError
from agent.events import (
    AnswerAccepted,
    AnswerDrafted,
    ApprovalDecided,
    ApprovalRequested,
    DraftRejected,
    Event,
    Evidence,
    PassagesFound,
    RunFailed,
    ToolsAnswered,
    VerdictGiven,
)
from agent.wording import counted
from cli.plain import text

DRAFT_CHARS = 400
LINE_CHARS = 200
STATUS_STYLE = {"completed": "green", "answered": "green", "failed": "red", "unknown": "red"}

Types = Mapping[str, type[Event]]


def tell(story: RunStory, types: Types) -> RenderableType:
    """The whole story, for a terminal of any width."""
    tree = Tree(_head(story), guide_style="dim")
    trunks = _generations(tree, story)
    prompt = ""
    for row in story.events:
        node = trunks[row["generation"]].add(_event(row, story.run["created_at"], before=prompt))
        prompt = row["prompt"]
        for label in () if story.run["purged_at"] else _details(row, types):
            node.add(label)
        _add_attempts(node, story, row)
    return Group(tree, *_end(story))


def _generations(tree: Tree, story: RunStory) -> Mapping[int, Tree]:
    """Where the events of each generation hang: on the tree itself while there is only one."""
    numbers = sorted({row["generation"] for row in story.events})
    if len(numbers) < 2:
        return dict.fromkeys(numbers, tree)
    return {number: tree.add(_generation(story, number)) for number in numbers}


def _generation(story: RunStory, number: int) -> Text:
    line = text(f"generation {number}", "bold cyan")
    if number == story.run["generation"] and (at := story.run["reopened_at"]):
        line += text(f"  replayed +{_since(at, story.run['created_at'])}", "dim")
    return line


def _head(story: RunStory) -> Text:
    run = story.run
    status = text(run["status"], f"bold {STATUS_STYLE.get(run['status'], 'yellow')}")
    made = text(f"{run['agent']}@{run['agent_version']}", "cyan")
    line = Text("  ").join([text(run["id"], "bold"), status, made, text(f"project {run['project_id']}", "dim")])
    asked = "(every text of this run was removed)" if run["purged_at"] else _question(run["request"])
    return Text("\n").join([line, Text("asked: ", "dim") + text(asked, most=LINE_CHARS)])


def _question(request: str) -> str:
    try:
        said = [turn["content"] for turn in orjson.loads(request)["messages"] if turn["role"] == "user"]
        return str(said[-1])
    except (ValueError, LookupError, TypeError):
        return "(the request cannot be read)"


def _event(row: Row, start: datetime, before: str) -> Text:
    """The prompt's version stands on every event; it is told where it is another one than `before`."""
    place = f"{row['generation']}/{row['seq']}"
    line = Text("  ").join([text(f"+{_since(row['at'], start)}", "dim"), text(row["type"], "bold"), text(place, "dim")])
    made = [row["agent"], row["prompt"] not in ("", before) and f"prompt {row['prompt']}"]
    return line + text("".join(f"  {name}" for name in made if name), "dim")


def _details(row: Row, types: Types) -> Iterable[Text]:
    event = read(row, types)
    if event is None:
        yield text(f"cannot be read by this release: {row['data']}", "red", LINE_CHARS)
        return
    yield from _facts(event)
    match event:
        case PassagesFound(passages=passages):
            yield from (
                text(f"{it.label}  {it.score:.2f}  {it.title}  {it.source}", most=LINE_CHARS) for it in passages
            )
        case AnswerDrafted(draft=draft):
            yield Text("draft: ", "dim") + text(draft, most=DRAFT_CHARS)
        case VerdictGiven(problems=messages, evidence=evidence):
            yield from (text(message, "yellow", LINE_CHARS) for message in messages)
            yield from (text(_place(it), "dim", LINE_CHARS) for it in evidence)
        case ApprovalRequested(calls=calls):
            yield from (text(f"waits for an approval: {it.name} {it.arguments}", "yellow", LINE_CHARS) for it in calls)
        case ApprovalDecided(by=by, reason=reason):
            yield text(f"by {by}: {reason}" if reason else f"by {by}", most=LINE_CHARS)
        case ToolsAnswered(results=results):
            yield from (text(f"{it.name}: {it.text}", "red" if it.failed else "", LINE_CHARS) for it in results)
        case DraftRejected(problems=problems):
            yield from (text(f"{it.check}: ", "yellow") + text(it.message, most=LINE_CHARS) for it in problems)
        case AnswerAccepted(text=answer, mends=mends):
            if mends:
                yield Text("mended before it was read: ", "dim") + text(", ".join(mends), "yellow")
            yield Text("answer: ", "dim") + text(answer, most=DRAFT_CHARS)
        case RunFailed(message=message):
            yield text(message, "red")


def _place(evidence: Evidence) -> str:
    """Where a check looked: `found  quote 1 [0:34]  psg_… [12:46]`."""
    seen = f"quote {evidence.citation}" if evidence.citation else "answer"
    told = f"{evidence.status or 'seen'}  {seen} [{evidence.start}:{evidence.end}]"
    if evidence.passage_id is None:
        return told
    span = "" if evidence.passage_start is None else f" [{evidence.passage_start}:{evidence.passage_end}]"
    return f"{told}  {evidence.passage_id}{span}"


def read(row: Row, types: Types) -> Event | None:
    """The event of a row; None if this release cannot read it."""
    try:
        return unseal(Sealed(row["type"], row["version"], row["data"]), types)
    except AgentError:
        return None


def _facts(event: Event) -> Iterable[Text]:
    facts = dict(event.public())
    facts.pop("prompt", None)  # stands beside the event
    if isinstance(event, PassagesFound):
        facts["passages"] = str(len(event.passages))
    if facts:
        yield text("  ".join(f"{name}={value}" for name, value in facts.items()), "cyan")


def _add_attempts(node: Tree, story: RunStory, event: Row) -> None:
    for row in story.attempts:
        if _key(row) != _key(event):
            continue
        under = node.add(_attempt(row))
        for call in story.calls:
            if call["token"] == row["token"]:
                under.add(_call(call))


def _attempt(row: Row) -> Text:
    took = f"{(row['ended_at'] - row['began_at']).total_seconds() * 1000:.0f} ms" if row["ended_at"] else "not ended"
    fence = {True: "settled", False: "fenced", None: "open"}[row["settled"]]
    numbers = f"attempt {row['attempt']}, delivery {row['delivery']}"
    parts = [row["route"], numbers, took, row["outcome"] or "no outcome", fence, row["worker"]]
    style = "magenta" if row["outcome"] == "advance" and row["settled"] else "yellow"
    return text("  ".join(map(str, parts)), style) + _error(row)


def _call(row: Row) -> Text:
    line = text(row["effect_type"]) + Text("  ")
    if row["model"]:
        line += text(f"{row['model']}@{row['endpoint']}  ")
    if row["tool"]:
        line += text(f"{row['tool']}  ")
    line += text(row["status"], STATUS_STYLE.get(row["status"], "yellow"))
    if row["model"]:
        line += text(f"  {row['input_tokens']}+{row['output_tokens']} tokens")
        line += Text("  ") + text(cost_of(row))
    took = "" if row["duration_ms"] is None else f"  {row['duration_ms']:.0f} ms"
    return line + Text(took) + _error(row)


def cost_of(row: Row) -> str:
    """What a call cost; while that is not known, the most that it may cost."""
    if row["cost_usd"] is not None:
        return f"{row['cost_usd'].normalize():f} USD"
    if row["worst_case_usd"] is not None:
        return f"at most {row['worst_case_usd'].normalize():f} USD"
    return "cost unknown"


def _error(row: Row) -> Text:
    if not row["error_kind"]:
        return Text()
    return Text("\n") + text(f"{row['error_kind']}: {row['error']}", "red", LINE_CHARS)


def _end(story: RunStory) -> Iterable[Text]:
    run = story.run
    for letter in story.dead_letters:
        settled = "" if letter["settled_at"] is None else " (settled)"
        line = f"dead letter{settled}: {letter['kind']} at {letter['route']} {letter['seq']}: {letter['reason']}"
        yield text(line, "red", DRAFT_CHARS)
    if story.work is not None:
        yield text(_standing(story.work, run["now"], run["deadline"]), "yellow")
        return
    if run["ended_at"] is None:
        yield text("open, but no work row: nothing will take it up", "red")
        return
    cost = "unknown" if run["cost_usd"] is None else f"{run['cost_usd'].normalize():f} USD"
    calls = sum(row["effect_type"] == "call_model" for row in story.calls)
    took = _since(run["ended_at"], run["reopened_at"] or run["created_at"])
    tokens = f"{run['input_tokens']}+{run['output_tokens']} tokens"
    counts = f"{counted(len(story.attempts), 'attempt')}, {counted(calls, 'model call')}, {tokens}"
    yield Text("  ").join(
        [
            text(f"{run['status']} after {took}", f"bold {STATUS_STYLE.get(run['status'], 'yellow')}"),
            text(counts),
            text(f"cost {cost}"),
        ]
    )


def _standing(work: Row, now: datetime, deadline: datetime) -> str:
    wait = (work["due_at"] - now).total_seconds()
    due = f"due in {wait:.1f} s" if wait > 0 else f"due since {-wait:.1f} s"
    entry = f"in the stream as {work['entry']}" if work["entry"] else "in no stream yet"
    left = (deadline - now).total_seconds()
    until = f"deadline in {left:.0f} s" if left > 0 else f"deadline passed {-left:.0f} s ago"
    tries = f"attempt {work['attempt']}, handed out {work['deliveries']} times"
    return f"stands at {work['route']} ({work['generation']}/{work['seq']}), {tries}; {due}, {entry}; {until}"


def _key(row: Row) -> tuple[Any, Any]:
    return row["generation"], row["seq"]


def _since(at: datetime, start: datetime) -> str:
    return f"{max((at - start).total_seconds(), 0):.3f} s"
