"""`cuelight projects` and `cuelight keys` as an operator types them."""

from __future__ import annotations

from agent.access import hashed
from agent.adapters.ledger.access import PostgresAccess
from tests.e2e.desk import Desk


async def test_a_key_is_shown_once_and_only_its_hash_is_kept(desk: Desk) -> None:
    made = await desk.run("keys", "create", "--name", "laptop", "--expires", "90d", "--usd-per-day", "2.50")
    key = made.out.strip()
    assert made.code == 0 and key.startswith("cue-") and key not in made.err, made.err
    (known,) = (await PostgresAccess(desk.pool).book()).keys
    assert known.hash == hashed(key)
    assert known.id in made.err
    assert known.lives_s is not None and 89 * 86_400 < known.lives_s <= 90 * 86_400
    listed, as_json = await desk.run("keys", "list"), await desk.run("keys", "list", "--json")
    secret = key.split("-", 2)[2]
    for said in (listed, as_json):
        assert known.id in said.out and secret not in said.out and known.hash.hex() not in said.out
    assert as_json.json[0]["limits"]["usd_per_day"] == "2.50"
    rows = await desk.pool.fetch(
        "select (api_keys.*)::text as row from api_keys union all select (audit.*)::text from audit"
    )
    assert rows and all(secret not in row["row"] for row in rows)


async def test_a_key_is_revoked_after_a_grace_or_at_once(desk: Desk) -> None:
    made = (await desk.run("keys", "create", "--json")).json
    graced = await desk.run("keys", "revoke", made["id"], "--grace", "1h")
    assert graced.code == 0 and "is good until" in graced.out
    revoked = await desk.run("keys", "revoke", made["id"])
    assert revoked.out == f"{made['id']} is revoked\n"
    assert not (await PostgresAccess(desk.pool).book()).keys
    assert (await desk.run("keys", "revoke", "key_\x1b[2J")).code == 4


async def test_projects_are_opened_changed_and_listed(desk: Desk) -> None:
    opened = await desk.run("projects", "create", "acme", "--agents", "chat,documents", "--requests-per-min", "60")
    assert opened.code == 0, opened.err
    assert (await desk.run("projects", "create", "acme")).code == 1
    assert (await desk.run("projects", "create", "Not An Id")).code == 2
    changed = await desk.run(
        *("projects", "change", "acme", "--agents", "all", "--models", "m1", "--requests-per-min", "0"),
        *("--concurrent-runs", "3", "--json"),
    )
    assert changed.json["agents"] is None and changed.json["models"] == ["m1"], changed.err
    assert changed.json["limits"]["requests_per_min"] is None and changed.json["limits"]["concurrent_runs"] == 3
    assert (await desk.run("projects", "change", "nobody")).code == 4
    listed = await desk.run("projects", "list")
    assert "acme" in listed.out and "default" in listed.out and "3 at once" in listed.out
    assert (await desk.run("keys", "create", "--project", "nobody")).code == 4


async def test_a_project_is_closed_by_revoking_all_its_keys_and_no_others(desk: Desk) -> None:
    assert (await desk.run("projects", "create", "acme")).code == 0
    for project in ("acme", "acme", "default"):
        assert (await desk.run("keys", "create", "--project", project)).code == 0
    closed = await desk.run("projects", "revoke", "acme")
    assert (closed.code, closed.out) == (0, "project acme: 2 keys revoked\n"), closed.err
    assert [key.project for key in (await PostgresAccess(desk.pool).book()).keys] == ["default"]
    assert (await desk.run("projects", "revoke", "acme", "--json")).json == []
    assert (await desk.run("projects", "revoke", "nobody")).code == 4


async def test_documents_are_put_into_a_projects_own_collection(desk: Desk) -> None:
    page = desk.folder / "page.md"
    page.write_text("# Lamp\n\nThe lamp is blue.\n")
    assert (await desk.run("projects", "create", "acme")).code == 0
    done = await desk.run("ingest", str(page), "--project", "acme")
    assert done.code == 0, done.err
    assert {row["project_id"] for row in await desk.pool.fetch("select project_id from passages")} == {"acme"}
    missing = await desk.run("ingest", str(page), "--project", "nobody")
    assert missing.code == 4 and "there is no project 'nobody'" in missing.err
