"""`cuelight export`: a run that ended as a case, which any machine can run again, or as a trace for the fake model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agent.cases import Case, TooLarge, dumped, written
from agent.cases.files import SUFFIX
from agent.wording import counted
from cli.case_of import case_of
from cli.exits import Exit, errors, leave
from cli.find import DataDir, settings_for
from cli.logs import configure

MostMb = Annotated[float, typer.Option("--most-mb", min=0.001, help="Refuse a case that is larger.")]


def export(
    run: Annotated[str, typer.Argument(help="The response's id: resp_…; or a case file.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The file; `-` for standard output.")] = None,
    redact: Annotated[
        bool, typer.Option("--redact", help="Replace e-mail addresses, phone numbers, files and CUELIGHT_REDACT.")
    ] = False,
    generation: Annotated[int | None, typer.Option(help="Which generation; the newest by default.")] = None,
    trace: Annotated[
        Path | None,
        typer.Option("--trace", help="Write what the models answered as a trace for `fake-model` instead; `-` too."),
    ] = None,
    most_mb: MostMb = 20.0,
    data_dir: DataDir = None,
) -> None:
    """Write a run that ended as a case: request, prompts, events, answers and errors. Secrets are never in it."""
    settings = settings_for(data_dir)
    configure(settings, "export")
    case, most_bytes = case_of(run, settings, generation, redact=redact), int(most_mb * 1e6)
    if trace is not None:
        _write_trace(case, trace)
        return
    path = out or Path(f"{case.run.id}{SUFFIX}")
    try:
        if str(path) == "-":
            typer.echo(dumped(case, most_bytes).decode(), nl=False)
            return
        size = written(case, path, most_bytes)
    except TooLarge as error:
        leave(Exit.FAILED, str(error))
    except OSError as error:
        leave(Exit.FAILED, f"{path} cannot be written: {error.strerror}")
    replaced = ", ".join(f"{count} {kind}" for kind, count in case.written.redacted.items())
    told = f"{path}: {size:,} bytes" + (f"; replaced: {replaced}" if replaced else "")
    errors.print(told, markup=False, soft_wrap=True)


def _write_trace(case: Case, path: Path) -> None:
    from agent.testing.fake_model.recorded import trace_of

    found = trace_of(case)
    if str(path) == "-":
        typer.echo(found.dumped().decode(), nl=False)
        return
    try:
        path.touch(mode=0o600)
        path.write_bytes(found.dumped())
    except OSError as error:
        leave(Exit.FAILED, f"{path} cannot be written: {error.strerror}")
    errors.print(f"{path}: {counted(len(found.lines), 'call')} of models", markup=False, soft_wrap=True)
