"""Agents for traces: each has models of its own, so that no hold or breaker of one trace is felt by the next."""

from __future__ import annotations

from dataclasses import replace

from agent.agents import documents
from agent.steps import Budget

cited = replace(documents, name="cited", models=("m1",))
crowded = replace(documents, name="crowded", models=("m2",))
broken = replace(documents, name="broken", models=("m3",))
chained = replace(documents, name="chained", models=("m4", "m5"))
thrifty = replace(documents, name="thrifty", models=("m6",), budget=Budget(calls=2))
hasty = replace(documents, name="hasty", models=("m7",), budget=Budget(deadline_s=4.0))

AGENTS = (cited, crowded, broken, chained, thrifty, hasty)
SPECS = tuple(f"{__name__}:{agent.name}" for agent in AGENTS)
MODELS = tuple(model for agent in AGENTS for model in agent.models)
