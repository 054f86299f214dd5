"""`cuelight up` as a process: what it refuses, what it survives, and that it leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.typed import done
from tests.engines import temporary_directory
from tests.kin import alive, children

ROUTES = ("retrieve", "generate", "validate")
UP = [sys.executable, "-m", "cli.main", "up"]


@dataclass
class Service:
    process: subprocess.Popen[str]
    url: str
    home: Path

    def children(self, role: str) -> list[psutil.Process]:
        return [child for child, command in children(self.process.pid) if role in command]

    def engine(self, program: str) -> psutil.Process:
        """The engine's own process; raises `StopIteration` while there is none."""
        found = psutil.Process(self.process.pid).children()
        return next(child for child in found if child.name() == program)


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """A service that answers about one document."""
    with temporary_directory() as home, (home / "log").open("w") as log:
        document = home / "warranty.md"
        document.write_text("The warranty of the lamp lasts two years.", encoding="utf-8")
        options = ["--data-dir", str(home / "data"), "--port", "0", "--documents", str(document)]
        process = subprocess.Popen([*UP, *options], stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("ready: "), (home / "log").read_text()
            yield Service(process, line.removeprefix("ready: ").strip(), home)
        finally:
            process.terminate()
            process.communicate(timeout=60)


def ask(service: Service) -> str:
    reply = httpx.post(f"{service.url}/v1/responses", json={"input": "How long is the warranty?"}, timeout=60)
    text: str = reply.raise_for_status().json()["output"][0]["content"][0]["text"]
    return text


def ask_until_answered(service: Service) -> str:
    """While an engine is away, requests are refused."""
    while True:
        try:
            return ask(service)
        except httpx.HTTPStatusError as error:
            assert error.response.status_code == 503


def refused(*options: str, code: int = 3) -> str:
    ended = done(["up", *options], os.environ)
    assert ended.returncode == code, ended.stderr
    return " ".join(ended.stderr.split())


def test_the_first_request_after_the_ready_line_is_answered(service: Service) -> None:
    assert ask(service) == "The warranty of the lamp lasts two years."


def test_a_worker_that_is_killed_is_started_again_and_the_metrics_of_the_door_tell_of_both(service: Service) -> None:
    ask(service)
    before = await_deliveries(service, dict.fromkeys(ROUTES, 1.0))
    (worker,) = service.children("worker")
    os.kill(worker.pid, signal.SIGKILL)
    assert ask(service) == "The warranty of the lamp lasts two years."
    await_deliveries(service, {route: count + 1 for route, count in before.items()})


def await_deliveries(service: Service, least: dict[str, float]) -> dict[str, float]:
    """The last delivery is counted a moment after its client has the answer."""
    while any(deliveries(service).get(route, 0.0) < count for route, count in least.items()):
        continue
    return deliveries(service)


def deliveries(service: Service) -> dict[str, float]:
    """How many deliveries of each route were settled, by the one page that a monitor reads."""
    page = httpx.get(f"{service.url}/metrics", timeout=60).raise_for_status().text
    counted = dict[str, float]()
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            if sample.name == "cuelight_deliveries_total" and sample.labels["outcome"] in ("advance", "end"):
                counted[sample.labels["route"]] = counted.get(sample.labels["route"], 0) + sample.value
    return counted


@pytest.mark.parametrize("program", ["valkey-server", "postgres"])
def test_an_engine_that_is_killed_is_started_again_and_the_next_question_is_answered(
    service: Service, program: str
) -> None:
    engine = service.engine(program)
    engine.kill()
    engine.wait(60)
    assert ask_until_answered(service) == "The warranty of the lamp lasts two years."
    assert service.process.poll() is None
    assert service.engine(program).pid != engine.pid


def test_a_valkey_whose_file_is_broken_starts_empty_and_the_next_question_is_answered(service: Service) -> None:
    files = service.home / "data" / "valkey" / "appendonlydir"
    (largest,) = files.glob("*.incr.aof")
    content = largest.read_bytes()
    largest.write_bytes(content[:100] + b"\xff" * 50 + content[150:])
    engine = service.engine("valkey-server")
    engine.kill()
    engine.wait(60)
    assert ask_until_answered(service) == "The warranty of the lamp lasts two years."
    assert (service.home / "data" / "valkey.damaged" / "appendonlydir" / largest.name).exists()
    assert "valkey_starts_empty" in (service.home / "log").read_text()


def test_an_engine_that_dies_again_and_again_takes_everything_down_with_a_reason() -> None:
    with temporary_directory() as home, (home / "log").open("w") as log:
        options = ["--data-dir", str(home / "data"), "--port", "0"]
        process = subprocess.Popen([*UP, *options], stdout=subprocess.PIPE, stderr=log, text=True)
        assert process.stdout is not None and process.stdout.readline().startswith("ready: ")
        service = Service(process, "", home)
        while process.poll() is None:
            with suppress(StopIteration, psutil.Error):
                engine = service.engine("valkey-server")
                engine.kill()
                engine.wait(60)
        process.stdout.close()
        assert process.returncode == 3
        assert "Valkey died 6 times within 60 s" in (home / "log").read_text()


def test_a_jobs_process_that_is_killed_is_started_again_and_the_next_job_is_done(service: Service) -> None:
    (jobs,) = service.children("jobs")
    os.kill(jobs.pid, signal.SIGKILL)
    ended = done(["retention", "--json", "--data-dir", str(service.home / "data")], os.environ)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["job"]["state"] == "done"


def test_a_data_directory_in_use_is_refused_with_who_holds_it(service: Service) -> None:
    said = refused("--data-dir", str(service.home / "data"), "--port", "0")
    assert f"in use by process {service.process.pid}" in said


def test_an_address_that_strangers_can_reach_is_refused() -> None:
    everywhere = "0.0.0.0"  # noqa: S104  # that is the point
    with temporary_directory() as home:
        data = home / "data"
        assert "no API keys yet" in refused("--data-dir", str(data), "--host", everywhere, "--port", "0")
        assert not data.exists(), "it is refused before anything is started"


def test_documents_that_are_not_there_are_refused_before_anything_is_started() -> None:
    with temporary_directory() as home:
        data = home / "data"
        words = refused("--data-dir", str(data), "--documents", str(home / "nowhere"), code=4)
        assert f"there is nothing at {home / 'nowhere'}" in words
        assert not data.exists()


def test_a_port_that_is_taken_is_refused() -> None:
    with temporary_directory() as home, socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert "choose another --port" in refused("--data-dir", str(home / "data"), "--port", port)


def test_stopping_it_leaves_no_process_behind() -> None:
    with temporary_directory() as home, (home / "log").open("w") as log:
        options = ["--data-dir", str(home / "data"), "--port", "0"]
        process = subprocess.Popen([*UP, *options], stdout=subprocess.PIPE, stderr=log, text=True)
        assert process.stdout is not None and process.stdout.readline().startswith("ready: ")
        family = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0, (home / "log").read_text()
        process.stdout.close()
        assert [child for child in family if alive(child)] == []
