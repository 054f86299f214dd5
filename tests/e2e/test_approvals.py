"""Approvals as an operator gives them: over HTTP, and by command."""

from __future__ import annotations

import pytest

from agent.effects import CallTool
from agent.envelope import seal
from agent.events import ApprovalRequested, CalledTool, ToolsAnswered
from agent.items import FunctionCall
from agent.outcome import Advance
from agent.ports import Call, Delivery
from tests.contract.toys import new_run
from tests.e2e.desk import Desk
from tests.e2e.test_access import issue
from tests.stage import Stage

HOSTILE = "\x1b\x9bred\u202e\u200b"
LOOKED = CallTool(tool="look_up", arguments="{}")
LAST = "andtheiryacht"
CALL = FunctionCall(call_id="call_1", name="refund", arguments=f'{{"usd":40,"note":"{"x" * 300}{LAST}"}}')
RESTING = Advance((seal(ApprovalRequested(calls=(CALL,), round=1, wait_s=3_600)),), "approval", delay_s=3_600)


async def resting(stage: Stage, name: str = "resp_1") -> None:
    new = new_run(name)
    await stage.ledger.open(new)
    begun = await stage.ledger.begin(Delivery(new.pointer))
    assert begun is not None and await stage.ledger.commit(begun, RESTING)


async def test_a_run_that_waits_is_listed_and_goes_on_by_a_decision() -> None:
    stage = Stage()
    await resting(stage)
    async with stage.client() as client:
        (waiting,) = (await client.get("/v1/approvals")).json()["data"]
        assert (waiting["id"], waiting["model"], waiting["calls"]) == ("resp_1", "toy", [CALL.model_dump()])
        assert waiting["expires_at"] - waiting["created_at"] == 3_600
        wrong = await client.post("/v1/responses/resp_1/approval", json={"approve": ["call_9"]})
        assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "approve")
        done = await client.post("/v1/responses/resp_1/approval", json={"approve": True, "reason": "fine"})
        assert done.json() == {"id": "resp_1", "object": "cuelight.decision", "by": "operator", "reason": "fine"}
        again = await client.post("/v1/responses/resp_1/approval", json={"approve": False})
        assert (again.status_code, again.json()["error"]["code"]) == (409, "no_approval_wanted")
        assert (await client.get("/v1/approvals")).json()["data"] == []
        gone = await client.post("/v1/responses/resp_2/approval", json={"approve": True})
        assert gone.status_code == 404


@pytest.mark.parametrize(
    ("body", "param"),
    [({}, "approve"), ({"approve": "yes"}, "approve"), ({"approve": []}, "approve"), ({"approve": True, "x": 1}, "x")],
)
async def test_a_decision_that_is_none_is_refused(body: dict[str, object], param: str) -> None:
    stage = Stage()
    await resting(stage)
    async with stage.client() as client:
        reply = await client.post("/v1/responses/resp_1/approval", json=body)
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, param)


async def test_whoever_may_only_ask_decides_nothing_and_sees_nothing() -> None:
    stage = Stage()
    await resting(stage)
    (user, _), (operator, id) = await issue(stage.access), await issue(stage.access, role="operator")
    async with stage.client() as client:
        for reply in (
            await client.get("/v1/approvals", headers={"authorization": f"Bearer {user}"}),
            await client.post(
                "/v1/responses/resp_1/approval", json={"approve": True}, headers={"authorization": f"Bearer {user}"}
            ),
        ):
            assert (reply.status_code, reply.json()["error"]["code"]) == (403, "insufficient_permissions")
        head = {"authorization": f"Bearer {operator}"}
        done = await client.post("/v1/responses/resp_1/approval", json={"approve": True}, headers=head)
    assert done.json()["by"] == id


async def test_an_operator_lists_approves_and_denies_by_command(desk: Desk) -> None:
    for name in ("resp_1", "resp_2"):
        await desk.settled(await desk.opened(name, publish=False), RESTING)
    listed = await desk.run("approvals", "list", "--json")
    assert [(it["run"], it["calls"][0]["name"]) for it in listed.json["approvals"]] == [
        ("resp_1", "refund"),
        ("resp_2", "refund"),
    ]
    shown = (await desk.run("approvals", "list")).out
    assert "resp_1" in shown and "refund" in shown and LAST in "".join(shown.split()), "a decision needs the whole call"
    assert "waits for an approval" in (await desk.run("show", "resp_1")).out
    wordy = await desk.run("approvals", "approve", "resp_1", "--reason", "x" * 501)
    assert wordy.code == 1 and "--reason may have 500 characters" in wordy.err, "as over HTTP, nothing is cut unsaid"
    assert (await desk.run("approvals", "approve", "resp_1", "--reason", "fine")).out == "approved\n"
    assert (await desk.run("approvals", "deny", "resp_2")).out == "denied\n"
    again = await desk.run("approvals", "deny", "resp_1")
    assert again.code == 1 and "waits for no approval" in again.err
    assert (await desk.run("approvals", "approve", "resp_9")).code == 4
    rows = await desk.pool.fetch("select run_id, route, due_at <= now() as due from work order by run_id")
    assert [tuple(row) for row in rows] == [("resp_1", "approved", True), ("resp_2", "approved", True)]
    actions = await desk.pool.fetch("select action, subject from audit order by subject")
    assert [tuple(row) for row in actions] == [("approve", "resp_1"), ("deny", "resp_2")]


async def test_a_tools_call_is_named_and_what_it_brought_does_nothing_on_a_terminal(desk: Desk) -> None:
    begun = await desk.begun(await desk.opened("resp_1", publish=False))
    begun.calls.append(Call(id="c1", effect=LOOKED, hash=LOOKED.hash(), occurrence=0, status="answered", answer="{}"))
    brought = CalledTool(call_id="call_1", name="look_up", text=HOSTILE)
    assert await desk.ledger.commit(begun, Advance((seal(ToolsAnswered(results=(brought,), round=1)),), "resume"))
    shown, as_json = await desk.run("show", "resp_1"), await desk.run("show", "resp_1", "--json")
    assert "call_tool  look_up  answered" in shown.out
    assert {*shown.out, *as_json.out}.isdisjoint(HOSTILE.replace("red", ""))
    assert as_json.json["events"][-1]["data"]["results"][0]["text"] == HOSTILE
    assert [call["tool"] for call in as_json.json["calls"]] == ["look_up"]
