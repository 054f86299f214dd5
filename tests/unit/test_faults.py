"""An error that was kept as data comes back as the same error."""

from __future__ import annotations

import orjson
import pytest

from agent.errors import AgentError, Held, Overloaded, Permanent, Transient, Unfamiliar
from agent.faults import CLASSES, Fault
from agent.outcome import RetryPolicy

ERRORS: list[Exception] = [
    Transient("no line", kind="transport"),
    Overloaded("wait", retry_after_s=7.5),
    Overloaded("busy", retry_after_s=0.0, kind="server"),
    Held("on hold", wait_s=3.0, kind="rate_limited"),
    Permanent("no", kind="rejected"),
    Unfamiliar("newer"),
    ZeroDivisionError("a bug"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda it: f"{type(it).__name__}-{getattr(it, 'kind', '')}")
def test_a_kept_error_is_dealt_with_as_the_error_itself(error: Exception) -> None:
    again = Fault.model_validate_json(Fault.of(error).model_dump_json()).again()
    policy = RetryPolicy()
    assert policy.settle(2, again, 0.5) == policy.settle(2, error, 0.5)
    assert (type(again).__name__, str(again)) == (type(error).__name__, str(error))


def test_every_error_that_is_raised_on_purpose_has_its_name_here() -> None:
    assert set(CLASSES) >= {"Transient", "Overloaded", "Held", "Permanent", "Undecodable", "Unfamiliar", "Gone"}
    assert all(issubclass(kind, AgentError) for kind in CLASSES.values())


def test_what_columns_of_their_own_hold_is_not_kept_twice() -> None:
    assert orjson.loads(Fault.of(Overloaded("wait", retry_after_s=7.5)).columns()) == {
        "error": "Overloaded",
        "wait_s": 7.5,
    }
    assert orjson.loads(Fault.of(Permanent("no")).columns()) == {"error": "Permanent"}
