"""An item that is named stands for what it names, and only for what its caller may read."""

from __future__ import annotations

from typing import Any

import pytest

from agent.items import FunctionCall
from api.errors import ApiError
from api.references import MOST_RESPONSES, resolved
from tests.stage import Stage, accepted

CALL = FunctionCall(call_id="c1", name="time", arguments="{}")
PLAIN = {"model": "chat", "input": "Hello?"}


async def staged(**changes: Any) -> tuple[Stage, str]:
    """A stage with one response, and the end of its items' ids."""
    stage = Stage(lambda _: accepted("Two.", calls=(CALL,)))
    async with stage.client() as http:
        run = (await http.post("/v1/responses", json=PLAIN | changes)).json()["id"]
    return stage, run.removeprefix("resp_")


async def named(stage: Stage, *ids: Any, project: str = "default") -> list[Any]:
    body = {"input": [{"type": "item_reference", "id": identity} for identity in ids]}
    found: list[Any] = (await resolved(body, stage.door, project))["input"]
    return found


async def test_items_of_the_input_and_of_the_output_are_found_by_their_ids() -> None:
    stage, run = await staged()
    asked, said, called = await named(stage, f"msg_{run}_in0", f"msg_{run}", f"fc_{run}_0")
    assert asked["content"] == [{"type": "input_text", "text": "Hello?"}]
    assert said["content"][0]["text"] == "Two."
    assert (called["type"], called["call_id"]) == ("function_call", "c1")


async def test_what_names_nothing_is_left_as_it_is() -> None:
    stage = Stage()
    for body in (PLAIN, {"input": [{"role": "user", "content": "a"}, 7]}, {}, 7, {"input": [{"id": "x"}] * 501}):
        assert await resolved(body, stage.door, "default") is body


@pytest.mark.parametrize("identity", [None, 7, "", "resp_1", "msg_", "msg_1_2_3_4", "fc_nobody_0"])
async def test_what_is_no_id_of_an_item_is_refused_at_its_place(identity: Any) -> None:
    stage, run = await staged()
    with pytest.raises(ApiError) as caught:
        await named(stage, f"msg_{run}", identity)
    assert (caught.value.status, caught.value.param) == (400, "input[1].id")


async def test_an_item_of_another_project_is_not_there() -> None:
    stage, run = await staged()
    with pytest.raises(ApiError, match="there is no item"):
        await named(stage, f"msg_{run}", project="other")


async def test_an_item_of_a_response_that_is_not_stored_is_not_there() -> None:
    stage, run = await staged(store=False)
    with pytest.raises(ApiError, match="there is no item"):
        await named(stage, f"msg_{run}")


async def test_items_of_too_many_responses_are_not_read() -> None:
    stage = Stage()
    with pytest.raises(ApiError) as caught:
        await named(stage, *(f"msg_{n}" for n in range(MOST_RESPONSES + 1)))
    assert caught.value.param == f"input[{MOST_RESPONSES}].id"
