"""PostgreSQL and Valkey as child processes of ours: one command, nothing to install, the engines of production."""

from agent.adapters.embedded.engines import Engines, EngineUrls, made, running

__all__ = ["EngineUrls", "Engines", "made", "running"]
