"""What endpoints are told, how it is signed, when it is sent again, and which of them are refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from openai import InvalidWebhookSignatureError, OpenAI

from agent.adapters.network.addresses import is_public
from agent.webhooks import (
    GIVE_UP_AFTER,
    MOST_DELAY_S,
    Parcel,
    backoff_s,
    body,
    complaint,
    event_id,
    mint_endpoint,
    mint_secret,
    signed,
)

SECRET, OLDER = mint_secret(), mint_secret()
AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
PARCEL = Parcel("wh_1", "evt_1_1", "resp_1", "response.completed", AT, "https://example.com", (SECRET,))


def unwrapped(parcel: Parcel, secret: str, **changes: Any) -> Any:
    """What OpenAI's client makes of it, a moment after it was sent."""
    now_s = int(datetime.now(UTC).timestamp())
    content = body(parcel)
    headers = signed(parcel, content, now_s) | changes
    return OpenAI(api_key="none", webhook_secret=secret).webhooks.unwrap(content.decode(), headers)


@pytest.mark.parametrize("kind", ["completed", "failed", "incomplete", "cancelled"])
def test_openais_client_takes_what_is_sent(kind: str) -> None:
    event = unwrapped(replace(PARCEL, type=f"response.{kind}"), SECRET)
    assert (event.id, event.object, event.type, event.data.id) == ("evt_1_1", "event", f"response.{kind}", "resp_1")
    assert event.created_at == int(AT.timestamp())


def test_while_a_secret_is_replaced_either_one_verifies_and_no_other_does() -> None:
    both = replace(PARCEL, secrets=(SECRET, OLDER))
    assert unwrapped(both, SECRET) == unwrapped(both, OLDER)
    with pytest.raises(InvalidWebhookSignatureError):
        unwrapped(both, mint_secret())
    with pytest.raises(InvalidWebhookSignatureError):
        unwrapped(both, SECRET, **{"webhook-id": "evt_other"})


def test_an_event_is_the_same_bytes_at_every_attempt_and_holds_ids_alone() -> None:
    again = replace(PARCEL, number=7, tries=3, token="t", failing=True)
    assert body(again) == body(PARCEL)
    assert body(PARCEL) == (
        b'{"id":"evt_1_1","object":"event","created_at":1767268800,"type":"response.completed","data":{"id":"resp_1"}}'
    )


def test_an_event_has_one_id_for_each_ending_of_a_run() -> None:
    assert event_id("resp_abc", 1) == "evt_abc_1" != event_id("resp_abc", 2)
    assert len({mint_endpoint() for _ in range(50)} | {mint_secret() for _ in range(50)}) == 100


def test_the_delay_doubles_up_to_six_hours_and_is_drawn_from_its_upper_half() -> None:
    assert [backoff_s(tries, 1) for tries in (1, 2, 3, 4)] == [5, 10, 20, 40]
    assert [backoff_s(tries, 0) for tries in (1, 2, 3, 4)] == [2.5, 5, 10, 20]
    assert backoff_s(14, 1) == backoff_s(10_000, 1) == MOST_DELAY_S
    assert (
        next(n for n in range(99) if sum(backoff_s(it + 1, 1) for it in range(n)) > GIVE_UP_AFTER.total_seconds()) > 20
    )


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.8.8.8", "0.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254"),
        *("100.64.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.8", "192.88.99.1", "198.18.0.1", "224.0.0.1"),
        *("239.1.1.1", "240.0.0.1", "255.255.255.255", "203.0.113.9"),
        *("::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::10.0.0.1", "fc00::1", "fd00:ec2::254", "fe80::1"),
        *("fe80::1%eth0", "fec0::1", "ff02::1", "64:ff9b::a00:1", "64:ff9b:1::1", "2002:a00:1::", "2001::1"),
        *("2001:db8::1", "nonsense", ""),
    ],
)
def test_addresses_that_are_not_everybodys_are_known(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "::ffff:8.8.8.8", "2606:4700::1111", "2a00:1450:4001::1"])
def test_public_addresses_are_known(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        *("", "example.com", "http://example.com", "ftp://example.com", "https://", "https:///x", "https://e.com:0/"),
        *("https://u:p@e.com/", "https://u@e.com", "https://e.com/#part", "https://e.com:99999/", "https://[::1/"),
        *("https://e.com/a b", "https://e.com\\@f.com/", "https://é.com/", "https://e.com/\n", "https://e.com/\x00"),
        "https://example.com/" + "x" * 2_000,
    ],
)
def test_what_is_no_url_of_an_endpoint_is_refused(url: str) -> None:
    assert complaint(url, allow_private=False)


def test_only_where_it_is_allowed_an_endpoint_needs_no_tls() -> None:
    assert complaint("https://example.com:8443/hook?key=1", allow_private=False) is None
    assert complaint("http://127.0.0.1:8080/", allow_private=True) is None
    assert complaint("ftp://127.0.0.1/", allow_private=True)
