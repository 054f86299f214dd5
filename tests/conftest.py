"""Fixtures for every test."""

import os

from hypothesis import settings

from tests.engines import data_dir, database_url, engines, redis_prefix, redis_url
from tests.sent import everything_sent_is_as_promised

__all__ = ["data_dir", "database_url", "engines", "everything_sent_is_as_promised", "redis_prefix", "redis_url"]

# Hypothesis' own limit of 200 ms an example is a timed assertion: it fails on a busy machine.
settings.register_profile("untimed", deadline=None, max_examples=int(os.environ.get("EXAMPLES", "50")))
settings.load_profile("untimed")
