"""Prompts: files with a version, rendered so that data stays data and never becomes a role or an instruction."""

from agent.prompting.book import SHIPPED, PromptBook
from agent.prompting.conversation import is_too_long, turns, unpaired
from agent.prompting.fence import Fence, Fenced
from agent.prompting.messages import opening, repairing, shortened, shown_again
from agent.prompting.prompt import Params, Prompt
from agent.prompting.supplied import check_supplied

__all__ = [
    "SHIPPED",
    "Fence",
    "Fenced",
    "Params",
    "Prompt",
    "PromptBook",
    "check_supplied",
    "is_too_long",
    "opening",
    "repairing",
    "shortened",
    "shown_again",
    "turns",
    "unpaired",
]
