"""How this process logs: JSON lines for machines, readable lines in a terminal."""

from __future__ import annotations

import logging
import sys
from importlib.metadata import version
from io import StringIO
from typing import TextIO

import structlog

from agent.settings import Settings
from agent.telemetry import tracing
from cli.plain import paragraphs, plain


def configure(settings: Settings, role: str) -> None:
    """Log to standard error; every line carries the role of the process and what is bound to its context.

    Spans go to a collector if the environment names one. Raises `Misconfigured` if that is not possible.
    """
    console = settings.log_format == "console" or (settings.log_format == "auto" and sys.stderr.isatty())
    renderer: structlog.typing.Processor = (
        # The usual format of exceptions shows local variables, and those may hold a key or a document.
        structlog.dev.ConsoleRenderer(exception_formatter=_traceback)
        if console
        else structlog.processors.JSONRenderer()
    )
    level = getattr(logging, settings.log_level.upper())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _harmless if console else structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(role=role)
    tracing.start(role, version("cuelight"))
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
    # Of a ledger that is away it tells with a whole traceback for each try; our own sweeps say so in a line.
    logging.getLogger("asyncpg.pool").setLevel(logging.ERROR)


def _harmless(_: object, name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Words of strangers as they may stand on a terminal; the renderer quotes only those that hold spaces."""
    return {key: plain(value) if isinstance(value, str) else value for key, value in event.items()}


def _traceback(out: TextIO, error: structlog.typing.ExcInfo) -> None:
    """What a bug says may be words of a model or a document: nothing of it does anything on a terminal."""
    told = StringIO()
    structlog.dev.plain_traceback(told, error)
    out.write(paragraphs(told.getvalue()))
