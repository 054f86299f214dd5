"""The compose file, read; and its services started as it says, as processes against real engines."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = ("migrate", "api", "worker", "jobs")
STAYING = ("api", "worker", "jobs")
KEY = "a-key-of-this-test-that-nobody-could-guess"
QUESTION = {"input": "When was the cue light built?"}


def test_the_services_of_ours_share_one_image() -> None:
    assert {SERVICES[name]["image"] for name in OURS} == {"cuelight:0.1.0"}
    assert SERVICES["worker"]["deploy"]["replicas"] == 2


def test_every_service_that_stays_has_a_health_check() -> None:
    for name in set(SERVICES) - {"migrate"}:
        assert SERVICES[name]["healthcheck"]["test"][0] == "CMD", name


def test_redis_keeps_everything_it_is_given() -> None:
    command = " ".join(SERVICES["redis"]["command"])
    assert "--maxmemory-policy noeviction" in command
    assert "--appendonly yes --appendfsync everysec" in command


def test_nothing_is_published_beyond_loopback() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_compose_does_not_start_a_door_without_a_key() -> None:
    environment = SERVICES["api"]["environment"]
    assert environment["CUELIGHT_BOOTSTRAP_KEY"].startswith("${CUELIGHT_BOOTSTRAP_KEY:?")
    assert "CUELIGHT_ALLOW_OPEN_NETWORK" not in environment


def test_a_service_may_drain_before_it_is_killed() -> None:
    for name in STAYING:
        drain_s = float(SERVICES[name]["environment"]["CUELIGHT_DRAIN_S"])
        assert float(SERVICES[name]["stop_grace_period"].removesuffix("s")) > drain_s


def test_the_services_started_as_written_answer_a_question(
    database_url: str, redis_url: str, data_dir: Path, kept_port: int
) -> None:
    urls = {"CUELIGHT_DATABASE_URL": database_url, "CUELIGHT_REDIS_URL": redis_url, "CUELIGHT_DATA_DIR": str(data_dir)}
    port, document = kept_port, data_dir / "lamp.md"
    document.write_text("# The lamp\n\nThe cue light was built in 1880 and hangs behind the stage.\n")
    run(command("migrate", port), environment("migrate", urls))
    run([*cuelight(), "ingest", str(document)], environment("worker", urls))
    with (
        service("api", port, environment("api", urls)) as api,
        service("worker", port, environment("worker", urls)),
        service("jobs", port, environment("jobs", urls)) as jobs,
    ):
        assert api.stdout is not None and jobs.stdout is not None
        assert api.stdout.readline().startswith("ready: ")
        assert jobs.stdout.readline() == "ready: jobs\n"
        url = f"http://127.0.0.1:{port}/v1/responses"
        assert httpx.post(url, json=QUESTION, timeout=60).status_code == 401
        reply = httpx.post(url, json=QUESTION, timeout=60, headers={"authorization": f"Bearer {KEY}"}).json()
        assert reply["status"] == "completed"
        assert "1880" in reply["output"][0]["content"][0]["text"]
        for name in STAYING:
            run(health_check(name, port), environment(name, urls))
    for name in STAYING:
        check = subprocess.run(
            health_check(name, port), env=environment(name, urls), cwd=ROOT, capture_output=True, check=False
        )
        assert check.returncode == 1, f"the health check of {name} does not notice that it is gone"


def environment(name: str, urls: dict[str, str]) -> dict[str, str]:
    """What compose would set, with the engines of this test in place of the hosts of the compose network."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith("CUELIGHT_")}
    told = {key: expanded(value) for key, value in SERVICES[name]["environment"].items() if value is not None}
    assert {"CUELIGHT_DATABASE_URL", "CUELIGHT_REDIS_URL"} <= told.keys()
    return {**outside, **told, **urls}


def expanded(value: str) -> str:
    """With the defaults of compose; what it would not start without is the key."""
    text = re.sub(r"\$\{(\w+):-([^}]*)\}", lambda found: found[2], str(value))
    return re.sub(r"\$\{CUELIGHT_BOOTSTRAP_KEY:\?[^}]*\}", KEY, text)


def command(name: str, port: int) -> list[str]:
    program, *arguments = SERVICES[name]["command"]
    assert program == "cuelight"
    return [*cuelight(), *(str(port) if word == "8000" else word for word in arguments)]


def cuelight() -> list[str]:
    installed = Path(sys.executable).with_name("cuelight")
    return [str(installed)] if installed.exists() else [sys.executable, "-m", "cli.main"]


def health_check(name: str, port: int) -> list[str]:
    program, *arguments = SERVICES[name]["healthcheck"]["test"][1:]
    assert program == "python"
    return [sys.executable, *(word.replace(":8000/", f":{port}/") for word in arguments)]


def run(words: list[str], env: dict[str, str]) -> None:
    done = subprocess.run(words, env=env, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


@contextmanager
def service(name: str, port: int, env: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    words = command(name, port)
    process = subprocess.Popen(words, env=env, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=60)
