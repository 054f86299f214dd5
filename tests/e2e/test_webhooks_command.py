"""`cuelight webhooks` as an operator types it."""

from __future__ import annotations

import pytest

from agent.adapters.ledger.outgoing import PostgresOutgoing
from agent.webhooks import Receipt
from tests.contract.toys import finish
from tests.e2e.desk import Desk

URL = "https://9.9.9.9/hook"


async def test_an_endpoint_from_its_creation_to_its_end(desk: Desk) -> None:
    made = await desk.run("webhooks", "create", URL, "--events", "response.completed,response.failed")
    secret = made.out.strip()
    assert made.code == 0 and secret.startswith("whsec_") and secret not in made.err, made.err
    await desk.settled(await desk.opened("resp_1", publish=False), finish())
    outgoing = PostgresOutgoing(desk.pool)
    (parcel,) = await outgoing.claim(40, 10, 10, [])
    assert parcel.secrets == (secret,)
    assert await outgoing.record(parcel, Receipt(500, "status", 7), 60) == "waiting"
    id = parcel.webhook
    (listed,) = (await desk.run("webhooks", "list", "--json")).json
    assert listed == (await desk.run("webhooks", "show", id, "--json")).json
    assert (listed["url"], listed["events"], listed["waiting"]) == (URL, ["response.completed", "response.failed"], 1)
    rotated = await desk.run("webhooks", "rotate", id, "--json")
    assert rotated.json["secret"] not in ("", secret)
    told = [
        await desk.run("webhooks", "list"),
        await desk.run("webhooks", "deliveries", id, COLUMNS="200"),
        await desk.run("webhooks", "deliveries", id, "--event", "evt_1_1"),
    ]
    assert id in told[0].out and "fails" in told[0].out
    assert all(word in told[1].out for word in ("evt_1_1", "response.completed", "waiting", "500"))
    assert "7 ms" in told[2].out
    assert not [it for it in told if secret in it.out or rotated.json["secret"] in it.out]
    assert (await desk.run("webhooks", "retry", id, "--json")).json == {"id": id, "events": ["evt_1_1"]}
    assert (await desk.run("webhooks", "delete", id)).code == 0
    assert (await desk.run("webhooks", "list", "--json")).json == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("create", "http://example.com/"), 2, "only https"),
        (("create", "https://169.254.169.254/latest"), 1, "private address"),
        (("create", "https://2130706433/"), 1, "private address"),
        (("create", URL, "--events", "response.begun"), 2, "events are"),
        (("create", URL, "--project", "nobody"), 4, "no project"),
        (("deliveries", "wh_nobody"), 4, "wh_nobody"),
    ],
)
async def test_what_cannot_be_is_refused_in_one_sentence(
    desk: Desk, words: tuple[str, ...], code: int, said: str
) -> None:
    done = await desk.run("webhooks", *words)
    assert (done.code, said in done.err) == (code, True), done.err
    assert "Traceback" not in done.err and not done.out


async def test_receivers_of_ones_own_are_allowed_by_a_setting(desk: Desk) -> None:
    made = await desk.run("webhooks", "create", "http://127.0.0.1:9/", CUELIGHT_WEBHOOKS_ALLOW_PRIVATE="true")
    assert made.code == 0 and made.out.startswith("whsec_"), made.err
