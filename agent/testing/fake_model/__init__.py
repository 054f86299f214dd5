"""A model endpoint over real HTTP that follows a script, and misbehaves where the script says so."""

from __future__ import annotations

from agent.testing.fake_model.client import FakeModel
from agent.testing.fake_model.script import Line, Script
from agent.testing.fake_model.server import as_process, running, serve
from agent.testing.fake_model.trace import Trace

__all__ = ["FakeModel", "Line", "Script", "Trace", "as_process", "running", "serve"]
