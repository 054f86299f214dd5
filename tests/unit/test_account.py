"""The user that PostgreSQL runs as when we are root."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from agent.adapters.embedded import account
from agent.adapters.embedded.child import Account


def _taken(directory: Path) -> bool:
    other = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(other)
    return False


def test_the_user_is_made_by_one_process_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[bool] = []

    def make(name: str) -> SimpleNamespace:
        made.append(_taken(tmp_path))
        return SimpleNamespace(pw_uid=7, pw_gid=8)

    monkeypatch.setattr(account, "ACCOUNTS", tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(account, "postgres_wheel", lambda: SimpleNamespace(ensure_user_exists=make))
    assert account.needed() == Account(7, 8)
    assert made == [True]
    assert not _taken(tmp_path), "nobody is kept waiting afterwards"
