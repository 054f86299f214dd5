"""Violations, planted into a sound run: at least one of each invariant, and each of them breaks that one only."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.chaos.evidence import Evidence
from tests.chaos.specimen import FAILED, asked, attempt, call, fault, marker, reply

Plant = Callable[[Evidence], None]


def never_ended(evidence: Evidence) -> None:
    evidence.runs[0]["ended"] = None


def ended_too_late(evidence: Evidence) -> None:
    evidence.runs[0]["deadline"] = evidence.runs[0]["ended"] - 6


def lost_with_its_ledger(evidence: Evidence) -> None:
    evidence.runs = evidence.runs[1:]


def work_left_over(evidence: Evidence) -> None:
    evidence.work.append({"run": "resp_a", "generation": 1, "seq": 3})


def ended_twice(evidence: Evidence) -> None:
    evidence.events[1]["type"] = "answer.accepted"
    evidence.events[2]["type"] = "run.failed"


def two_readers_two_answers(evidence: Evidence) -> None:
    evidence.replies.append(reply("resp_a", 50, output=[{"content": [{"text": "SEEN-OK-1x1-END, or not"}]}]))


def seen_under_way_after_the_end(evidence: Evidence) -> None:
    evidence.replies.append(reply("resp_a", 50, status="in_progress", output=[]))


def a_hole_in_the_story(evidence: Evidence) -> None:
    moved = evidence.events[2] | {"seq": 4}
    evidence.events[2] = moved
    evidence.caught_up[2]["id"] = evidence.feed[2]["fields"]["id"] = "resp_a/1/4"
    evidence.feed[2]["fields"]["seq"] = "4"


def other_bytes_on_the_second_reading(evidence: Evidence) -> None:
    evidence.replies.append(reply("resp_a", 50, usage={"input_tokens": 1}))


def a_rejected_word_in_a_reply(evidence: Evidence) -> None:
    evidence.replies.append({**reply("resp_a", 50), "status": 500, "body": "it said REJECT-ME-1x9-END"})


def a_word_in_the_feed(evidence: Evidence) -> None:
    evidence.feed[1]["fields"]["draft"] = "SEEN-OK-1x1-END"


def the_words_of_another_run(evidence: Evidence) -> None:
    evidence.model[0]["n"], evidence.model[1]["n"] = 2, 1


def an_answer_of_nobodys(evidence: Evidence) -> None:
    for seen in evidence.replies[:2]:
        seen["body"] = seen["body"].replace("SEEN-OK-1x1-END", "nothing")


def the_run_of_another_client(evidence: Evidence) -> None:
    evidence.replies.append({**reply("resp_a", 50), "marker": marker("resp_b")})


def paid_twice(evidence: Evidence) -> None:
    evidence.model.append(asked("resp_a", 1.5, 9))
    evidence.calls.append(call("resp_a", "answered"))


def a_call_that_is_not_on_record(evidence: Evidence) -> None:
    evidence.model.append(asked("resp_a", 1.5, 9, "server_error") | {"question": "another"})


def a_client_that_started_two_runs(evidence: Evidence) -> None:
    evidence.runs[1]["marker"] = marker("resp_a")


def a_key_taken_twice(evidence: Evidence) -> None:
    evidence.replies.append({**reply("resp_a", 50), "how": "conflict"})


def called_after_the_end(evidence: Evidence) -> None:
    evidence.model[0]["began"] = evidence.runs[0]["ended"] + 1.2


def cancelled_and_then_answered(evidence: Evidence) -> None:
    evidence.replies = [it for it in evidence.replies if it["marker"] != marker("resp_a")]
    evidence.replies.append(reply("resp_a", 50, "cancel", status="cancelled", output=[]))


def missing_in_the_feed(evidence: Evidence) -> None:
    del evidence.feed[1]


def invented_by_the_feed(evidence: Evidence) -> None:
    evidence.feed.append({"entry": "9-9", "fields": {"id": "resp_z/1/1"}})


def out_of_order_in_the_feed(evidence: Evidence) -> None:
    evidence.feed[0], evidence.feed[1] = evidence.feed[1], evidence.feed[0]


def skipped_by_the_cursor(evidence: Evidence) -> None:
    del evidence.caught_up[0]


def set_aside_too_early(evidence: Evidence) -> None:
    evidence.letters[0]["attempt"] = 2


def set_aside_because_our_own_ledger_was_away(evidence: Evidence) -> None:
    evidence.letters[0]["kind"] = "ledger"


def set_aside_after_few_deliveries(evidence: Evidence) -> None:
    evidence.letters[0]["kind"] = "deliveries"
    evidence.attempts.append(attempt(FAILED, 61.0, delivery=3))


def a_letter_for_a_late_run(evidence: Evidence) -> None:
    evidence.letters[0]["kind"] = evidence.runs[2]["code"] = "deadline_exceeded"


def failed_without_a_letter(evidence: Evidence) -> None:
    evidence.letters.clear()


def garbage_that_vanished(evidence: Evidence) -> None:
    thrown = {"chaos:work:{generate}": "garbage-7"}
    evidence.faults.append(fault("garbage", 30.0, strikes="redis", marks=thrown))


def doctor_found_something(evidence: Evidence) -> None:
    stuck = {"check": "stuck", "level": "fault", "subject": "generate", "said": "a run does not move"}
    evidence.doctor[0] |= {"code": 1, "said": json.dumps({"status": "fault", "findings": [stuck]})}


def doctor_could_not_speak(evidence: Evidence) -> None:
    evidence.doctor[0] |= {"code": 1, "said": "", "errors": "Traceback"}


def nothing_ended_for_long(evidence: Evidence) -> None:
    evidence.faults.append(fault("kill_redis", 10.0, strikes="redis"))


def missed_too_late(evidence: Evidence) -> None:
    evidence.attempts.append(attempt("resp_b", 29.9) | {"worker": "h:7:x", "outcome": None, "token": "t", "seq": 2})
    evidence.attempts.append(attempt("resp_b", 35.5) | {"token": "u", "seq": 2})


def rolling(evidence: Evidence, **told: Any) -> None:
    """While resp_a is open."""
    evidence.faults.append(fault("roll_workers", 1.0, strikes="worker", **{"codes": [0, 0, 0], **told}))


def handed_out_again_by_a_rolling_restart(evidence: Evidence) -> None:
    rolling(evidence)
    evidence.attempts.append(attempt("resp_a", 1.5, delivery=2) | {"token": "again"})


def tried_again_after_a_rolling_restart(evidence: Evidence) -> None:
    rolling(evidence)
    evidence.attempts.append(attempt("resp_a", 2.5) | {"token": "again", "attempt": 2})


def a_worker_that_did_not_stop(evidence: Evidence) -> None:
    rolling(evidence, codes=[0, None, 0])


def an_entry_left_in_a_stream(evidence: Evidence) -> None:
    evidence.sizes[1]["streams"]["generate"]["length"] = 1


def redis_has_grown(evidence: Evidence) -> None:
    evidence.sizes[1]["used_bytes"] += 50_000_000


def went_another_way(evidence: Evidence) -> None:
    evidence.replays.append({"run": "resp_a", "status": "completed", "same": False, "why": "event 3"})


PLANTED: dict[str, tuple[Plant, ...]] = {
    "I1": (never_ended, ended_too_late, lost_with_its_ledger, work_left_over),
    "I2": (two_readers_two_answers, seen_under_way_after_the_end),
    "I3": (a_hole_in_the_story, other_bytes_on_the_second_reading),
    "I4": (
        *(a_rejected_word_in_a_reply, a_word_in_the_feed, the_words_of_another_run, an_answer_of_nobodys),
        the_run_of_another_client,
    ),
    "I5": (paid_twice, a_call_that_is_not_on_record),
    "I6": (a_client_that_started_two_runs, a_key_taken_twice),
    "I7": (called_after_the_end, cancelled_and_then_answered),
    "I8": (missing_in_the_feed, invented_by_the_feed, out_of_order_in_the_feed, skipped_by_the_cursor),
    "I9": (
        *(set_aside_too_early, set_aside_after_few_deliveries, failed_without_a_letter, garbage_that_vanished),
        *(a_letter_for_a_late_run, set_aside_because_our_own_ledger_was_away),
    ),
    "I10": (doctor_found_something, doctor_could_not_speak),
    "I11": (nothing_ended_for_long, missed_too_late),
    "I12": (an_entry_left_in_a_stream, redis_has_grown),
    "I13": (
        *(handed_out_again_by_a_rolling_restart, tried_again_after_a_rolling_restart),
        a_worker_that_did_not_stop,
    ),
    "I14": (went_another_way,),
}
