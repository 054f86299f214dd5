"""Every way in which an endpoint can answer, and what becomes of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from agent.adapters.model.classify import MAX_BODY_BYTES, Reply, classify
from agent.effects import ModelAnswer
from agent.errors import AgentError, Overloaded, Permanent, Transient
from agent.events import Usage
from agent.settings import ModelSettings

NOW = datetime(2026, 11, 5, 12, 0, 0, tzinfo=UTC)
KEY = "sk-very-secret-0123456789"
PRICED = ModelSettings(name="m", input_usd_per_mtok=Decimal(1), output_usd_per_mtok=Decimal(4))
USAGE = {"prompt_tokens": 1000, "completion_tokens": 500}


def read(body: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> ModelAnswer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return classify(Reply(status, headers or {}, raw, NOW), endpoint="near", model=PRICED, secret=KEY)


def failure(body: Any = b"", *, status: int = 200, headers: dict[str, str] | None = None) -> AgentError:
    with pytest.raises(AgentError) as caught:
        read(body, status=status, headers=headers)
    return caught.value


def completion(message: Any = None, *, finish_reason: Any = "stop", **more: Any) -> dict[str, Any]:
    choice = {
        "index": 0,
        "finish_reason": finish_reason,
        "message": {"content": "Hello"} if message is None else message,
    }
    return {"model": "m-2026", "choices": [choice], "usage": USAGE, **more}


def error_body(message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, **more}}


def waits(**headers: str) -> float:
    error = failure(status=429, headers={name.replace("_", "-"): value for name, value in headers.items()})
    assert isinstance(error, Overloaded)
    return error.retry_after_s


@pytest.mark.parametrize("message", [{"content": f"It is {KEY}."}, {"content": "Hm.", "reasoning_content": KEY}])
def test_a_reply_that_tells_the_key_is_none_and_is_not_asked_for_again(message: dict[str, str]) -> None:
    error = failure(completion(message))
    assert isinstance(error, Permanent) and error.kind == "rejected" and KEY not in str(error)
    assert error.cost_usd == Decimal("0.003")


def test_a_good_reply_is_an_answer_with_its_usage_and_cost() -> None:
    assert read(completion()) == ModelAnswer(
        text="Hello",
        model="m-2026",
        endpoint="near",
        usage=Usage(input_tokens=1000, output_tokens=500),
        cost_usd=Decimal("0.003"),
    )


def test_cached_and_reasoning_tokens_are_read_and_never_exceed_their_sums() -> None:
    usage = USAGE | {
        "prompt_tokens_details": {"cached_tokens": 5000},
        "completion_tokens_details": {"reasoning_tokens": 100},
    }
    assert read(completion(usage=usage)).usage == Usage(
        input_tokens=1000, cached_tokens=1000, output_tokens=500, reasoning_tokens=100
    )


@pytest.mark.parametrize(
    "usage", [None, "much", {"prompt_tokens": 3}, USAGE | {"completion_tokens": -1}, USAGE | {"prompt_tokens": 10**30}]
)
def test_a_usage_that_cannot_be_read_leaves_the_cost_unknown(usage: Any) -> None:
    answer = read(completion(usage=usage))
    assert (answer.usage, answer.cost_usd) == (Usage(), None)


def test_a_reply_that_names_no_model_gets_the_name_that_was_asked() -> None:
    assert read(completion(model=None)).model == "m"


def test_content_in_parts_is_joined_without_the_reasoning() -> None:
    parts = [
        {"type": "thinking", "thinking": "secret thoughts", "text": "secret"},
        {"type": "text", "text": "Hel"},
        {"type": "output_text", "text": "lo"},
    ]
    assert read(completion({"content": parts})).text == "Hello"


def test_nul_and_lone_surrogates_do_not_reach_the_text() -> None:
    assert read(completion({"content": "a\x00b\ud800c"})).text == "a\ufffdb?c"


def test_an_answer_that_was_cut_off_says_so_and_keeps_its_text() -> None:
    answer = read(completion({"content": "Once upon"}, finish_reason="length"))
    assert (answer.finish_reason, answer.text) == ("length", "Once upon")


def test_an_answer_that_spent_all_its_tokens_on_reasoning_was_cut_off_and_is_not_empty() -> None:
    answer = read(completion({"content": None}, finish_reason="length"))
    assert (answer.finish_reason, answer.text) == ("length", "")


@pytest.mark.parametrize(
    "message",
    [
        {"content": "partly", "refusal": "I cannot help with that"},
        {"content": [{"type": "refusal", "refusal": "no"}]},
    ],
)
def test_a_refusal_is_an_answer_without_text(message: Any) -> None:
    answer = read(completion(message))
    assert (answer.finish_reason, answer.text) == ("refusal", "")
    assert answer.cost_usd == Decimal("0.003")


@pytest.mark.parametrize("message", [{"content": "half of something bad"}, None, "gone"])
def test_filtered_content_is_an_answer_without_text(message: Any) -> None:
    answer = read(completion(message, finish_reason="content_filter"))
    assert (answer.finish_reason, answer.text) == ("content_filter", "")


def test_a_missing_finish_reason_counts_as_stop() -> None:
    assert read(completion(finish_reason=None)).finish_reason == "stop"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html><body>Gateway says hello</body></html>", "malformed"),
        (b'{"choices": [{"message": {"content": "unchecked wor', "malformed"),
        (b"", "malformed"),
        (b"[" * 100_000, "malformed"),
        (b'"just text"', "malformed"),
        ({"error": {"message": "upstream is gone"}, "choices": [{"message": {"content": "unchecked"}}]}, "malformed"),
        ({"model": "m"}, "malformed"),
        ({"choices": "none"}, "malformed"),
        ({"choices": ["Hello"]}, "malformed"),
        ({"choices": [{"finish_reason": "stop"}]}, "malformed"),
        (completion({"content": 5}), "malformed"),
        (completion({"content": ["Hello"]}), "malformed"),
        (completion({"content": [{"type": "text", "text": 5}]}), "malformed"),
        (completion(finish_reason="error"), "malformed"),
        (completion(finish_reason="tool_calls"), "malformed"),
        (completion(finish_reason=["stop"]), "malformed"),
        ({"choices": []}, "empty"),
        (completion({"content": None}), "empty"),
        (completion({"content": " \n "}), "empty"),
        (completion({"content": []}), "empty"),
        (completion({}), "empty"),
    ],
)
def test_a_200_without_an_answer_may_be_tried_again(body: Any, kind: str) -> None:
    error = failure(body)
    assert (type(error), error.kind) == (Transient, kind)
    assert "unchecked" not in str(error)


def test_a_reply_above_the_limit_is_malformed() -> None:
    whole = json.dumps(completion()).encode()
    assert read(whole.ljust(MAX_BODY_BYTES)).text == "Hello"
    assert failure(whole.ljust(MAX_BODY_BYTES + 1)).kind == "malformed"


@pytest.mark.parametrize("body", [completion({"content": ""}), completion(choices="x"), completion(error={"code": 5})])
def test_a_paid_reply_without_an_answer_keeps_its_bill(body: Any) -> None:
    error = failure(body)
    assert error.usage == Usage(input_tokens=1000, output_tokens=500)
    assert error.cost_usd == Decimal("0.003")


def test_an_error_without_a_readable_bill_has_none() -> None:
    error = failure(b"<html>")
    assert (error.usage, error.cost_usd) == (None, None)


@pytest.mark.parametrize("status", [408, 409, 500, 502, 503, 504, 529])
def test_a_failing_server_may_be_tried_again(status: int) -> None:
    error = failure(b"oops", status=status)
    assert (type(error), error.kind) == (Transient, "server")


def test_a_failing_server_may_name_a_time_to_wait() -> None:
    error = failure(status=503, headers={"retry-after": "7"})
    assert isinstance(error, Overloaded)
    assert (error.kind, error.retry_after_s) == ("server", 7.0)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, "unauthorized"),
        (403, "unauthorized"),
        (402, "quota"),
        *[(status, "rejected") for status in (307, 400, 404, 413, 422, 501)],
    ],
)
def test_what_nobody_can_mend_by_trying_again_is_permanent(status: int, kind: str) -> None:
    error = failure(error_body("no"), status=status)
    assert (type(error), error.kind) == (Permanent, kind)


def test_a_429_is_overload() -> None:
    error = failure(error_body("slow down", code="rate_limit_exceeded"), status=429)
    assert (type(error), error.kind) == (Overloaded, "rate_limited")


@pytest.mark.parametrize("field", ["code", "type"])
def test_a_429_for_want_of_money_is_permanent(field: str) -> None:
    error = failure(error_body("pay", **{field: "insufficient_quota"}), status=429, headers={"retry-after": "1"})
    assert (type(error), error.kind) == (Permanent, "quota")


def test_the_time_to_wait_is_read_in_milliseconds_seconds_or_as_a_date() -> None:
    assert waits(retry_after_ms="1500", retry_after="9") == 1.5
    assert waits(retry_after="2.5") == 2.5
    assert waits(retry_after="Thu, 05 Nov 2026 12:00:30 GMT") == 30.0


def test_a_date_to_wait_for_is_measured_by_the_clock_of_the_reply() -> None:
    assert waits(retry_after="Thu, 05 Nov 2026 15:00:30 GMT", date="Thu, 05 Nov 2026 15:00:10 GMT") == 20.0


def test_the_time_to_wait_stays_between_nothing_and_an_hour() -> None:
    assert waits(retry_after="86400") == 3600.0
    assert waits(retry_after="-5") == 0.0
    assert waits(retry_after="Thu, 05 Nov 2020 12:00:30 GMT") == 0.0


@pytest.mark.parametrize("text", ["soon", "", "nan", "inf", "Thu, 99 Foo 2026"])
def test_without_a_readable_time_a_429_waits_a_second(text: str) -> None:
    assert waits(retry_after=text) == 1.0


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (error_body("bad value", code="invalid_value"), "near answered 400 invalid_value: bad value"),
        ({"error": "model not found"}, "near answered 400 model not found"),
        ([{"error": {"message": "in a list", "code": 400}}], "near answered 400 400: in a list"),
        ({"object": "error", "message": "top level", "type": "BadRequest"}, "near answered 400 BadRequest: top level"),
        ({"detail": "not so"}, "near answered 400 not so"),
        ({"what": 5}, 'near answered 400 {"what": 5}'),
        (b"plain\r\ntext \x1b[31m", "near answered 400 plain text [31m"),
        (b"", "near answered 400"),
    ],
)
def test_the_message_is_found_in_every_shape_of_error(body: Any, words: str) -> None:
    assert str(failure(body, status=400)) == words


@pytest.mark.parametrize("status", [200, 400, 401, 500])
def test_no_message_repeats_the_key(status: int) -> None:
    assert KEY not in str(failure(error_body(f"Incorrect API key provided: {KEY}", code=KEY), status=status))


@pytest.mark.parametrize("status", [200, 400, 500])
def test_a_message_quotes_no_more_than_200_characters(status: int) -> None:
    assert 0 < str(failure(error_body("y" * 5000), status=status)).count("y") <= 200


@pytest.mark.parametrize(
    "message",
    [
        "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens.",
        "the request exceeds the available context size",
        "prompt is too long: 210000 tokens > 200000 maximum",
        "The input token count exceeds the maximum number of tokens allowed",
    ],
)
def test_a_call_that_is_too_long_for_the_model_has_a_kind_of_its_own_and_costs_nothing(message: str) -> None:
    error = failure(error_body(message), status=400)
    assert (error.kind, error.cost_usd, error.usage) == ("context_length_exceeded", Decimal(0), Usage())
    assert isinstance(error, Permanent)
    assert failure(error_body("no", code="context_length_exceeded"), status=413).kind == "context_length_exceeded"
    assert failure(error_body(message), status=500).kind == "server"
