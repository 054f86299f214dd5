"""`cuelight up` as a process: what it refuses, what it survives, and that it leaves nothing behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from tests.engines import temporary_directory

UP = [sys.executable, "-m", "cli.main", "up"]


@dataclass
class Service:
    process: subprocess.Popen[str]
    url: str
    home: Path

    def children(self, role: str) -> list[psutil.Process]:
        found = psutil.Process(self.process.pid).children()
        return [child for child in found if role in child.cmdline()]


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


def refused(*options: str) -> str:
    done = subprocess.run([*UP, *options], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3, done.stderr
    return " ".join(done.stderr.split())


def test_the_first_request_after_the_ready_line_is_answered(service: Service) -> None:
    assert ask(service) == "The warranty of the lamp lasts two years."


def test_a_worker_that_is_killed_is_started_again_and_the_next_question_is_answered(service: Service) -> None:
    (worker,) = service.children("worker")
    os.kill(worker.pid, signal.SIGKILL)
    assert ask(service) == "The warranty of the lamp lasts two years."


def test_a_data_directory_in_use_is_refused_with_who_holds_it(service: Service) -> None:
    said = refused("--data-dir", str(service.home / "data"), "--port", "0")
    assert f"in use by process {service.process.pid}" in said


def test_an_address_that_strangers_can_reach_is_refused() -> None:
    everywhere = "0.0.0.0"  # noqa: S104  # that is the point
    with temporary_directory() as home:
        assert "no API keys yet" in refused("--data-dir", str(home / "data"), "--host", everywhere, "--port", "0")


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
        assert [child for child in family if child.is_running() and child.status() != psutil.STATUS_ZOMBIE] == []
