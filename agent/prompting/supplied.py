"""What each role of a prompt is given, and a trial of whether the prompt can be rendered with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

from agent.errors import Misconfigured
from agent.prompting.fence import Fence
from agent.prompting.prompt import Prompt

_FENCE = Fence.of("trial")
_BLOCK = _FENCE.around("trial", "Words.").block

TRIALS: Mapping[str, Mapping[str, Sequence[object]]] = {
    "system": {"instructions": (None, _BLOCK), "tools": (False, True), "form": (False, True), "schema": (None, "{}")},
    "user": {"question": (_FENCE.around("question", "Words."),), "passages": ((), (_BLOCK, _BLOCK))},
    "repair": {"problems": (_BLOCK,)},
}
"""The roles that the shipped steps render, and for each variable what it may be.

Blocks of data are strings that hold their fence; only of the question a template may also print the bare `text`, since
it is the user who speaks in the user's turn. `tools` is whether there are functions that can be called, or results of
such; `form` whether the client asked for JSON; `schema` the JSON Schema of the agent's own answers, if it has one.
"""


def check_supplied(prompt: Prompt) -> None:
    """Raises `Misconfigured` if a role is missing, or cannot be rendered with whatever it may be given."""
    for role, variables in TRIALS.items():
        if role not in prompt.roles:
            raise Misconfigured(f"prompt {prompt.id} has no {role}.j2")
        for name in sorted(prompt.uses(role) - variables.keys()):
            given = ", ".join(f"`{name}`" for name in sorted(variables))
            raise Misconfigured(f"prompt {prompt.id}: {role}.j2 uses `{name}`, but that role is given only {given}")
        for case in _cases(variables):
            _render(prompt, role, case)


def _cases(variables: Mapping[str, Sequence[object]]) -> Iterator[Mapping[str, object]]:
    return (dict(zip(variables, values, strict=True)) for values in product(*variables.values()))


def _render(prompt: Prompt, role: str, given: Mapping[str, object]) -> None:
    try:
        prompt.render(role, **given)
    except Misconfigured:
        raise
    except Exception as error:  # whatever a template may do wrong, it does it here and not in a run
        raise Misconfigured(f"prompt {prompt.id}: {role}.j2 cannot be rendered: {error}") from error
