"""What a model is told: one template per role, so that no text ever becomes a role."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from agent.events import Passage, Problem
from agent.items import CALLABLE, FunctionCall, TextPart
from agent.prompting.conversation import turns
from agent.prompting.fence import Fence
from agent.prompting.prompt import Prompt
from agent.request import Message, Request, split

MOST_PROBLEMS = 8
MOST_PROBLEM_CHARS = 300
MOST_DRAFT_CHARS = 4_000
MOST_SHOWN_CALLS = 8
NOT_MADE = "This call was not made."


def opening(
    prompt: Prompt,
    request: Request,
    passages: Sequence[Passage],
    fence: Fence,
    conversation: Sequence[Message] | None = None,
    schema: str | None = None,
    *,
    callable_too: bool = False,
) -> tuple[Message, ...]:
    """System, the conversation so far with its own roles, the question with its passages, and what came of it since.

    The caller's instructions get a fence of their own, made from themselves: the system message stays the same
    from run to run, and an endpoint's prompt cache can serve it. `conversation` is the request's own by default;
    `schema` is the form of the agent's own answers. `callable_too`: there are functions to call beside the request's.
    """
    wishes = request.instructions
    marked = Fence.of(wishes) if wishes else None
    instructions = marked.around("instructions", wishes).block if marked and wishes else None
    before, asked, since = split(turns(request.messages if conversation is None else conversation))
    question = () if asked is None else (_asked(prompt, asked, passages, fence),)
    tools = callable_too or bool(request.tools) or any(message.role == "tool" for message in (*before, *since))
    form = request.text.format.type != "text"
    told = prompt.render("system", instructions=instructions, tools=tools, form=form, schema=schema)
    rest = (*before, *question, *since)
    return (Message(role="system", content=told), *(rest if marked is None else (_outside(marked, it) for it in rest)))


def _outside(instructions: Fence, message: Message) -> Message:
    """The message, without a block of instructions in it: whoever knows those knows their code as well.

    A tool may bring the very words of the instructions: its block closes with their code, and holds none.
    """
    content = instructions.inert(message.content)
    its_own = message.role == "tool" and message.content.startswith(f"<<<tool_result {instructions.code}\n")
    if its_own or content == message.content:
        return message
    told = (
        it.model_copy(update={"text": instructions.inert(it.text)}) if isinstance(it, TextPart) else it
        for it in message.parts
    )
    return message.model_copy(update={"content": content, "parts": tuple(told)})


def _asked(prompt: Prompt, asked: Message, passages: Sequence[Passage], fence: Fence) -> Message:
    """The question as the prompt words it; images and files of it follow its text."""
    shown = tuple(fence.around("passage", it.text, id=it.label, title=it.title).block for it in passages)
    text = prompt.render("user", question=fence.around("question", asked.content), passages=shown)
    if not asked.parts or text == asked.content:
        return asked.model_copy(update={"content": text})
    others = tuple(part for part in asked.parts if not isinstance(part, TextPart))
    return Message(role="user", content=text, parts=(TextPart(text=text), *others))


def repairing(
    opened: tuple[Message, ...],
    prompt: Prompt,
    draft: str,
    problems: Sequence[Problem],
    fence: Fence,
    calls: Sequence[FunctionCall] = (),
    schema: str | None = None,
) -> tuple[Message, ...]:
    """`opened` as it was, the rejected draft (up to 4,000 characters), and one fenced turn with its problems.

    Only the newest draft is shown: older ones would cost more with every repair and anchor the model to its mistakes.
    Its calls are shown as calls that were not made. A client's `schema` is said in words here: some endpoints take a
    schema and tell their models nothing of it.
    """
    listed = "\n".join(f"- {problem.message}" for problem in shortened(problems))
    feedback = prompt.render("repair", problems=fence.around("problems", listed).block)
    if schema is not None:
        feedback = f"{feedback}\n\nThe reply must be one JSON value that is valid under this JSON Schema:\n{schema}"
    shown = tuple(shown_again(call) for call in calls[:MOST_SHOWN_CALLS] if CALLABLE.fullmatch(call.name))
    return (
        *opened,
        Message(role="assistant", content=fence.inert(_cut(draft, MOST_DRAFT_CHARS)), tool_calls=shown),
        *(Message(role="tool", content=NOT_MADE, tool_call_id=call.call_id) for call in shown),
        Message(role="user", content=feedback),
    )


def shown_again(call: FunctionCall) -> FunctionCall:
    """A rejected call as endpoints take it back: they read its arguments as JSON."""
    try:
        orjson.loads(call.arguments)
    except orjson.JSONDecodeError:
        return call.model_copy(update={"arguments": "{}"})
    return call if len(call.arguments) <= MOST_DRAFT_CHARS else call.model_copy(update={"arguments": "{}"})


def shortened(problems: Sequence[Problem], most: int = MOST_PROBLEMS) -> tuple[Problem, ...]:
    """The first `most` problems, each message on one line of at most 300 characters."""
    return tuple(
        Problem(check=problem.check, message=_cut(" ".join(problem.message.split()), MOST_PROBLEM_CHARS))
        for problem in problems[:most]
    )


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
