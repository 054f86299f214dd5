"""Projects and keys, on the twin and on PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from agent.access import Limits, NewKey, Project, hashed, is_signed, mint, sign
from tests.contract.backends import Store
from tests.contract.toys import new_run

ACME = Project("acme", "Acme", ("chat",), None, Limits(requests_per_min=7, usd_per_day=Decimal("1.5")))


def key(id: str = "key_1", project: str = "default", **more: object) -> NewKey:
    new = NewKey(id, project, "laptop", "user", "cue-1", hashed(f"secret of {id}"))
    return replace(new, **more)  # type: ignore[arg-type]


async def good(store: Store) -> list[str]:
    return [key.id for key in (await store.access.book()).keys]


async def test_a_new_ledger_has_the_default_project_and_no_lock(store: Store) -> None:
    book = await store.access.book()
    assert list(book.projects) == ["default"]
    assert not book.keys and not book.locked
    assert book.projects["default"].may_use("anything")


async def test_a_project_is_read_back_as_it_was_opened_with_a_secret_of_its_own(store: Store) -> None:
    assert await store.access.create_project(ACME, "ann")
    book = await store.access.book()
    secrets = {project.link_secret for project in book.projects.values()}
    assert replace(book.projects["acme"], link_secret=b"") == ACME
    assert len(secrets) == 2 and all(len(secret) >= 16 for secret in secrets)


async def test_an_id_names_one_project_and_a_change_keeps_the_secret(store: Store) -> None:
    await store.access.create_project(ACME, "ann")
    before = (await store.access.book()).projects["acme"]
    assert not await store.access.create_project(replace(ACME, name="Other"), "bob")
    assert await store.access.change_project(replace(ACME, agents=None, models=("m1",), limits=Limits()), "bob")
    assert not await store.access.change_project(replace(ACME, id="nobody"), "bob")
    after = (await store.access.book()).projects["acme"]
    assert after == replace(before, agents=None, models=("m1",), limits=Limits())


async def test_a_key_opens_its_project_until_it_is_revoked(store: Store) -> None:
    assert await store.access.create_key(key(role="operator", limits=Limits(concurrent_runs=2)), "ann")
    book = await store.access.book()
    (found,) = book.keys
    assert book.locked
    assert (found.project, found.role, found.hash, found.lives_s) == ("default", "operator", key().hash, None)
    assert found.limits == Limits(concurrent_runs=2)
    revoked = await store.access.revoke_key("key_1", 0, "ann")
    assert revoked is not None and revoked.lives_s is not None and revoked.lives_s <= 0
    assert await good(store) == []


async def test_the_door_stays_locked_when_the_last_key_is_revoked(store: Store) -> None:
    await store.access.create_key(key(), "ann")
    await store.access.revoke_key("key_1", 0, "ann")
    assert (await store.access.book()).locked
    assert [known.id for known in await store.access.keys()] == ["key_1"]


async def test_two_keys_of_a_project_are_good_while_one_replaces_the_other(store: Store) -> None:
    await store.access.create_key(key("key_1"), "ann")
    await store.access.create_key(key("key_2"), "ann")
    await store.access.revoke_key("key_1", 60, "ann")
    assert sorted(await good(store)) == ["key_1", "key_2"]
    await store.advance(61)
    assert await good(store) == ["key_2"]


async def test_a_grace_can_be_cut_short_and_never_made_longer(store: Store) -> None:
    await store.access.create_key(key(), "ann")
    await store.access.revoke_key("key_1", 60, "ann")
    longer = await store.access.revoke_key("key_1", 600, "ann")
    assert longer is not None and longer.lives_s is not None and longer.lives_s <= 60
    await store.access.revoke_key("key_1", 0, "ann")
    assert await good(store) == []


async def test_a_key_ends_when_it_expires(store: Store) -> None:
    await store.access.create_key(key(lives_s=30.0), "ann")
    assert await good(store) == ["key_1"]
    await store.advance(31)
    assert await good(store) == []


async def test_a_key_is_put_on_record_once_and_for_a_project_that_is_there(store: Store) -> None:
    assert await store.access.create_key(key(), "ann")
    assert not await store.access.create_key(key(), "ann")
    assert not await store.access.create_key(key("key_2", hash=key().hash), "ann")
    assert not await store.access.create_key(key("key_3", "nobody"), "ann")
    assert await store.access.revoke_key("key_3", 0, "ann") is None


async def test_keys_are_listed_by_project(store: Store) -> None:
    await store.access.create_project(ACME, "ann")
    await store.access.create_key(key("key_1"), "ann")
    await store.access.create_key(key("key_2", "acme"), "ann")
    assert [known.id for known in await store.access.keys("acme")] == ["key_2"]


async def test_every_change_makes_another_version_and_reading_none(store: Store) -> None:
    seen = [await store.access.version()]
    await store.access.create_project(ACME, "ann")
    seen.append(await store.access.version())
    await store.access.create_key(key(), "ann")
    seen.append(await store.access.version())
    await store.access.revoke_key("key_1", 5, "ann")
    seen.append((await store.access.book()).version)
    assert len(set(seen)) == 4
    assert await store.access.version() == seen[-1]


async def test_what_was_changed_by_whom_is_on_the_audit_and_no_secret_is(store: Store) -> None:
    await store.access.create_project(ACME, "ann")
    await store.access.create_key(key(project="acme"), "ann\x00")
    await store.access.revoke_key("key_1", 0, "bob")
    told = [(row.actor.strip("\x00� "), row.action, row.subject) for row in await store.audit()]
    assert [it[1:] for it in told] == [("create_project", "acme"), ("create_key", "key_1"), ("revoke_key", "key_1")]
    assert told[0][0] == "ann" and told[2][0] == "bob"


async def test_a_run_remembers_its_key_and_shows_its_projects_link_secret(store: Store) -> None:
    await store.access.create_project(ACME, "ann")
    run = replace(new_run("resp_1", project="acme"), key="key_1")
    await store.ledger.open(run)
    view = await store.ledger.view("resp_1", "acme")
    assert view is not None
    assert view.link_secret == (await store.access.book()).projects["acme"].link_secret
    assert await store.ledger.view("resp_1", "default") is None


def test_minted_keys_are_long_random_and_show_only_their_beginning() -> None:
    minted = [mint() for _ in range(50)]
    assert len({text for text, _, _ in minted}) == 50
    for text, id, hint in minted:
        assert text.startswith(f"{hint}-") and len(text.removeprefix(f"{hint}-")) == 44  # 264 bits in base64
        assert id.removeprefix("key_") == hint.removeprefix("cue-")


def test_a_signature_is_good_for_one_passage_of_one_project_under_one_secret() -> None:
    signature = sign(b"secret", "acme", "psg_1")
    assert is_signed(b"secret", "acme", "psg_1", signature)
    assert not is_signed(b"secret", "acme", "psg_2", signature)
    assert not is_signed(b"secret", "other", "psg_1", signature)
    assert not is_signed(b"other", "acme", "psg_1", signature)
    assert not is_signed(b"secret", "acme", "psg_1", "")
    assert not is_signed(b"", "acme", "psg_1", sign(b"", "acme", "psg_1"))
