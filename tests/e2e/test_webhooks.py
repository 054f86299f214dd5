"""Endpoints of projects are told of endings: over real connections, from a real ledger whose clock the test holds."""

from __future__ import annotations

import asyncio
import datetime
import signal
import ssl
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
import structlog
from openai import OpenAI

from agent.adapters.embedded import Engines
from agent.adapters.ledger.webhooks import PostgresWebhooks
from agent.adapters.webhooks.sending import MOST_REPLY_BYTES, Sender
from agent.errors import Transient
from agent.webhooks import GIVE_UP_AFTER, NewEndpoint, Parcel, Receipt, mint_secret
from tests.contract.conftest import real_store as real_store  # a fixture
from tests.contract.real import RealStore
from tests.contract.toys import begun, finish, new_run, opened
from tests.e2e.house import QUESTION, RIGHT, Open
from tests.receiver import Came, receiving, reply
from workers.courier import Courier

LEASE_S = 40.0
CERTIFICATE = Path(__file__).parents[1] / "data/tls/hooks.example.pem"
"""A key for these tests alone, and the certificate that it signed for itself; good for a hundred years."""
SECRET = mint_secret()


@dataclass
class Office:
    """A ledger with one endpoint, and whoever sends what it is told."""

    store: RealStore
    sender: Sender
    courier: Courier

    async def round(self) -> int:
        """Send what is due now; how many that were."""
        count = await self.courier.take()
        await self.courier.settle()
        return count

    async def ended(self, name: str = "resp_1") -> None:
        await self.store.ledger.commit(await begun(self.store, await opened(self.store, new_run(name))), finish())

    async def look(self) -> list[tuple[str, int, int | None, str]]:
        found = await self.store.webhooks.deliveries("wh_1", 100)
        return [(it.state, it.attempts, it.status, it.error) for it in found]


@asynccontextmanager
async def office(store: RealStore, url: str, **changes: Any) -> AsyncIterator[Office]:
    given = {"allow_private": True, "timeout_s": 20.0, "slots": 4, **changes}
    sender = Sender(**given)
    await store.webhooks.create(NewEndpoint("wh_1", "default", url, SECRET), "ann")
    try:
        yield Office(store, sender, courier(store, sender.send))
    finally:
        await sender.close()


def courier(store: RealStore, send: Callable[[Parcel], Coroutine[Any, Any, Receipt]]) -> Courier:
    return Courier(store.outgoing, send, slots=4, every_s=0.01, lease_s=LEASE_S, draw=lambda: 1.0)


def unwrapped(came: Came, secret: str = SECRET) -> Any:
    return OpenAI(api_key="none", webhook_secret=secret).webhooks.unwrap(came.body.decode(), came.headers)


async def test_a_response_that_ends_is_told_by_a_worker_and_openais_client_takes_it(house: Open) -> None:
    async with receiving() as receiver, house({"answer": RIGHT}) as it, it.door() as http:
        await PostgresWebhooks(it.pool).create(NewEndpoint("wh_1", "default", receiver.url, SECRET), "ann")
        async with it.worker(webhooks_allow_private=True):
            response = (await http.post("/v1/responses", json=QUESTION)).json()
            (came,) = await receiver.until(1)
    event = unwrapped(came)
    assert (event.type, event.data.id) == ("response.completed", response["id"])
    assert came.headers["content-type"] == "application/json"
    assert set(came.headers) >= {"webhook-id", "webhook-timestamp", "webhook-signature", "user-agent", "host"}
    assert "warranty" not in came.body.decode()


async def test_a_failure_is_told_again_later_under_the_same_id_until_it_arrives(real_store: RealStore) -> None:
    failing = [reply(500), reply(302, "location: http://127.0.0.1:1/"), reply(404)]
    async with receiving(*failing) as receiver, office(real_store, receiver.url) as it:
        await it.ended()
        for delay_s in (5, 10, 20):
            assert await it.round() == 1
            await real_store.advance(delay_s - 2)
            assert await it.round() == 0
            await real_store.advance(2)
        assert await it.round() == 1
        assert await it.look() == [("delivered", 4, 204, "")]
        attempts = await real_store.webhooks.attempts("wh_1", "evt_1_1")
    assert [(it.status, it.error) for it in attempts] == [
        (500, "status"),
        (302, "redirect"),
        (404, "status"),
        (204, ""),
    ]
    assert (
        len({came.body for came in receiver.came}) == len({came.headers["webhook-id"] for came in receiver.came}) == 1
    )
    assert unwrapped(receiver.came[-1]) == unwrapped(receiver.came[0])


async def test_it_is_given_up_after_three_days_and_an_operator_can_have_it_sent(real_store: RealStore) -> None:
    async with receiving(*[reply(503)] * 99) as receiver, office(real_store, receiver.url) as it:
        await it.ended()
        while await it.round():
            await real_store.advance(6 * 3_600 + 1)
        assert [look[0] for look in await it.look()] == ["failed"]
        assert len(receiver.came) == GIVE_UP_AFTER // datetime.timedelta(hours=6) + 1
        receiver.replies.clear()
        assert await real_store.webhooks.again("wh_1", None, "ann") == ["evt_1_1"]
        assert await it.round() == 1
        assert [look[0] for look in await it.look()] == ["delivered"]


async def test_an_endpoint_that_is_gone_is_told_nothing_more(real_store: RealStore) -> None:
    async with receiving(reply(410)) as receiver, office(real_store, receiver.url) as it:
        await it.ended()
        assert await it.round() == 1
        await it.ended("resp_2")
        await real_store.advance(1_000)
        assert await it.round() == 0
        assert len(receiver.came) == 1


async def test_what_was_sent_and_not_put_on_record_is_sent_again_under_the_same_id(real_store: RealStore) -> None:
    async with receiving() as receiver, office(real_store, receiver.url) as it:
        await it.ended()

        async def send_and_die(parcel: Parcel) -> Receipt:
            await it.sender.send(parcel)
            raise asyncio.CancelledError  # nothing that comes after it is done, as when the process is killed

        dying = courier(real_store, send_and_die)
        assert await dying.take() == 1
        await dying.settle()
        assert len(receiver.came) == 1
        assert await it.round() == 0, "nobody takes it while its lease lasts"
        await real_store.advance(LEASE_S + 1)
        assert await it.round() == 1
        assert [came.headers["webhook-id"] for came in receiver.came] == ["evt_1_1", "evt_1_1"]
        assert await it.look() == [("delivered", 2, 204, "")]
        first, second = await real_store.webhooks.attempts("wh_1", "evt_1_1")
        assert (first.ended_at, second.status) == (None, 204)


async def test_two_relays_send_each_event_once(real_store: RealStore) -> None:
    async with receiving() as receiver, office(real_store, receiver.url) as it:
        for number in range(30):
            await it.ended(f"resp_{number}")
        others = [courier(real_store, it.sender.send) for _ in range(2)]
        while sum(await asyncio.gather(*(other.take() for other in others))):
            await asyncio.gather(*(other.settle() for other in others))
        assert len(receiver.came) == len({came.headers["webhook-id"] for came in receiver.came}) == 30


async def test_a_slow_endpoint_keeps_no_other_waiting(real_store: RealStore) -> None:
    async with receiving(*[None] * 99) as slow, receiving() as quick, office(real_store, slow.url, slots=12) as it:
        busy = Courier(real_store.outgoing, it.sender.send, slots=12, every_s=0.01, lease_s=LEASE_S)
        for number in range(12):
            await it.ended(f"resp_{number}")
        assert await busy.take() == 8
        await real_store.webhooks.create(NewEndpoint("wh_2", "default", quick.url, SECRET), "ann")
        await it.ended("resp_late")
        assert await busy.take() == 1
        assert unwrapped((await quick.until(1))[0]).data.id == "resp_late"
        await slow.until(8)
        for task in list(busy._under_way):
            task.cancel()
        await busy.settle()


async def test_while_a_secret_is_replaced_receivers_with_either_one_verify(real_store: RealStore) -> None:
    async with receiving() as receiver, office(real_store, receiver.url) as it:
        later = mint_secret()
        await real_store.webhooks.rotate("wh_1", later, 3_600, "ann")
        await it.ended()
        await it.round()
        assert unwrapped(receiver.came[0]) == unwrapped(receiver.came[0], later)
        await real_store.advance(3_601)
        await it.ended("resp_2")
        await it.round()
        assert unwrapped(receiver.came[1], later).data.id == "resp_2"
        assert len(receiver.came[1].headers["webhook-signature"].split()) == 1


async def test_no_secret_and_no_url_stands_in_a_log(real_store: RealStore) -> None:
    async with receiving(reply(500, body=SECRET.encode())) as receiver, office(real_store, receiver.url) as it:
        await it.ended()
        with structlog.testing.capture_logs() as logs:
            await it.round()
            await real_store.advance(6)
            await it.round()
        attempts = await real_store.webhooks.attempts("wh_1", "evt_1_1")
    assert [it["event"] for it in logs] == ["webhook_failed", "webhook_delivered"]
    assert SECRET not in repr((logs, attempts)) and receiver.url not in repr(logs)


async def test_private_addresses_are_refused_at_each_connection(real_store: RealStore) -> None:
    async with receiving() as receiver:
        url = f"https://127.0.0.1:{receiver.port}/"
        async with office(real_store, url, allow_private=False) as it:
            await it.ended()
            await it.round()
            assert await it.look() == [("waiting", 1, None, "forbidden")]
            assert receiver.connections == 0


async def test_a_name_is_looked_up_once_for_a_connection_and_connected_to_as_it_was_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = iter(["127.0.0.1", "8.8.8.8"])
    asked = []

    async def resolve(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        return [(2, 1, 6, "", (next(answers), port))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    async with receiving() as receiver:
        sender = Sender(allow_private=True, timeout_s=20, slots=1)
        assert (await sender.send(parcel(f"http://rebind.example:{receiver.port}/"))).status == 204
        await sender.close()
    assert asked == ["rebind.example"], "a second look might bring another address"
    assert receiver.came[0].headers["host"] == f"rebind.example:{receiver.port}"


@pytest.mark.parametrize("addresses", [["10.0.0.1"], ["8.8.8.8", "::1"], ["::ffff:169.254.169.254"]])
async def test_a_name_that_leads_to_a_private_address_is_refused(
    monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> None:
    async def resolve(host: str, port: int, **_: Any) -> list[Any]:
        return [(2, 1, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    sender = Sender(allow_private=False, timeout_s=20, slots=1)
    assert (await sender.send(parcel("https://inside.example/"))).error == "forbidden"
    assert (await sender.send(parcel("http://8.8.8.8/"))).error == "forbidden", "no TLS"
    await sender.close()


async def test_a_certificate_is_checked_for_the_name_and_not_for_the_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def resolve(host: str, port: int, **_: Any) -> list[Any]:
        return [(2, 1, 6, "", ("127.0.0.1", port))]

    tls, trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cafile=CERTIFICATE)
    tls.load_cert_chain(CERTIFICATE)
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    async with receiving(tls=tls) as receiver:
        sender = Sender(allow_private=True, timeout_s=20, slots=2, trust=trust)
        strict = Sender(allow_private=True, timeout_s=20, slots=2)
        right, wrong = (parcel(f"https://{name}.example:{receiver.port}/") for name in ("hooks", "other"))
        assert (await sender.send(right)).status == 204
        assert [(await it.send(sent)).error for it, sent in ((sender, wrong), (strict, right))] == ["tls", "tls"]
        await sender.close()
        await strict.close()


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n" + b"x" * 2 * MOST_REPLY_BYTES, (200, "")),
        (b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 300_000 + b"\r\n\r\n", (None, "protocol")),
        (b"SSH-2.0-OpenSSH_9\r\n\r\n", (None, "protocol")),
        (b"", (None, "timeout")),
        (None, (None, "timeout")),
    ],
    ids=["endless body", "endless head", "another protocol", "silence", "no reply"],
)
async def test_what_a_receiver_sends_is_bounded_in_size_and_time(
    answer: bytes | None, told: tuple[int | None, str]
) -> None:
    slow = told[1] == "timeout"
    async with receiving(answer) as receiver:
        sender = Sender(allow_private=True, timeout_s=0.2 if slow else 20, slots=1)
        receipt = await sender.send(parcel(receiver.url))
        assert (receipt.status, receipt.error) == told
        await sender.close()


async def test_what_cannot_be_reached_is_told_by_a_word(kept_port: int) -> None:
    sender = Sender(allow_private=True, timeout_s=20, slots=1)
    assert (await sender.send(parcel(f"http://127.0.0.1:{kept_port}/hook"))).error == "connect"
    assert (await sender.send(parcel("http://nobody.invalid/"))).error == "unresolved"
    await sender.close()


async def test_a_ledger_that_is_away_for_a_moment_does_not_make_an_event_come_twice(real_store: RealStore) -> None:
    async with receiving() as receiver, office(real_store, receiver.url) as it:
        await it.ended()
        flaky = Flaky(real_store)
        again = Courier(flaky, it.sender.send, slots=4, every_s=0.01, lease_s=LEASE_S)
        assert await again.take() == 1
        await again.settle()
        assert flaky.refused == 1 and await it.look() == [("delivered", 1, 204, "")]


async def test_a_process_that_stops_does_not_wait_for_a_slow_endpoint(
    real_store: RealStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.courier.STOP_S", 0.0)
    async with receiving() as receiver, office(real_store, receiver.url) as it:
        await it.ended()
        stop, sending = asyncio.Event(), asyncio.Event()

        async def never(parcel: Parcel) -> Receipt:
            sending.set()
            raise AssertionError(await asyncio.get_running_loop().create_future())

        running = asyncio.create_task(courier(real_store, never).run(stop))
        await sending.wait()
        stop.set()
        await running
        await real_store.advance(LEASE_S + 1)
        assert await it.round() == 1
        assert await it.look() == [("delivered", 2, 204, "")]


async def test_a_relay_that_is_killed_after_it_sent_has_it_sent_again_under_the_same_id(
    real_store: RealStore, engines: Engines
) -> None:
    async with receiving() as receiver, office(real_store, receiver.url) as it:
        await it.ended()
        name = await real_store.pool.fetchval("select current_database()")
        url = urlunsplit(urlsplit(engines.urls.database_url)._replace(path=f"/{name}"))
        command = [sys.executable, "-m", "tests.crash.crashing_courier", url, str(LEASE_S)]
        process = await asyncio.create_subprocess_exec(*command)
        assert await process.wait() == -signal.SIGKILL
        assert len(receiver.came) == 1 and await it.round() == 0
        await real_store.advance(LEASE_S + 1)
        assert await it.round() == 1
        assert [came.headers["webhook-id"] for came in receiver.came] == ["evt_1_1", "evt_1_1"]
        assert await it.look() == [("delivered", 2, 204, "")]


async def test_a_url_without_a_path_and_one_with_a_query_are_sent_to_as_they_stand() -> None:
    async with receiving() as receiver:
        sender, base = Sender(allow_private=True, timeout_s=20, slots=1), receiver.url.removesuffix("/hook")
        for url in (base, f"{base}?key=1", f"{base}/a%20b?key=%2F"):
            assert (await sender.send(parcel(url))).status == 204
        await sender.close()
    assert [came.target for came in receiver.came] == ["/", "/?key=1", "/a%20b?key=%2F"]


class Flaky:
    """A ledger that is away when the first receipt comes."""

    def __init__(self, store: RealStore) -> None:
        self.claim = store.outgoing.claim
        self._record = store.outgoing.record
        self.refused = 0

    async def record(self, parcel: Parcel, receipt: Receipt, delay_s: float, /) -> Any:
        if not self.refused:
            self.refused += 1
            raise Transient("away", kind="ledger")
        return await self._record(parcel, receipt, delay_s)


def parcel(url: str) -> Parcel:
    at = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    return Parcel("wh_1", "evt_1_1", "resp_1", "response.completed", at, url, (SECRET,))
