"""What schemathesis is told beyond the document. It runs apart from the service, so nothing of ours is imported."""

from __future__ import annotations

import schemathesis

OURS = {"server_error", "unavailable", "timeout", "overloaded", "intake_paused", "stopping"}
"""Codes of failures of the service; those of runs that had no answer are others."""


def not_our_mistake(ctx: object, response: schemathesis.Response, case: schemathesis.Case) -> None:
    """A 5xx tells how a run ended, and of nothing else."""
    if response.status_code >= 500:
        assert response.json()["error"]["code"] not in OURS, response.text


schemathesis.check(not_our_mistake)
