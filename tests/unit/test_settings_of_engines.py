"""Which servers will do, and where the embedded ones have their sockets: decisions over values."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.adapters.embedded.datadir import LONGEST_SOCKET, DataDir, Hold, held, private
from agent.adapters.probe import refuse_eviction, refuse_old_database, refuse_old_redis
from agent.errors import Misconfigured


@pytest.mark.parametrize("version", ["6.2.14", "5.0", "2.8.19", "", "unstable"])
def test_a_redis_older_than_7_is_refused(version: str) -> None:
    with pytest.raises(Misconfigured, match=r"it must be 7\.0 or newer"):
        refuse_old_redis(version)


@pytest.mark.parametrize("version", ["7.0.0", "7.0.15", "7.2.4", "8.6.1", "10.0.0", "255.255.255"])
def test_a_redis_from_7_on_will_do(version: str) -> None:
    refuse_old_redis(version)


def test_a_postgresql_older_than_14_is_refused() -> None:
    refuse_old_database(14, "14.0")
    with pytest.raises(Misconfigured, match=r"PostgreSQL 13\.22; it must be 14 or newer"):
        refuse_old_database(13, "13.22")


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-lru", "allkeys-random", "volatile-ttl", "allkeys-lfu"])
def test_every_policy_that_evicts_is_refused(policy: str) -> None:
    with pytest.raises(Misconfigured, match=f"{policy}.*noeviction"):
        refuse_eviction(policy)


def test_a_policy_that_a_server_keeps_to_itself_is_not_held_against_it() -> None:
    refuse_eviction("")


def test_the_sockets_are_in_the_data_directory_where_their_paths_fit() -> None:
    assert DataDir(Path("/srv/cue light")).sockets == Path("/srv/cue light/run")


def test_the_sockets_of_a_deep_directory_are_elsewhere_and_each_directory_has_its_own() -> None:
    deep = [DataDir(Path("/srv") / ("d" * 90) / name) for name in ("a", "b")]
    assert all(len(str(directory.sockets / LONGEST_SOCKET)) <= 103 for directory in deep)
    assert deep[0].sockets != deep[1].sockets


def test_sockets_find_a_place_even_where_the_temporary_directory_is_deep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/t" * 60)
    assert DataDir(Path("/d" * 60)).sockets.parent == Path("/tmp")


def test_the_length_of_a_path_is_counted_in_bytes() -> None:
    assert DataDir(Path("/srv") / ("ü" * 50)).sockets.parent != Path("/srv") / ("ü" * 50)


def test_a_link_that_somebody_put_where_the_sockets_go_is_refused(data_dir: Path) -> None:
    (data_dir / "link").symlink_to(data_dir / "elsewhere")
    with pytest.raises(Misconfigured, match="belongs to somebody else"):
        private(data_dir / "link")


def test_a_directory_is_held_until_it_is_released(data_dir: Path) -> None:
    directory = DataDir.make(data_dir)
    assert not held(directory)
    hold = Hold(directory)
    assert held(directory)
    hold.release()
    assert not held(directory)


def test_one_who_never_said_goodbye_is_remembered(data_dir: Path) -> None:
    directory = DataDir.make(data_dir)
    first = Hold(directory)
    left = directory.lock.read_bytes()
    first.release()
    second = Hold(directory)
    second.release()
    directory.lock.write_bytes(left)
    third = Hold(directory)
    third.release()
    assert (first.crashed, second.crashed, third.crashed) == (False, False, True)


def test_a_password_on_the_command_line_is_not_told_to_who_is_refused(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["/usr/bin/cuelight", "up", "--database-url=postgresql://u:secret@h/d"])
    hold = Hold(DataDir.make(data_dir))
    with pytest.raises(Misconfigured, match=r"\(cuelight up \.\.\.\)"):
        Hold(DataDir.make(data_dir))
    assert "secret" not in (data_dir / "lock").read_text()
    hold.release()
