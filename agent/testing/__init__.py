"""For whoever writes steps and agents: everything a test needs to run them without an engine and without waiting."""

from agent.testing.access import MemoryAccess
from agent.testing.asserting import assert_answered, assert_failed, assert_never_shown, assert_repaired
from agent.testing.callers import MemoryCallers
from agent.testing.cancels import MemoryCancels
from agent.testing.chain import Chain, Handle, Story
from agent.testing.clock import HeldClock
from agent.testing.conversations import MemoryConversations
from agent.testing.evaluations import MemoryEvaluations
from agent.testing.expecting import (
    assert_as_then,
    assert_cancelled,
    assert_mended,
    assert_nothing_unchecked,
    assert_tools_worked,
    assert_waited_as_told,
    assert_within_budget,
)
from agent.testing.faults import FAULTS, fault
from agent.testing.guard import LiveCall, forbid_live_calls
from agent.testing.jobs import MemoryJobs
from agent.testing.letters import MemoryLetters
from agent.testing.memory import MemoryLedger
from agent.testing.metering import MemoryCounters, MemoryMeter
from agent.testing.pacing import MemoryPacer
from agent.testing.pauses import MemoryPauses
from agent.testing.presence import MemoryPresence
from agent.testing.privacy import MemoryPrivacy
from agent.testing.replies import both, calls, says
from agent.testing.rerun import Rerun
from agent.testing.rows import AttemptRow, AuditRow, CallRow, DeadLetter, KeyRow, RunRow, WorkRow
from agent.testing.script import Script, Unscripted
from agent.testing.streams import MemoryStreams
from agent.testing.webhooks import MemoryWebhooks

__all__ = [
    "FAULTS",
    "AttemptRow",
    "AuditRow",
    "CallRow",
    "Chain",
    "DeadLetter",
    "Handle",
    "HeldClock",
    "KeyRow",
    "LiveCall",
    "MemoryAccess",
    "MemoryCallers",
    "MemoryCancels",
    "MemoryConversations",
    "MemoryCounters",
    "MemoryEvaluations",
    "MemoryJobs",
    "MemoryLedger",
    "MemoryLetters",
    "MemoryMeter",
    "MemoryPacer",
    "MemoryPauses",
    "MemoryPresence",
    "MemoryPrivacy",
    "MemoryStreams",
    "MemoryWebhooks",
    "Rerun",
    "RunRow",
    "Script",
    "Story",
    "Unscripted",
    "WorkRow",
    "assert_answered",
    "assert_as_then",
    "assert_cancelled",
    "assert_failed",
    "assert_mended",
    "assert_never_shown",
    "assert_nothing_unchecked",
    "assert_repaired",
    "assert_tools_worked",
    "assert_waited_as_told",
    "assert_within_budget",
    "both",
    "calls",
    "fault",
    "forbid_live_calls",
    "says",
]
