"""The embedded engines: started, held, stopped, and brought back after a crash."""

from __future__ import annotations

import asyncio
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import asyncpg
import psutil
import pytest
import redis

from agent.adapters.embedded import Engines, EngineUrls, running
from agent.adapters.embedded.child import Child
from agent.adapters.embedded.valkey import Valkey
from agent.errors import Misconfigured
from tests.engines import temporary_directory
from tests.kin import alive, children

HOLDER = """
import sys, threading
from pathlib import Path
from agent.adapters.embedded import Engines
engines = Engines(Path(sys.argv[1]))
if sys.argv[2] == "from_a_thread":
    starter = threading.Thread(target=engines.start)
    starter.start()
    starter.join()
else:
    engines.start()
print(*engines.pids.values(), flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    """A data directory that was started and stopped once."""
    with temporary_directory() as path:
        with Engines(path):
            pass
        yield path


@pytest.fixture
def used(made: Path, data_dir: Path) -> Path:
    """A copy of it: quicker than making a new one."""
    return copy(made, data_dir / "data")


def copy(source: Path, target: Path) -> Path:
    return Path(shutil.copytree(source, target))


@contextmanager
def another_process(path: Path, how: str = "from_the_main_thread") -> Iterator[list[int]]:
    """A process that holds engines on `path`, killed at the end without a chance to stop them. Their pids."""
    command = [sys.executable, "-c", HOLDER, str(path), how]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield [int(pid) for pid in process.stdout.readline().split()]
        finally:
            process.kill()


async def put(urls: EngineUrls) -> None:
    connection = await asyncpg.connect(urls.database_url)
    await connection.execute("CREATE TABLE kept AS SELECT 42 AS number")
    await connection.close()
    with redis.Redis.from_url(urls.redis_url) as client:
        client.set("kept", 42)


async def kept(urls: EngineUrls) -> tuple[int, bytes | None]:
    connection = await asyncpg.connect(urls.database_url)
    number = await connection.fetchval("SELECT number FROM kept")
    await connection.close()
    with redis.Redis.from_url(urls.redis_url) as client:
        return number, client.get("kept")


def await_death(pid: int) -> None:
    """Wait for a child of ours without taking its exit status from whoever owns it."""
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


async def test_what_was_written_is_there_after_a_stop_and_a_start(used: Path) -> None:
    with Engines(used) as engines:
        await put(engines.urls)
    with Engines(used) as engines:
        assert await kept(engines.urls) == (42, b"42")


async def test_a_fresh_data_directory_below_one_that_is_not_there_yet_is_made(data_dir: Path) -> None:
    with Engines(data_dir / "a b" / "c%20ü") as engines:
        await put(engines.urls)
        assert await kept(engines.urls) == (42, b"42")


def test_nothing_listens_on_the_network(engines: Engines) -> None:
    for pid in engines.pids.values():
        process = psutil.Process(pid)
        assert process.net_connections(kind="inet") == []
        for child in process.children(recursive=True):
            with suppress(psutil.NoSuchProcess):  # PostgreSQL's own come and go
                assert child.net_connections(kind="inet") == []


def test_the_sockets_are_closed_to_other_users(used: Path) -> None:
    with Engines(used):
        sockets = [path for path in (used / "run").rglob("*") if path.is_socket()]
        assert len(sockets) == 2
        assert all(path.stat().st_mode & 0o077 == 0 for path in sockets)


async def test_the_engines_keep_what_the_design_asks_of_them(engines: Engines) -> None:
    connection = await asyncpg.connect(engines.urls.database_url)
    said = await connection.fetch("SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'jit')")
    await connection.close()
    assert {name: setting for name, setting in said} == {"fsync": "on", "jit": "off"}
    with redis.Redis.from_url(engines.urls.redis_url, decode_responses=True) as client:
        names = ("appendonly", "appendfsync", "save", "maxmemory-policy")
        assert client.config_get(*names) == dict(zip(names, ("yes", "everysec", "", "noeviction"), strict=True))


def test_a_signal_from_the_terminal_does_not_reach_the_engines(engines: Engines) -> None:
    assert all(os.getsid(pid) != os.getsid(0) for pid in engines.pids.values())


async def test_variables_meant_for_another_postgresql_change_nothing(
    used: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"PGPORT": "1", "PGDATA": "/nowhere", "PGHOST": "nowhere.invalid", "PGUSER": "no"}.items():
        monkeypatch.setenv(name, value)
    with Engines(used) as engines:
        await put(engines.urls)
        assert await kept(engines.urls) == (42, b"42")


def test_a_stop_leaves_no_process_and_no_address_behind(used: Path) -> None:
    with Engines(used) as engines:
        pids = list(engines.pids.values())
    assert not any(alive(pid) for pid in pids)
    assert running(used) is None
    assert not (used / "run").exists()
    assert engines.pids == {}


def test_other_commands_find_the_running_engines(used: Path) -> None:
    assert running(used) is None
    with Engines(used) as engines:
        assert running(used) == engines.urls
        assert (used / "engines.json").stat().st_mode & 0o777 == 0o600


def test_a_directory_in_use_is_refused_naming_who_uses_it(used: Path) -> None:
    with another_process(used):
        holder = next(child.pid for child, command in children() if HOLDER in command)
        with pytest.raises(Misconfigured, match=f"is in use by process {holder} .*started 20.*--data-dir"):
            Engines(used).start()
        assert running(used) is not None


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the next start stops them")
def test_the_engines_end_with_their_owner_even_when_it_is_killed(used: Path) -> None:
    with another_process(used) as pids:
        engines = [os.pidfd_open(pid) for pid in pids]
    for engine in engines:
        ended, _, _ = select.select([engine], [], [], 30)
        os.close(engine)
        assert ended


async def test_killed_with_everything_running_it_starts_again_with_all_that_was_committed(used: Path) -> None:
    with another_process(used) as pids:
        urls = running(used)
        assert urls is not None
        await put(urls)
    with Engines(used) as engines:
        assert not any(alive(pid) for pid in pids)
        assert await kept(engines.urls) == (42, b"42")


async def test_engines_that_outlived_their_owner_are_stopped_first(used: Path) -> None:
    with another_process(used, "from_a_thread") as pids:
        urls = running(used)
        assert urls is not None
        await put(urls)
    assert running(used) is None
    assert all(alive(pid) for pid in pids)
    with Engines(used) as engines:
        assert not any(alive(pid) for pid in pids)
        assert await kept(engines.urls) == (42, b"42")


async def test_engines_that_outlived_their_owner_and_hang_are_killed(
    used: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.adapters.embedded.leftovers.PATIENCE_S", 0.1)
    with another_process(used, "from_a_thread") as pids:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
    with Engines(used) as engines:
        assert not any(alive(pid) for pid in pids)
        assert engines.failed() is None


async def test_engines_that_were_killed_too_recover_from_their_logs(used: Path) -> None:
    with another_process(used) as pids:
        urls = running(used)
        assert urls is not None
        await put(urls)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
    with Engines(used) as engines:
        assert await kept(engines.urls) == (42, b"42")


def test_a_stranger_with_the_number_of_a_dead_engine_is_left_alone(used: Path) -> None:
    with subprocess.Popen(["sleep", "600"]) as stranger:
        (used / "lock").write_text('{"pid": 1}')
        (used / "postgres" / "postmaster.pid").write_text(f"{stranger.pid}\n{used / 'postgres'}\n")
        try:
            with Engines(used) as engines:
                assert engines.failed() is None
            assert stranger.poll() is None
        finally:
            stranger.kill()


def incremental(path: Path) -> Path:
    """The file that Valkey appends to."""
    return next((path / "valkey" / "appendonlydir").glob("*.incr.aof"))


@contextmanager
def only_valkey(path: Path) -> Iterator[redis.Redis]:
    with Engines(path, database_url="postgresql://elsewhere") as engines:
        client = redis.Redis.from_url(engines.urls.redis_url)
        yield client
        client.close()


def fill(path: Path) -> None:
    """Ten keys."""
    with only_valkey(path) as client:
        for number in range(10):
            client.set(f"key{number}", number)


def test_a_write_that_was_cut_short_costs_only_itself(data_dir: Path) -> None:
    fill(data_dir)
    file = incremental(data_dir)
    os.truncate(file, file.stat().st_size - 7)
    with only_valkey(data_dir) as client:
        assert client.dbsize() == 9


def break_middle(path: Path) -> None:
    content = incremental(path).read_bytes()
    incremental(path).write_bytes(content[:80] + b"\xff" * 20 + content[100:])


def lose_file(path: Path) -> None:
    incremental(path).unlink()


def break_manifest(path: Path) -> None:
    next((path / "valkey" / "appendonlydir").glob("*.manifest")).write_text("rubbish\n")


def break_base(path: Path) -> None:
    next((path / "valkey" / "appendonlydir").glob("*.base.rdb")).write_bytes(b"REDIS0011" + b"\xfe" * 50)


@pytest.mark.parametrize("harm", [break_middle, lose_file, break_manifest, break_base])
def test_valkey_starts_empty_beside_files_that_it_cannot_read(data_dir: Path, harm: Callable[[Path], None]) -> None:
    fill(data_dir)
    harm(data_dir)
    with only_valkey(data_dir) as client:
        assert client.dbsize() == 0
    assert (data_dir / "valkey.damaged" / "appendonlydir").exists()


def test_valkey_starts_empty_though_it_gives_up_on_its_files_right_after_it_was_looked_at(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look, first = Valkey.ready, list[Child]()

    def look_and_be_slow(it: Valkey) -> bool:
        child = it.child
        assert child
        first[:] = first or [child]
        found = look(it)
        if child is first[0]:
            child.process.wait()
        return found

    fill(data_dir)
    break_middle(data_dir)
    monkeypatch.setattr(Valkey, "ready", look_and_be_slow)
    with Engines(data_dir, database_url="postgresql://elsewhere") as engines:
        assert engines.failed() is None
    assert (data_dir / "valkey.damaged" / "appendonlydir").exists()


async def test_engines_that_die_are_started_again_at_the_same_address_with_what_they_held(used: Path) -> None:
    with Engines(used) as engines:
        await put(engines.urls)
        urls, before = engines.urls, engines.pids
        assert engines.mend() == {}
        for pid in before.values():
            os.kill(pid, signal.SIGKILL)
            await_death(pid)
        assert set(engines.mend()) == {"PostgreSQL", "Valkey"}
        assert not set(engines.pids.values()) & set(before.values())
        assert engines.urls == urls
        assert await once_up(urls) == (42, b"42")


async def once_up(urls: EngineUrls) -> tuple[int, bytes | None]:
    """What was put there, as soon as both engines answer."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await kept(urls)
            except (OSError, asyncpg.PostgresError, redis.ConnectionError, redis.BusyLoadingError):
                await asyncio.sleep(0.01)


async def test_a_valkey_whose_file_was_broken_while_it_ran_starts_empty_when_it_dies(used: Path) -> None:
    with Engines(used) as engines:
        await put(engines.urls)
        with redis.Redis.from_url(engines.urls.redis_url) as client:
            client.bgrewriteaof()
        break_middle_of_whatever_there_is(used)
        os.kill(engines.pids["Valkey"], signal.SIGKILL)
        await_death(engines.pids["Valkey"])
        async with asyncio.timeout(60):
            while not (used / "valkey.damaged").exists():
                engines.mend()
                await asyncio.sleep(0.01)
        assert await once_up(engines.urls) == (42, None)


def break_middle_of_whatever_there_is(path: Path) -> None:
    for file in (path / "valkey" / "appendonlydir").glob("*.aof"):
        content = file.read_bytes()
        file.write_bytes(content[:10] + b"\xff" * 20 + content[30:])


@pytest.mark.parametrize("name", ["d" * 120, "a,b", "it's"], ids=["too long", "comma", "quote"])
async def test_a_path_that_no_socket_or_url_can_have_works(made: Path, data_dir: Path, name: str) -> None:
    path = copy(made, data_dir / name)
    with Engines(path) as engines:
        await put(engines.urls)
        assert await kept(engines.urls) == (42, b"42")
        assert str(path) not in engines.urls.redis_url


@pytest.mark.parametrize("name", ["PostgreSQL", "Valkey"])
def test_an_engine_that_died_is_noticed_with_the_end_of_its_log(used: Path, name: str) -> None:
    with Engines(used) as engines:
        assert engines.failed() is None
        pid = engines.pids[name]
        os.kill(pid, signal.SIGKILL)
        await_death(pid)
        assert f"{name} (process {pid}) was killed by SIGKILL" in (engines.failed() or "")
        assert "eady to accept connections" in (engines.failed() or "")


def test_an_engine_that_does_not_stop_when_asked_is_stopped_harder(used: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.adapters.embedded.valkey.FAREWELL", ((signal.SIGTERM, 0.05),))
    with Engines(used, database_url="postgresql://elsewhere") as engines:
        pid = engines.pids["Valkey"]
        os.kill(pid, signal.SIGSTOP)
    assert not alive(pid)


def test_an_engine_whose_url_is_given_is_left_out(used: Path) -> None:
    with Engines(used, redis_url="redis://elsewhere") as engines:
        assert list(engines.pids) == ["PostgreSQL"]
        assert engines.urls.redis_url == "redis://elsewhere"
        assert running(used) == engines.urls


def test_with_both_urls_given_nothing_runs_and_nothing_is_made(data_dir: Path) -> None:
    with Engines(data_dir / "data", database_url="postgresql://a", redis_url="redis://b") as engines:
        assert engines.urls == EngineUrls("postgresql://a", "redis://b")
        assert engines.pids == {}
    assert not (data_dir / "data").exists()


def test_passwords_do_not_print_with_the_urls() -> None:
    assert "secret" not in repr(EngineUrls("postgresql://u:secret@h/d", "redis://:secret@h"))


def test_an_engine_that_cannot_start_takes_the_other_down_and_says_why(used: Path) -> None:
    with (used / "postgres" / "postgresql.conf").open("a") as file:
        file.write("no_such_setting = 1\n")
    with pytest.raises(
        Misconfigured, match=r"PostgreSQL did not start: .*stopped with exit code 1.*\n.*no_such_setting"
    ):
        Engines(used).start()
    assert running(used) is None
    assert not any(str(used) in " ".join(command) for _, command in children())


def test_data_of_another_postgresql_is_refused(used: Path) -> None:
    (used / "postgres" / "PG_VERSION").write_text("16\n")
    with pytest.raises(Misconfigured, match=r"made by PostgreSQL 16 .*pg_dump"):
        Engines(used).start()


def test_a_start_that_broke_off_while_it_made_the_database_is_made_anew(data_dir: Path) -> None:
    (data_dir / "postgres.new").mkdir()
    (data_dir / "postgres.new" / "PG_VERSION").write_text("18\n")
    with Engines(data_dir, redis_url="redis://elsewhere") as engines:
        assert engines.failed() is None
    assert not (data_dir / "postgres.new").exists()


def test_a_data_directory_that_is_a_file_is_refused(data_dir: Path) -> None:
    (data_dir / "file").touch()
    with pytest.raises(Misconfigured, match="cannot be made"):
        Engines(data_dir / "file").start()
